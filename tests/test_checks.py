from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

from sctabnet import _checks
from sctabnet._errors import InputError, MissingFileError, MissingKeyError, ValueKindError
from sctabnet._keys import Keys


@pytest.fixture
def adata(rng) -> ad.AnnData:
    counts = sp.csr_matrix(rng.poisson(0.8, (30, 60)).astype(np.float32))
    obs = pd.DataFrame({"cell_type": ["T", "B"] * 15}, index=[f"c{i}" for i in range(30)])
    made = ad.AnnData(counts.log1p() * 3, obs=obs, layers={"counts": counts})
    made.layers["half"] = counts * 0.5
    return made


def test_every_error_is_a_value_error_and_reads_well():
    for error in (InputError, MissingKeyError, MissingFileError):
        assert issubclass(error, ValueError)
        assert str(error("What was wrong.")) == "What was wrong."
    assert issubclass(MissingKeyError, KeyError) and issubclass(MissingFileError, FileNotFoundError)


def test_layer(adata):
    _checks.check_layer(adata, None)
    _checks.check_layer(adata, "counts")
    with pytest.raises(KeyError, match="Found: .*counts.*half.*Did you mean 'counts'"):
        _checks.check_layer(adata, "count")
    with pytest.raises(KeyError, match="adata.raw, which is empty"):
        _checks.check_layer(adata, "raw")
    adata.raw = adata
    _checks.check_layer(adata, "raw")
    with pytest.raises(KeyError, match='layer="raw" for adata.raw'):
        _checks.check_layer(adata, "x")


def test_matrices_that_look_right(adata, tmp_path):
    assert _checks.matrices_that_look_right(adata) == ['layer="counts" (counts)']
    adata.raw = ad.AnnData(adata.layers["counts"].log1p(), var=adata.var)
    expected = ['layer="counts" (counts)', 'layer="raw" (log1p)']
    assert _checks.matrices_that_look_right(adata) == expected
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert _checks.matrices_that_look_right(backed) == expected
    backed.file.close()
    bundled = sc.datasets.pbmc68k_reduced()
    assert _checks.matrices_that_look_right(bundled) == ['layer="raw" (log1p)']


def test_values_that_are_neither_name_the_matrices_that_look_right(adata):
    with pytest.raises(ValueError, match='X holds neither.*look right: layer="counts" .counts.'):
        raise _checks.with_matrices_that_look_right(ValueKindError("X holds neither."), adata)
    del adata.layers["counts"]
    with pytest.raises(ValueError, match="No other matrix looks right"):
        raise _checks.with_matrices_that_look_right(ValueKindError("X holds neither."), adata)


def test_log1p_given_to_a_model_of_counts(adata):
    with pytest.raises(ValueError, match='in layer=None. Pass layer="counts"'):
        _checks.refuse_log1p(adata, None)
    del adata.layers["counts"]
    with pytest.raises(ValueError, match="No matrix of adata holds counts"):
        _checks.refuse_log1p(adata, None)


def test_obs_key(adata):
    _checks.check_obs_key(adata.obs, "cell_type", argument="labels_key")
    with pytest.raises(KeyError, match="labels_key='celltype'.*Did you mean 'cell_type'"):
        _checks.check_obs_key(adata.obs, "celltype", argument="labels_key")
    with pytest.raises(KeyError, match="Did you mean 'cell_type'"):
        _checks.check_obs_key(adata.obs, "Cell_Type", argument="labels_key")


def test_classes():
    _checks.check_classes(["B", "T"], "cell_type")
    with pytest.raises(ValueError, match=r"obs\['cell_type'\] .*two cell types.*only 'T'"):
        _checks.check_classes(["T"], "cell_type")
    with pytest.raises(ValueError, match="no label at all"):
        _checks.check_classes([], "cell_type")


def test_validation_cells():
    _checks.check_validation_cells([np.arange(3), np.arange(3, 5)])
    for folds in ([], [np.arange(0)]):
        with pytest.raises(ValueError, match="too few labelled cells"):
            _checks.check_validation_cells(folds)


def test_slots_free(adata):
    names = ["cell_type", "sctabnet_label"]
    _checks.check_slots_free(adata.obs, names, slot="obs", overwrite=True)
    _checks.check_slots_free(adata.obs, names[1:], slot="obs", overwrite=False)
    with pytest.raises(ValueError, match=r"adata.obs already has \['cell_type'\]. Nothing was ch"):
        _checks.check_slots_free(adata.obs, names, slot="obs", overwrite=False)


def test_choice():
    _checks.check_choice("softmax", ("softmax", "entmax15"), argument="mask")
    with pytest.raises(ValueError, match="mask must be one of.*'entmax'.*mean 'entmax15'"):
        _checks.check_choice("entmax", ("softmax", "entmax15"), argument="mask")


def test_unique_genes():
    _checks.check_unique_genes(())
    with pytest.raises(ValueError, match="Found 1 genes.*CD3E"):
        _checks.check_unique_genes(("CD3E",))


SYMBOLS = [f"GENE{i}" for i in range(100)]


def shared(n: int, query=SYMBOLS, model=SYMBOLS, covered=None) -> None:
    _checks.check_shared_genes(
        n_shared=n, n_model=100, query=query, model=model, attention_covered=covered
    )


def test_shared_genes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shared(100)
    with pytest.warns(UserWarning, match=r"measured 50 of the model's 100 genes \(81% of its att"):
        shared(50, covered=0.81)
    with pytest.warns(UserWarning, match="99 of the model's 100 genes; the others"):
        shared(99)
    for n in (0, 49):
        with pytest.raises(ValueError, match=f"at least 50 are needed. Found {n} of"):
            shared(n)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ([f"ENSG{i:011}" for i in range(50)], "human Ensembl ids, the model has gene symbols: set"),
        ([f"ENSMUSG{i:011}.3" for i in range(50)], "mouse Ensembl ids"),
        ([f"ENSDARG{i:011}" for i in range(50)], "another species"),
        (["Actb", "Cd3e", "Xkr4", "mt-Nd1"], "mouse spelling"),
        ([str(i) for i in range(50)], "numbers as names"),
        (["ACTB", "CD3E"], "species and gene ids"),
    ],
)
def test_shared_genes_suggests_the_cause(query, says):
    with pytest.raises(ValueError, match=says):
        shared(0, query=pd.Index(query))


def test_keys_follow_the_prefix():
    properties = [name for name, value in vars(Keys).items() if isinstance(value, property)]
    ours = [getattr(Keys(), name) for name in properties]
    other = [getattr(Keys("blood"), name) for name in properties]
    assert other == [name.replace("sctabnet", "blood") for name in ours]
    assert len(set(ours)) == len(ours)
    assert Keys().embedding == "X_sctabnet" and Keys().uns == "sctabnet"
    assert Keys().attention_step(1) == "sctabnet_attention_step1"
    for bad in ("", "a/b"):
        with pytest.raises(ValueError, match="key_added"):
            Keys(bad)
