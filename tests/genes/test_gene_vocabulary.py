from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sctabnet.genes import GeneVocabulary

_IDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1), unique=True
)


@given(_IDS, st.randoms())
def test_order_of_input_never_matters(ids, random):
    shuffled = random.sample(ids, len(ids))
    one, other = GeneVocabulary(ids), GeneVocabulary(shuffled)
    assert one == other and one.digest == other.digest and hash(one) == hash(other)
    assert list(one.ids) == sorted(ids)


@given(_IDS)
def test_index_inverts_ids_and_text_round_trips(ids):
    vocabulary = GeneVocabulary(ids)
    np.testing.assert_array_equal(vocabulary.index(vocabulary.ids), np.arange(len(ids)))
    assert vocabulary.index(ids).dtype == np.int32
    assert GeneVocabulary.from_tsv(vocabulary.to_tsv()) == vocabulary


def test_unknown_ids_are_minus_one_and_versions_are_ignored():
    vocabulary = GeneVocabulary(["ENSG00000141510.18", "CD3E"])
    assert vocabulary.ids == ("CD3E", "ENSG00000141510")
    query = np.array(["ENSG00000141510", "ENSG00000141510.2", "cd3e", "CD3E"])
    assert vocabulary.index(query).tolist() == [1, 1, -1, 0]
    assert "ENSG00000141510.7" in vocabulary and "TP53" not in vocabulary


def test_digest_is_sha256_of_the_lines():
    assert GeneVocabulary(["B", "A"]).digest == hashlib.sha256(b"A\nB").hexdigest()


def test_union_and_intersection():
    panels = [["A", "B"], np.array(["B", "C"]), ("C", "B")]
    assert GeneVocabulary.union(panels).ids == ("A", "B", "C")
    assert GeneVocabulary.intersection(panels).ids == ("B",)
    assert len(GeneVocabulary.intersection([])) == 0


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        (["A", "A"], "'A'"),
        (["ENSG00000000001.1", "ENSG00000000001.2"], "ENSG00000000001"),
        (["A", ""], "''"),
        ([" A"], "' A'"),
        (["A\tB"], "A\\\\tB"),
        ([7], "7 of type int"),
        ([float("nan")], "nan of type float"),
    ],
)
def test_bad_ids_are_named(ids, found):
    with pytest.raises(ValueError, match=found):
        GeneVocabulary(ids)


def test_file_round_trip(tmp_path):
    vocabulary = GeneVocabulary(["b", "a", "ENSG00000141510"])
    vocabulary.save(tmp_path / "genes.tsv")
    assert (tmp_path / "genes.tsv").read_bytes() == b"gene_id\nENSG00000141510\na\nb\n"
    assert GeneVocabulary.load(tmp_path / "genes.tsv") == vocabulary
    (tmp_path / "dos.tsv").write_bytes(b"gene_id\r\na\r\nb\r\n")
    assert GeneVocabulary.load(tmp_path / "dos.tsv").ids == ("a", "b")


@pytest.mark.parametrize("text", ["a\nb\n", "gene_id\nb\na\n", "gene_id\na\n\nb\n", ""])
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, text):
    (tmp_path / "genes.tsv").write_text(text)
    with pytest.raises(ValueError, match="genes.tsv|non-empty"):
        GeneVocabulary.load(tmp_path / "genes.tsv")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="genes.tsv does not exist"):
        GeneVocabulary.load(tmp_path / "genes.tsv")


def test_travels_to_loader_workers():
    vocabulary = GeneVocabulary(["b", "a"])
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary
