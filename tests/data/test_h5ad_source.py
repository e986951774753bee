from __future__ import annotations

import shutil

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from sctabnet.data.corpus import Corpus
from sctabnet.data.h5ad_source import h5ad_source


@pytest.fixture(scope="module")
def adata(make_adata):
    a = make_adata(700, 60)
    a.layers["double"] = (a.X * 2).tocsr()
    a.raw = a.copy()
    return a[:, :50].copy()


@pytest.fixture
def path(adata, tmp_path):
    target = tmp_path / "a.h5ad"
    adata.write_h5ad(target)
    return target


def replace_matrix(path, **options):
    """Write X/data, indices and indptr anew with HDF5 options."""
    with h5py.File(path, "r+") as file:
        for name in ("data", "indices", "indptr"):
            values = file["X"][name][:]
            del file["X"][name]
            file["X"].create_dataset(name, data=values, **options)


FILTERS = {
    "contiguous": {},
    "chunked": {"chunks": (100,)},
    "gzip": {"chunks": (100,), "compression": "gzip"},
    "gzip and shuffle": {"chunks": (64,), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (333,), "compression": "lzf"},
    "lzf and shuffle": {"chunks": (333,), "compression": "lzf", "shuffle": True},
    "unknown here": {"chunks": (100,), "scaleoffset": 0, "dtype": np.int32},
    "checksum": {"chunks": (100,), "fletcher32": True},
    "big-endian": {"dtype": ">i4"},
}


@pytest.mark.parametrize("options", FILTERS.values(), ids=FILTERS.keys())
def test_every_storage_gives_the_same_cells(adata, path, options):
    replace_matrix(path, **options)
    rows = np.random.default_rng(0).permutation(700)[:300]
    expected, found = Corpus.open(adata).take(rows), Corpus.open(path).take(rows)
    assert (expected.values == found.values).all()
    assert (expected.indices == found.indices).all()
    assert (expected.offsets == found.offsets).all()


def test_zstd(adata, path):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    replace_matrix(path, chunks=(200,), **hdf5plugin.Zstd())
    assert (Corpus.open(path).take(np.arange(9)).values.numpy() == adata.X[:9].data).all()


@pytest.mark.parametrize("layer", [None, "raw", "double"])
def test_layers(adata, path, layer):
    expected, found = Corpus.open(adata, layer=layer), Corpus.open(path, layer=layer)
    assert expected.fingerprint == found.fingerprint
    assert len(found.vocabulary) == (60 if layer == "raw" else 50)


def test_missing_layer_lists_those_that_exist(path):
    with pytest.raises(KeyError, match=r"layer='counts' is not in .*'double'.*raw"):
        h5ad_source(path, layer="counts")


@pytest.mark.parametrize("form", [sp.csc_matrix, lambda x: x.toarray()], ids=["csc", "dense"])
def test_matrix_that_is_not_csr_names_the_converting_command(adata, tmp_path, form, capfd):
    path = tmp_path / "other.h5ad"
    ad.AnnData(form(adata.X), var=adata.var[[]]).write_h5ad(path)
    with pytest.raises(ValueError, match="must be a CSR matrix") as error:
        h5ad_source(path)
    command = str(error.value).split('python -c "')[1].removesuffix('"')
    exec(command, {})
    assert Corpus.open(tmp_path / "other.csr.h5ad").n_cells == 700


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_file(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="truncated"):
        h5ad_source(path)


def test_not_an_hdf5_file(tmp_path):
    (tmp_path / "a.h5ad").write_text("cells")
    with pytest.raises(ValueError, match="cannot be opened as an h5ad file"):
        h5ad_source(tmp_path / "a.h5ad")


def test_hdf5_file_that_is_no_anndata(tmp_path):
    h5py.File(tmp_path / "a.h5ad", "w").close()
    with pytest.raises(ValueError, match="no AnnData file"):
        h5ad_source(tmp_path / "a.h5ad")


def test_decreasing_row_pointers(path):
    with h5py.File(path, "r+") as file:
        file["X/indptr"][300] = file["X/indptr"][400]
    with pytest.raises(ValueError, match="row pointers that decrease"):
        list(Corpus.open(path).minibatches())


def test_row_pointers_that_end_elsewhere(path):
    with h5py.File(path, "r+") as file:
        file["X/indptr"][-1] -= 1
    with pytest.raises(ValueError, match="row pointers end at"):
        h5ad_source(path)


def test_column_number_out_of_range(path):
    with h5py.File(path, "r+") as file:
        start = file["X/indptr"][345]
        file["X/indices"][start] = 268_435_455
    with pytest.raises(ValueError, match=r"Found 268435455 among 50 genes in row 345"):
        list(Corpus.open(path).minibatches())


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_bad_value_while_streaming(path, value):
    with h5py.File(path, "r+") as file:
        file["X/data"][file["X/indptr"][345]] = value
    with pytest.raises(ValueError, match=r"in row 345"):
        list(Corpus.open(path).minibatches(shuffle=True))


def test_chunk_that_was_never_written(path):
    with h5py.File(path, "r+") as file:
        n = len(file["X/data"])
        del file["X/data"]
        data = file["X"].create_dataset("data", (n,), "f4", chunks=(100,))
        data[:50] = 1
    with pytest.raises(ValueError, match="never written"):
        h5ad_source(path)


def test_claimed_size_without_data(path):
    with h5py.File(path, "r+") as file:
        del file["X/data"]
        file["X"].create_dataset("data", (2**32,), "f4")
    with pytest.raises(ValueError, match="never written"):
        h5ad_source(path)


@pytest.mark.parametrize("where", ["X", "X/data", "obs/cell_type", "obs"])
def test_link_into_another_file(path, tmp_path, where):
    other = tmp_path / "other.h5ad"
    shutil.copy(path, other)
    with h5py.File(path, "r+") as file:
        del file[where]
        file[where] = h5py.ExternalLink(str(other), where)
    with pytest.raises(ValueError, match="points at another file"):
        h5ad_source(path)


def test_external_storage(path, tmp_path):
    with h5py.File(path, "r+") as file:
        n = len(file["X/data"])
        del file["X/data"]
        file["X"].create_dataset(
            "data", (n,), "f4", external=[(str(tmp_path / "secret"), 0, 4 * n)]
        )
    with pytest.raises(ValueError, match="points at another file"):
        h5ad_source(path)


def test_virtual_data_set(path, tmp_path):
    with h5py.File(path, "r+") as file:
        n = len(file["X/data"])
        del file["X/data"]
        layout = h5py.VirtualLayout((n,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret"), "data", (n,))
        file["X"].create_virtual_dataset("data", layout)
    with pytest.raises(ValueError, match="points at another file"):
        h5ad_source(path)


def test_shape_that_contradicts_the_parts(path):
    with h5py.File(path, "r+") as file:
        file["X"].attrs["shape"] = [700, 49]
    with pytest.raises(ValueError, match="contradict each other"):
        h5ad_source(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.pop("X/indptr"), "X is no whole CSR matrix. Found no indptr"),
        (lambda file: file.pop("X"), "X is not in .*double.*Pass layer=... with one of these"),
        (lambda file: file["obs"].attrs.pop("column-order"), "before anndata 0.7"),
        (lambda file: as_bool(file["X"]), "X of .* must hold numbers. Found values of type bool"),
    ],
)
def test_parts_that_are_missing_or_of_another_type(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ValueError, match=message):
        h5ad_source(path)


def as_bool(matrix):
    values = matrix["data"][:].astype(bool)
    del matrix["data"]
    matrix["data"] = values
