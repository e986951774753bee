from __future__ import annotations

import gzip

import pytest

from sctabnet.genes.strip_version import strip_version


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ENSG00000141510.18", "ENSG00000141510"),
        ("ENSMUSG00000059552.14", "ENSMUSG00000059552"),
        ("ENST00000269305.9", "ENST00000269305"),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378_PAR_Y"),
        ("ENSG00000141510", "ENSG00000141510"),
        ("RP11-34P13.7", "RP11-34P13.7"),
        ("HLA-DRB1", "HLA-DRB1"),
        ("ENSA", "ENSA"),
        ("ENSG00000141510.x", "ENSG00000141510.x"),
        ("ensg00000141510.18", "ensg00000141510.18"),
    ],
)
def test_table(given, expected):
    assert strip_version(given) == expected
    assert strip_version(expected) == expected


def test_no_human_symbol_is_touched(shared_data):
    with gzip.open(shared_data("genes/hgnc_complete_set.txt.gz"), "rt") as lines:
        column = next(lines).split("\t").index("symbol")
        symbols = [line.split("\t")[column] for line in lines]
    assert len(symbols) > 40_000
    assert [strip_version(symbol) for symbol in symbols] == symbols
