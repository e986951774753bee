from __future__ import annotations

import shutil
from contextlib import nullcontext

import anndata as ad
import numpy as np
import pytest
import zarr

from sctabnet.data.corpus import Corpus
from sctabnet.data.zarr_source import zarr_source


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(700, 60)


@pytest.fixture(scope="module")
def written(adata, tmp_path_factory):
    path = tmp_path_factory.mktemp("zarr") / "a.zarr"
    with ad.settings.override(auto_shard_zarr_v3=False):
        ad.io.write_elem(zarr.open_group(path, mode="w", zarr_format=3), "/", adata)
    return path


@pytest.fixture
def path(written, tmp_path):
    return shutil.copytree(written, tmp_path / "a.zarr")


def replace_matrix(path, **options):
    group = zarr.open_group(path)["X"]
    for name in ("data", "indices", "indptr"):
        values = group[name][:]
        del group[name]
        group.create_array(name, shape=values.shape, dtype=values.dtype, **options)[:] = values


CODECS = zarr.codecs
LAYOUTS = {
    "raw": {"chunks": (100,), "compressors": None},
    "one raw chunk": {"chunks": (100_000,), "compressors": None},
    "zstd": {"chunks": (100,), "compressors": CODECS.ZstdCodec()},
    "gzip": {"chunks": (100,), "compressors": CODECS.GzipCodec()},
    "blosc": {"chunks": (100,), "compressors": CODECS.BloscCodec(shuffle="shuffle")},
    "checksum": {"chunks": (100,), "compressors": CODECS.Crc32cCodec()},
    "shards": {"chunks": (50,), "shards": (400,)},
    "raw shards": {"chunks": (50,), "shards": (400,), "compressors": None},
    "big-endian": {"chunks": (100,), "serializer": CODECS.BytesCodec(endian="big")},
}


def assert_same(adata, path):
    rows = np.random.default_rng(0).permutation(adata.n_obs)[:300]
    expected, found = Corpus.open(adata).take(rows), Corpus.open(path).take(rows)
    assert (expected.values == found.values).all()
    assert (expected.indices == found.indices).all()
    assert (expected.offsets == found.offsets).all()


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_layout_gives_the_same_cells(adata, path, options):
    replace_matrix(path, **options)
    assert_same(adata, path)


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")
def test_format_2(adata, tmp_path):
    with ad.settings.override(zarr_write_format=2):
        adata.write_zarr(tmp_path / "two.zarr")
    assert_same(adata, tmp_path / "two.zarr")


def test_labels_are_read(adata, path):
    corpus = Corpus.open(path, labels_key="cell_type")
    assert corpus.labels == ("B", "NK", "T")
    assert (corpus.label_codes == Corpus.open(adata, labels_key="cell_type").label_codes).all()


@pytest.mark.parametrize("layout", ["raw", "zstd", "shards", "checksum"])
@pytest.mark.parametrize("array", ["data", "indices", "indptr"])
def test_missing_chunk_is_never_zero(path, layout, array):
    replace_matrix(path, **LAYOUTS[layout])
    next((path / "X" / array / "c").iterdir()).unlink()
    with pytest.raises(ValueError, match="missing chunks"):
        zarr_source(path)


def test_missing_chunk_inside_a_shard(path):
    replace_matrix(path, **LAYOUTS["raw shards"])
    shard = path / "X" / "data" / "c" / "0"
    content = bytearray(shard.read_bytes())
    n = 16 * 8 + 4  # eight chunks and a checksum
    content[-n : -n + 16] = b"\xff" * 16
    shard.write_bytes(content)
    with pytest.raises(ValueError, match="missing chunks"):
        zarr_source(path)


@pytest.mark.parametrize("layout", ["raw", "zstd", "shards"])
def test_truncated_chunk(path, layout):
    replace_matrix(path, **LAYOUTS[layout])
    chunk = path / "X" / "data" / "c" / "1"
    chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(ValueError, match=r"damaged|truncated"):
        list(Corpus.open(path).minibatches())


def test_store_that_is_no_folder(adata, path, tmp_path):
    """What cannot be read as files goes through zarr itself."""
    archive = tmp_path / "a.zip"
    shutil.make_archive(str(archive).removesuffix(".zip"), "zip", path)
    group = zarr.open_group(zarr.storage.ZipStore(archive, mode="r"), mode="r")
    from sctabnet.data.group_source import group_source
    from sctabnet.data.zarr_entries import zarr_entries

    source = group_source(group, "a.zip", layer=None, entries=zarr_entries, reopen=nullcontext)
    values, indices = np.empty(adata.X.nnz, np.float32), np.empty(adata.X.nnz, np.int32)
    first, last = source.row_bounds(np.array([0]), np.array([700]))
    source.read(first[:1], last[-1:], values, indices)
    assert (values == adata.X.data).all() and (indices == adata.X.indices).all()


def test_not_a_zarr_folder(tmp_path):
    with pytest.raises(ValueError, match="cannot be opened as a zarr folder"):
        zarr_source(tmp_path)
