from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet._value_kind import detect_value_kind


def counts(n: int = 120, g: int = 300, seed: int = 0) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(-1, 1.5, g) * rng.lognormal(0, 0.4, (n, 1))
    return sp.csr_matrix(rng.poisson(rate).astype(np.float32))


def cp(x: sp.csr_matrix, target: float | None, dtype: type = np.float32) -> sp.csr_matrix:
    adata = ad.AnnData(x.astype(dtype))
    sc.pp.normalize_total(adata, target_sum=target)
    return adata.X


@pytest.fixture(scope="module")
def pbmc() -> ad.AnnData:
    return sc.datasets.pbmc68k_reduced()


# real data ---


def test_scanpys_bundled_set(pbmc):
    """Its raw values are log-normalised, gene-filtered and rounded to three decimals."""
    assert detect_value_kind(pbmc.raw.X) == "log1p"
    assert detect_value_kind(pbmc.raw.X[:, ::4]) == "log1p"
    for cell in range(20):
        assert detect_value_kind(pbmc.raw.X[cell]) == "log1p"
    with pytest.raises(ValueError, match="negative values.*scaled"):
        detect_value_kind(sp.csr_matrix(pbmc.X))


def test_norman19(shared_data):
    adata = ad.read_h5ad(shared_data("norman19.h5ad"))
    assert detect_value_kind(adata.X) == "log1p"
    assert detect_value_kind(adata.X[:, ::3]) == "log1p"
    assert detect_value_kind(adata.X[:1]) == "log1p"
    assert detect_value_kind(adata.layers["counts_recovered"]) == "counts"


@pytest.mark.parametrize("name", ["pbmc_3p_v2", "sc_mixology", "pbmc_crosstech"])
def test_real_counts(shared_data, name):
    x = sp.csr_matrix(ad.read_h5ad(shared_data(f"{name}.h5ad")).X)[:300]
    assert detect_value_kind(x) == "counts"
    for target in (None, 1e4, 1e6):
        normalised = cp(x, target)
        assert detect_value_kind(normalised.log1p()) == "log1p"
        with pytest.raises(ValueError, match="were not logged"):
            detect_value_kind(normalised)


# accepted ---


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.int64, float])
def test_whole_numbers_are_counts(dtype):
    assert detect_value_kind(sp.csr_matrix(counts().toarray().astype(dtype))) == "counts"
    assert detect_value_kind(sp.csr_array(counts().toarray().astype(dtype))) == "counts"


@settings(max_examples=25)
@given(
    target=st.one_of(st.none(), st.floats(1, 1e6)),
    double=st.booleans(),
    n=st.integers(1, 60),
    step=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_log1p_is_known_by_any_target_dtype_and_gene_filter(target, double, n, step, seed):
    x = cp(counts(n, seed=seed), target, np.float64 if double else np.float32).log1p()
    assert detect_value_kind(x[:, ::step]) == "log1p"


def test_size_factors_that_differ_between_cells():
    x = counts()
    factor = np.random.default_rng(1).lognormal(0, 1, x.shape[0])
    assert detect_value_kind((sp.diags_array(factor) @ x).log1p().astype(np.float32)) == "log1p"
    assert detect_value_kind(x.log1p()) == "log1p"


def test_variable_genes_only():
    x = cp(counts(400, 2000), 1e4).log1p()
    variable = np.argsort(-x.toarray().var(axis=0))
    assert detect_value_kind(x[:, variable[:200]]) == "log1p"
    assert detect_value_kind(x[:, variable[:20]]) == "log1p"


def test_smallest_count_above_one():
    """Without the genes of low counts, the cells' smallest counts are 2 to 6."""
    x = counts().toarray()
    x[x == 1] = 0
    assert detect_value_kind(sp.csr_matrix(cp(sp.csr_matrix(x), 1e4).log1p())) == "log1p"


@pytest.mark.parametrize("decimals", [3, 4, 5])
def test_rounded_log1p(decimals):
    x = cp(counts(), 1e4).log1p()
    x.data = np.round(x.data, decimals)
    assert detect_value_kind(x) == "log1p"


def test_tpm_is_known_by_its_totals():
    rng = np.random.default_rng(0)
    tpm = cp(sp.csr_matrix(rng.gamma(0.3, 5, (40, 200)) * (rng.random((40, 200)) < 0.3)), 1e6)
    assert detect_value_kind(tpm.log1p()) == "log1p"
    with pytest.raises(ValueError, match="neither counts nor log1p"):
        detect_value_kind(tpm.log1p()[:, :100])  # nothing is left to know it by
    for target in (1, 100, 1e6):
        with pytest.raises(ValueError, match="neither"):
            detect_value_kind(cp(tpm, target))


def test_a_few_odd_cells_do_not_spoil_a_data_set():
    x = cp(counts(), 1e4).log1p().tolil()
    x[3, :50] = np.random.default_rng(0).random(50)
    assert detect_value_kind(sp.csr_matrix(x)) == "log1p"


def test_explicit_zeros_and_empty_cells():
    x = cp(counts(), 1e4).log1p()
    x.data[::3] = 0
    x = sp.vstack([x[:5], sp.csr_matrix((2, 300)), x[5:]]).tocsr()
    assert detect_value_kind(x) == "log1p"


# refused ---


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda x: x * 0.37, "fractional counts"),
        (lambda x: x * np.float32(0.5), "fractional counts"),
        (lambda x: cp(x, 1e6), "not logged: take sc.pp.log1p"),
        (lambda x: cp(x, 1e4), "not logged"),
        (lambda x: cp(x, 1), "not logged"),
        (lambda x: x.sqrt(), "square roots"),
        (lambda x: cp(x, 1e4).log1p() / np.log(2), "log2"),
        (lambda x: cp(x, 1e4).log1p() / np.log(10), "log10"),
        (lambda x: cp(x, 1e4).log1p().log1p(), "largest value"),
        (lambda x: cp(x, 1e4).log1p() * 3, "largest value"),
    ],
)
@pytest.mark.parametrize("n", [1, 3, 120])
def test_other_transforms_are_named(transform, message, n):
    with pytest.raises(ValueError, match=f"^my layer holds neither.*Found .*{message}.*layer="):
        detect_value_kind(sp.csr_matrix(transform(counts(n))), name="my layer")


@pytest.mark.parametrize("n", [1, 2, 5, 300])
@pytest.mark.parametrize("decimals", [2, 3, 4, 17])
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_noise_is_refused(n, decimals, scale):
    rng = np.random.default_rng(n)
    for x in (rng.random((n, 200)), np.abs(rng.normal(size=(n, 200))).astype(np.float32)):
        with pytest.raises(ValueError, match="neither"):
            detect_value_kind(sp.csr_matrix(np.round(x * scale, decimals)))


def test_constant_values_are_refused():
    with pytest.raises(ValueError, match="neither"):
        detect_value_kind(sp.csr_matrix(np.full((9, 9), 0.5)))


@pytest.mark.parametrize("zero_center", [True, False])
def test_scaled_values_are_refused(zero_center):
    adata = ad.AnnData(counts().log1p().toarray())
    sc.pp.scale(adata, zero_center=zero_center)
    with pytest.raises(ValueError, match="negative" if zero_center else "neither"):
        detect_value_kind(sp.csr_matrix(adata.X))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_no_number_is_found(bad):
    x = counts(500)
    x.data[777] = bad
    row = int(np.searchsorted(x.indptr, 777, side="right")) - 1
    with pytest.raises(ValueError, match=f"no numbers.*Found {bad} in row {row}.*1 such values"):
        detect_value_kind(x)


def test_one_negative_value_is_found():
    x = counts(500).astype(np.int32)
    x.data[5] = -2
    with pytest.raises(ValueError, match="negative values. Found -2 in row 0.*scaled"):
        detect_value_kind(x)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (5, 5)])
def test_empty(shape):
    with pytest.raises(ValueError, match=f"empty.*Found {shape[0]} cells x {shape[1]} genes"):
        detect_value_kind(sp.csr_matrix(shape, dtype=np.float32))


def test_input_is_not_changed():
    x = cp(counts(), 1e4).log1p()
    x.data[:10] = 0
    before = x.copy()
    detect_value_kind(x)
    assert x.nnz == before.nnz
    np.testing.assert_array_equal(x.data, before.data)
