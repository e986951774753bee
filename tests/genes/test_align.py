from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sctabnet.genes import GeneVocabulary, align

_GENES = st.sampled_from([f"G{i}" for i in range(12)])


@given(st.lists(_GENES), st.sets(_GENES), st.randoms())
def test_report_counts_add_up_in_any_column_order(columns, known, random):
    vocabulary = GeneVocabulary(known)
    alignment = align(columns, vocabulary)
    assert alignment.lut.dtype == np.int32 and alignment.lut.shape == (len(columns),)
    assert [vocabulary.ids[i] if i >= 0 else None for i in alignment.lut] == [
        c if c in known else None for c in columns
    ]
    assert alignment.n_shared == len(known & set(columns))
    assert alignment.n_shared + len(alignment.missing) == alignment.n_vocabulary == len(known)
    assert set(alignment.missing) == known - set(columns)
    assert list(alignment.unmatched) == [c for c in columns if c not in known]
    assert alignment.duplicated == tuple(sorted({c for c in columns if columns.count(c) > 1}))

    order = random.sample(range(len(columns)), len(columns))
    shuffled = align([columns[i] for i in order], vocabulary)
    assert shuffled.lut.tolist() == alignment.lut[order].tolist()
    assert shuffled.missing == alignment.missing and shuffled.duplicated == alignment.duplicated


def test_versions_are_ignored_on_both_sides():
    vocabulary = GeneVocabulary(["ENSG00000141510.18", "ENSG00000198851.10"])
    alignment = align(["ENSG00000198851.2", "ENSG00000141510"], vocabulary)
    assert alignment.lut.tolist() == [1, 0] and alignment.missing == ()


def test_two_versions_of_a_gene_are_duplicates():
    vocabulary = GeneVocabulary(["ENSG00000141510"])
    alignment = align(["ENSG00000141510.1", "ENSG00000141510.2"], vocabulary)
    assert alignment.lut.tolist() == [0, 0]
    assert alignment.n_shared == 1 and alignment.duplicated == ("ENSG00000141510",)


def test_no_text_is_refused():
    with pytest.raises(ValueError, match="must be text"):
        align([1, 2], GeneVocabulary(["A"]))
