from __future__ import annotations

import resource
import signal
import subprocess
import sys
import textwrap

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from sctabnet.data.corpus import Corpus
from sctabnet.data.prepare import prepare
from sctabnet.data.validate import validate


@pytest.fixture(scope="module")
def files(make_adata, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for i in range(3):
        genes = [f"G{j:03d}" for j in rng.permutation(80)[: 50 + 10 * i]]
        adata = make_adata(200 + i, genes, seed=i)
        adata.obs[f"only{i}"] = np.arange(adata.n_obs)
        adata.write_h5ad(folder / f"{i}.h5ad")
    return str(folder / "*.h5ad")


def cells_by_name(path, names):
    """Each cell of an AnnData as {gene: value}, by its name."""
    found = {}
    for p in path:
        adata = ad.read_h5ad(p) if str(p).endswith(".h5ad") else ad.read_zarr(p)
        frame = pd.DataFrame(adata.X.toarray(), index=adata.obs_names, columns=adata.var_names)
        for name in names:
            if name in frame.index:
                row = frame.loc[name]
                found[name] = row[row > 0].sort_index().to_dict()
    return found


@pytest.mark.parametrize("memory_limit", [2**30, 50_000])
def test_merged_cells_are_those_of_the_files(files, tmp_path, memory_limit):
    out = tmp_path / "corpus.zarr"
    report = prepare(files, out, labels_key="cell_type", memory_limit=memory_limit)
    before, after = Corpus.open(files), Corpus.open(out, labels_key="cell_type")
    merged = ad.read_zarr(out)
    assert merged.X.dtype == np.uint16 and merged.X.indices.dtype == np.uint16
    assert merged.shape == (603, len(before.vocabulary))
    assert after.vocabulary == before.vocabulary
    np.testing.assert_array_equal(after.measured, before.measured)
    assert after.source_names == ("0.h5ad", "1.h5ad", "2.h5ad")
    sources = merged.obs["sctabnet_source"].to_numpy()
    assert (np.array(after.source_names)[after.source_codes] == sources).all()
    paths = before.files
    names = [*merged.obs_names[:40], *merged.obs_names[-5:]]
    assert cells_by_name(paths, names) == cells_by_name([out], names)
    # obs follows its cell, whatever file it came from
    every = pd.concat([ad.read_h5ad(p).obs for p in paths]).loc[merged.obs_names]
    assert every["donor"].tolist() == merged.obs["donor"].tolist()
    assert (every["only1"].isna() == pd.isna(merged.obs["only1"])).all()
    assert report.label_counts == validate(after).label_counts
    assert report.n_cells == 603 and len(report.files) == 3
    assert not [p for p in tmp_path.iterdir() if p.name != "corpus.zarr"]


def test_neighbours_are_strangers(files, tmp_path):
    prepare(files, tmp_path / "c.zarr", seed=1, memory_limit=50_000)
    codes = Corpus.open(tmp_path / "c.zarr").source_codes
    same = (codes[1:] == codes[:-1]).mean()
    assert abs(same - 1 / 3) < 0.06


def test_seed_decides_the_order_and_buckets_do_not(files, tmp_path):
    orders = []
    for name, seed, limit in (("a", 0, 2**30), ("b", 0, 40_000), ("c", 1, 2**30)):
        prepare(files, tmp_path / f"{name}.zarr", seed=seed, memory_limit=limit)
        orders.append(ad.read_zarr(tmp_path / f"{name}.zarr").obs_names.tolist())
    assert orders[0] == orders[1] != orders[2]


def test_log1p_values_stay_floats_and_a_prepared_corpus_can_be_prepared(make_adata, tmp_path):
    adatas = [make_adata(seed=i, log1p=True) for i in range(2)]
    prepare(adatas, tmp_path / "a.zarr", obs_columns=["donor"])
    merged = ad.read_zarr(tmp_path / "a.zarr")
    assert merged.X.dtype == np.float32
    assert list(merged.obs) == ["donor", "sctabnet_source"]
    prepare(tmp_path / "a.zarr", tmp_path / "b.zarr")
    again = Corpus.open(tmp_path / "b.zarr")
    assert len(again.source_names) == 2 and again.value_kind == "log1p"


def test_same_barcodes_in_two_files(make_adata, tmp_path):
    prepare([make_adata(), make_adata()], tmp_path / "a.zarr")
    assert ad.read_zarr(tmp_path / "a.zarr").obs_names.is_unique


def test_places_that_cannot_be_written(files, tmp_path):
    (tmp_path / "mine.zarr").mkdir()
    with pytest.raises(ValueError, match="new or a zarr folder"):
        prepare(files, tmp_path / "mine.zarr")
    with pytest.raises(ValueError, match=r"ending in \.zarr"):
        prepare(files, tmp_path / "corpus.h5ad")


def test_genes_and_columns_that_are_not_there(make_adata, tmp_path):
    strange = make_adata()
    strange.var_names = [f"other {i}" for i in range(strange.n_vars)]
    with pytest.raises(ValueError, match="have no gene in common. Found, for example"):
        prepare([make_adata(), strange], tmp_path / "a.zarr", join="intersection")
    with pytest.raises(KeyError, match="'donr' of obs_columns is not a column of obs in any file"):
        prepare(make_adata(), tmp_path / "a.zarr", obs_columns=["donr"])
    assert not list(tmp_path.iterdir())


def test_bad_value_leaves_nothing_behind(make_adata, tmp_path):
    adata = make_adata(2000)
    adata.X.data[adata.X.indptr[1000]] = -1
    with pytest.raises(ValueError, match="in row 1000"):
        prepare(adata, tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


FULL_DISK = """
    import resource, signal, sys
    from sctabnet.data.prepare import prepare

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        prepare(sys.argv[1], sys.argv[2], seed=9)
    except OSError as error:
        print(error)
        sys.exit(3)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs file size limits")
def test_full_disk_leaves_the_old_corpus_intact(files, tmp_path):
    assert hasattr(signal, "SIGXFSZ")
    out = tmp_path / "corpus.zarr"
    prepare(files, out)
    content = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), files, str(out)],
        capture_output=True, text=True, env={"NUMBA_DISABLE_JIT": "0", **__import__("os").environ},
    )  # fmt: skip
    assert child.returncode == 3, child.stderr
    assert "could not be written" in child.stdout and "GB free" in child.stdout
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == content
    assert [p.name for p in tmp_path.iterdir()] == ["corpus.zarr"]
