from __future__ import annotations

import numpy as np
import pytest

from sctabnet.data.corpus import Corpus
from sctabnet.data.validate import validate


def test_report(make_adata):
    adata = make_adata(100, 30)
    adata.X.data[adata.X.indptr[7] : adata.X.indptr[8]] = 0
    report = validate(Corpus.open([adata, make_adata(50, 20)], labels_key="cell_type"))
    assert (report.n_cells, report.n_genes, report.value_kind) == (150, 30, "counts")
    assert report.n_empty_cells == 1
    assert report.label_counts.keys() == {"B", "NK", "T"}
    assert sum(report.label_counts.values()) + report.n_unlabelled == 150
    assert report.n_unlabelled == 15 + 8
    assert [len(f.missing) for f in report.files] == [0, 10]
    text = str(report)
    assert (
        "150 cells, 30 genes, counts" in text and "10 missing" in text and "without label" in text
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "Found nan"),
        (-2.0, "Found -2.0"),
        (np.inf, "Found inf"),
        (1.5, "whole numbers. Found 1.5"),
    ],
)
def test_one_bad_value_among_many_is_found(make_adata, value, message):
    adata = make_adata(3000)
    row = 2100  # not among the cells sampled when the corpus is opened
    adata.X.data[adata.X.indptr[row]] = value
    corpus = Corpus.open(adata)
    with pytest.raises(ValueError, match=message):
        validate(corpus)


def test_progress_bar(make_adata, capsys):
    validate(Corpus.open(make_adata()), progress=True)
    assert "validate: 100%" in capsys.readouterr().err
