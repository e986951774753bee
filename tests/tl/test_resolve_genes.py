from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import sctabnet as sct


@pytest.fixture
def adata():
    return AnnData(np.ones((2, 4), np.float32), var={"symbol": ["A1", "OLD", "X", "Q"]})


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "genes.tsv"
    rows = [("symbol", "ensembl_gene_id", "alias_symbol", "prev_symbol")]
    rows += [("A1", "ENSG00000000001", "X", ""), ("B1", "ENSG00000000002", "X", "OLD")]
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    return path


def test_decisions_are_written_to_var(adata, table):
    before = adata.X.copy()
    with pytest.warns(UserWarning, match="1 names may mean several genes.*'X'"):
        sct.tl.resolve_genes(adata, table, column="symbol")
    assert list(adata.var_names) == ["ENSG00000000001", "ENSG00000000002", "X", "Q"]
    assert list(adata.var["sctabnet_gene_name"]) == ["A1", "OLD", "X", "Q"]
    assert list(adata.var["sctabnet_gene_match"]) == [
        "symbol", "previous symbol", "ambiguous", "unknown",
    ]  # fmt: skip
    assert adata.var["sctabnet_gene_candidates"].iloc[2] == "ENSG00000000001|ENSG00000000002"
    assert (before == adata.X).all()
    with pytest.raises(ValueError, match="already has"):
        sct.tl.resolve_genes(adata, table)


def test_ambiguous_names_can_be_refused(adata, table):
    with pytest.raises(ValueError, match=r"must not be ambiguous. Found 1 that are: \['X'\]"):
        sct.tl.resolve_genes(adata, table, column="symbol", ambiguous="refuse")
    assert "sctabnet_gene_name" not in adata.var
    with pytest.raises(ValueError, match="not a column of adata.var"):
        sct.tl.resolve_genes(adata, table, column="gene")


def test_genes_of_another_species_reach_the_model(cells, model, tmp_path):
    mouse = cells[:5].copy()
    mouse.var_names = [name.title() for name in cells.var_names]
    with pytest.raises(ValueError, match="in mouse spelling.*orthologs="):
        sct.tl.transfer_labels(mouse, model)
    pairs = tmp_path / "orthologs.csv"
    pairs.write_text("\n".join(f"{name},{name.title()}" for name in cells.var_names))
    table = tmp_path / "none.csv"
    table.write_text("ENSG00000000001,OTHER\n")
    sct.tl.resolve_genes(mouse, table, model=model, orthologs=pairs)
    assert list(mouse.var_names) == list(cells.var_names)
    assert set(mouse.var["sctabnet_gene_match"]) == {"ortholog"}
    sct.tl.transfer_labels(mouse, model)
    own = sct.tl.transfer_labels(cells[:5].copy(), model, copy=True)
    assert own is not None
    assert mouse.obs["sctabnet_label"].equals(own.obs["sctabnet_label"])
