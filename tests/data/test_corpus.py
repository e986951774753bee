from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from sctabnet.data.corpus import Corpus
from sctabnet.genes import GeneVocabulary


def dense(minibatch):
    out = np.zeros((len(minibatch), minibatch.measured.shape[1]), np.float32)
    rows = np.repeat(np.arange(len(minibatch)), minibatch.offsets.diff().numpy())
    out[rows, minibatch.indices.numpy()] = minibatch.values.numpy()
    return out


@pytest.fixture(scope="module")
def panels(make_adata, tmp_path_factory):
    """Files of unequal panels, shuffled columns, some ids with versions; and their AnnDatas."""
    rng = np.random.default_rng(0)
    genes = np.array([f"ENSG{i:011d}" for i in range(90)])
    folder = tmp_path_factory.mktemp("panels")
    adatas, paths = [], []
    for i in range(4):
        panel = rng.permutation(genes)[: 40 + 10 * i]
        adata = make_adata(30 + i, list(panel), seed=i)
        path = folder / f"{i}.h5ad"
        written = adata.copy()
        if i % 2:
            written.var_names = [f"{g}.{i}" for g in panel]
        written.write_h5ad(path, compression="gzip" if i == 2 else None)
        adatas.append(adata)
        paths.append(str(path))
    return adatas, paths


@pytest.mark.parametrize("join", ["union", "intersection"])
def test_joins_equal_anndata_concat(panels, join):
    adatas, paths = panels
    corpus = Corpus.open(paths, join=join)
    expected = ad.concat(adatas, join="outer" if join == "union" else "inner", index_unique="-")
    expected = expected[:, sorted(expected.var_names)]
    assert corpus.vocabulary.ids == tuple(expected.var_names)
    np.testing.assert_array_equal(dense(corpus.take(np.arange(126))), expected.X.toarray())
    for i, adata in enumerate(adatas):
        assert {g for g, m in zip(corpus.vocabulary, corpus.measured[i], strict=True) if m} == set(
            adata.var_names
        ) & set(corpus.vocabulary)
    assert corpus.alignments[0].n_query == 40


def test_order_of_columns_leaves_no_trace(make_adata):
    adata = make_adata(500, 50)
    shuffled = adata[:, np.random.default_rng(1).permutation(50)].copy()
    one, two = Corpus.open(adata), Corpus.open(shuffled)
    assert one.fingerprint == two.fingerprint
    pairs = zip(
        one.minibatches(minibatch_size=64, shuffle=True, seed=3),
        two.minibatches(minibatch_size=64, shuffle=True, seed=3),
        strict=True,
    )
    for a, b in pairs:
        for name in ("values", "indices", "offsets", "row_ids"):
            assert (getattr(a, name) == getattr(b, name)).all()


def test_file_format_leaves_no_trace(make_adata, tmp_path):
    adata = make_adata(500, 50)
    adata.write_h5ad(tmp_path / "a.h5ad", compression="lzf")
    adata.X = adata.X.astype(np.float64)
    assert Corpus.open(adata).fingerprint == Corpus.open(tmp_path / "a.h5ad").fingerprint


@pytest.mark.parametrize(
    "form",
    [
        sp.csr_matrix,
        sp.csr_array,
        sp.csc_matrix,
        lambda x: x.toarray(),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.uint16),
        lambda x: x.toarray().astype(np.float16),
    ],
)
def test_forms_of_a_matrix_in_memory(make_adata, form):
    adata = make_adata()
    other = adata.copy()
    other.X = form(adata.X)
    rows = np.arange(60)
    np.testing.assert_array_equal(
        dense(Corpus.open(other).take(rows)), dense(Corpus.open(adata).take(rows))
    )


def test_booleans_are_counts_and_other_objects_are_refused(make_adata):
    adata = make_adata()
    binary = adata.copy()
    binary.X = adata.X.astype(bool)
    rows = np.arange(60)
    expected = dense(Corpus.open(adata).take(rows)) > 0
    np.testing.assert_array_equal(dense(Corpus.open(binary).take(rows)), expected)
    for dtype in (object, complex):
        adata.X = binary.X.toarray().astype(dtype)
        with pytest.raises(ValueError, match=r"cannot be read. Found values of type (obj|compl)"):
            Corpus.open(adata)


@pytest.mark.parametrize("source", [3, None, "", [None], np.ones((2, 2))])
def test_sources_of_another_kind(source):
    with pytest.raises(ValueError, match="must be an AnnData, a path, or a list of these. Found"):
        Corpus.open(source)


def test_views_and_backed(make_adata, tmp_path):
    adata = make_adata()
    adata.raw = adata[:, :10].copy()
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    backed.obs["new"] = "x"  # columns in memory count, not those on disk
    corpus = Corpus.open(backed, labels_key="new")
    assert corpus.labels == ("x",)
    np.testing.assert_array_equal(dense(corpus.take(np.arange(60))), adata.X.toarray())
    raw = Corpus.open(backed, layer="raw")
    np.testing.assert_array_equal(dense(raw.take(np.arange(60))), adata.X[:, :10].toarray())
    for whole in (adata, backed):
        part = Corpus.open(whole[5:20, 3:30])
        np.testing.assert_array_equal(
            dense(part.take(np.arange(15))), adata.X[5:20, 3:30].toarray()
        )
    backed.file.close()


def test_backed_matrix_that_is_not_csr(make_adata, tmp_path):
    adata = make_adata()
    adata.X = adata.X.tocsc()
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with pytest.raises(ValueError, match="must be a CSR matrix"):
        Corpus.open(backed)
    backed.file.close()


@pytest.mark.filterwarnings("ignore:Variable names are not unique:UserWarning")
def test_given_vocabulary_and_duplicated_genes(make_adata):
    adata = make_adata(20, ["B", "A", "B", "D"])
    corpus = Corpus.open(adata, vocabulary=GeneVocabulary(["A", "B", "C"]))
    x = adata.X.toarray()
    np.testing.assert_array_equal(
        dense(corpus.take(np.arange(20))), np.stack([x[:, 1], x[:, 0] + x[:, 2], 0 * x[:, 0]], 1)
    )
    assert corpus.measured.tolist() == [[True, True, False]]
    assert corpus.alignments[0].duplicated == ("B",)


def test_labels_and_covariates(make_adata):
    one, two = make_adata(seed=1), make_adata(seed=2)
    two.obs["donor"] = two.obs["donor"].replace("d1", "").astype("category")
    corpus = Corpus.open([one, two], labels_key="cell_type", covariate_keys=["donor"])
    assert corpus.labels == ("B", "NK", "T")  # ascending, without the unused category
    obs = pd.concat([one.obs, two.obs])
    names = np.array([*corpus.labels, None], object)[corpus.label_codes]
    assert [None if pd.isna(x) else x for x in obs["cell_type"]] == names.tolist()
    assert corpus.covariate_levels == {"donor": ("d1", "d2")}
    levels = np.array(["", "d1", "d2"])[corpus.covariate_codes[:, 0]]
    assert levels.tolist() == obs["donor"].tolist()
    minibatch = corpus.take(np.array([100, 0]))
    assert minibatch.labels.tolist() == corpus.label_codes[[100, 0]].tolist()
    assert minibatch.covariates.tolist() == corpus.covariate_codes[[100, 0]].tolist()
    assert corpus.obs("donor").tolist() == obs["donor"].tolist()


def test_labels_of_a_model(make_adata):
    corpus = Corpus.open(
        make_adata(),
        labels_key="cell_type",
        labels=["T", "Mono"],
        covariate_keys=["donor"],
        covariate_levels={"donor": ["d9", "d2"]},
    )
    assert corpus.labels == ("T", "Mono")
    assert set(corpus.label_codes.tolist()) == {-1, 0}
    assert set(corpus.covariate_codes[:, 0].tolist()) == {0, 2}


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1.0, 2.0, np.nan], ("1", "2")),
        ([True, False, True], ("False", "True")),
        ([3, 1, 3], ("1", "3")),
        (["b", None, ""], ("b",)),
        (pd.Series(["b", np.nan, "c"]).astype("object").astype(str).tolist(), ("b", "c")),
        (pd.array(["x", pd.NA, "y"], dtype="string"), ("x", "y")),
    ],
)
def test_label_columns_of_any_type(make_adata, values, labels):
    adata = make_adata(3)
    adata.obs["l"] = values
    corpus = Corpus.open(adata, labels_key="l")
    assert corpus.labels == labels
    assert (corpus.label_codes < 0).sum() == sum(pd.isna(v) or v in ("", "nan") for v in values)


def test_missing_column_names_those_that_exist(make_adata):
    with pytest.raises(KeyError, match=r"'celltype'.*\['cell_type', 'donor'\]"):
        Corpus.open(make_adata(), labels_key="celltype")


def test_files_that_disagree_on_what_they_hold(make_adata):
    with pytest.raises(ValueError, match="disagree"):
        Corpus.open([make_adata(), make_adata(log1p=True)])


def test_kind_of_values(make_adata):
    assert not Corpus.open(make_adata()).is_log1p.any()
    assert Corpus.open(make_adata(log1p=True)).is_log1p.all()
    assert Corpus.open(make_adata(), value_kind="log1p").value_kind == "log1p"
    empty = make_adata()
    empty.X = sp.csr_matrix(empty.shape, dtype=np.float32)
    with pytest.raises(ValueError, match="no value above zero"):
        Corpus.open(empty)
    with pytest.raises(ValueError, match="value_kind must be one of .*Found 'log'.*'log1p'"):
        Corpus.open(make_adata(), value_kind="log")
    deep = make_adata()
    deep.X.data[0] = 1000
    with pytest.raises(ValueError, match="cannot hold log1p values. Found 1000"):
        Corpus.open(deep, value_kind="log1p")


def test_the_name_of_a_column_must_be_text(make_adata):
    with pytest.raises(ValueError, match=r"must be text. Found \['donor'\]"):
        Corpus.open(make_adata(), covariate_keys=(["donor"],))


def test_missing_file_and_pattern(tmp_path, make_adata):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Corpus.open(tmp_path / "none.h5ad")
    with pytest.raises(FileNotFoundError):
        Corpus.open(str(tmp_path / "*.h5ad"))
    with pytest.raises(ValueError, match="empty list"):
        Corpus.open([])
    make_adata(seed=1).write_h5ad(tmp_path / "b.h5ad")
    make_adata(seed=2).write_h5ad(tmp_path / "a.h5ad")
    corpus = Corpus.open(str(tmp_path / "*.h5ad"))
    assert [name.rsplit("/", 1)[1] for name in corpus.files] == ["a.h5ad", "b.h5ad"]


def test_a_file_counts_once(tmp_path, make_adata, monkeypatch):
    make_adata(seed=1).write_h5ad(tmp_path / "a.h5ad")
    monkeypatch.chdir(tmp_path)
    for source in ([tmp_path / "a.h5ad", "a.h5ad"], ["*.h5ad", "./a.h5ad"]):
        with pytest.warns(UserWarning, match=r"named twice, .* Found \['.*a.h5ad'\]"):
            assert Corpus.open(source).n_cells == 2 * Corpus.open("a.h5ad").n_cells


def test_a_table_is_no_source(make_adata):
    with pytest.raises(ValueError, match="Found DataFrame"):
        Corpus.open(make_adata().to_df())
    with pytest.raises(ValueError, match="Found ndarray"):
        Corpus.open(np.ones((3, 4)))


def test_an_array_of_paths_is_a_list(make_adata, tmp_path):
    make_adata(seed=1).write_h5ad(tmp_path / "a.h5ad")
    names = [str(tmp_path / "a.h5ad")]
    assert Corpus.open(np.array(names)).files == Corpus.open(names).files


def test_rows_in_order_and_shuffled(make_adata):
    corpus = Corpus.open(make_adata(500))
    rows = np.random.default_rng(0).permutation(500)[:201]
    ordered = [m.row_ids.numpy() for m in corpus.minibatches(rows, minibatch_size=50)]
    assert [len(r) for r in ordered] == [50, 50, 50, 50, 1]
    np.testing.assert_array_equal(np.concatenate(ordered), rows)
    shuffled = [
        m.row_ids.numpy() for m in corpus.minibatches(rows, minibatch_size=50, shuffle=True)
    ]
    assert np.array_equal(np.sort(np.concatenate(shuffled)), np.sort(rows))
    again = [
        m.row_ids.numpy() for m in corpus.minibatches(rows[::-1], minibatch_size=50, shuffle=True)
    ]
    assert np.array_equal(np.concatenate(shuffled), np.concatenate(again))


def test_rows_that_do_not_exist(make_adata):
    with pytest.raises(IndexError, match=r"0\.\.59. Found 3\.\.60"):
        Corpus.open(make_adata()).take(np.array([3, 60]))


def test_zero_cells_can_be_taken(make_adata):
    minibatch = Corpus.open(make_adata()).take(np.empty(0, np.int64))
    assert len(minibatch) == 0 and minibatch.offsets.tolist() == [0]


def test_a_file_that_changes_during_the_epoch(make_adata, tmp_path):
    path = tmp_path / "a.h5ad"
    make_adata(500).write_h5ad(path)
    corpus = Corpus.open(path)
    minibatches = corpus.minibatches(minibatch_size=50)
    next(minibatches)
    make_adata(500, seed=9).write_h5ad(path)  # nothing holds the file open
    with pytest.raises(ValueError, match="was changed while it was in use"):
        list(minibatches)


def test_rich_windows_are_read_in_parts_and_give_the_same(make_adata):
    corpus = Corpus.open(make_adata(400))
    plan = corpus.plan(minibatch_size=32)
    usual = [m.row_ids.tolist() for m in corpus.read_epoch(plan)]
    from sctabnet.data.read_windows import read_windows

    parts = list(read_windows(corpus._reader, plan, max_entries=0))
    assert [p.rows.tolist() for p in parts] == usual
    whole = list(corpus.read_epoch(plan))
    assert all((p.values == m.values.numpy()).all() for p, m in zip(parts, whole, strict=True))


def test_memory_limit(make_adata):
    corpus = Corpus.open(make_adata(400))
    plan = corpus.plan(minibatch_size=32)
    assert corpus.memory_bound(plan) < 448 * 2**20
    small = corpus.plan(minibatch_size=32, memory_limit=corpus.memory_bound(plan) // 2)
    assert small.window_rows < plan.window_rows
    with pytest.raises(ValueError, match="more than the limit"):
        corpus.plan(minibatch_size=32, memory_limit=100)


@pytest.mark.parametrize("name", ["gasperini_72k", "pbmc_crosstech", "norman19", "sc_mixology"])
def test_real_files_equal_anndata(shared_data, name):
    path = shared_data(f"{name}.h5ad")
    adata = ad.read_h5ad(path)
    rows = np.sort(np.random.default_rng(0).permutation(adata.n_obs)[:200])
    minibatch = Corpus.open(path).take(rows)
    expected = adata.X[rows][:, np.argsort(adata.var_names)].toarray()
    np.testing.assert_array_equal(dense(minibatch), expected)


def test_files_of_other_gene_names_are_told(make_adata):
    one = make_adata(30, [f"GENE{i}" for i in range(80)])
    two = make_adata(30, [f"ENSG{i:011d}" for i in range(80)])
    with pytest.warns(UserWarning, match=r"share too few genes.*\(0 of its 80 genes\).*resolve"):
        Corpus.open([one, two])
    Corpus.open([one, make_adata(30, [f"GENE{i}" for i in range(20, 90)])])
