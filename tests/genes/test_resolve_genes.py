from __future__ import annotations

import gzip

import pytest

from sctabnet.genes import GeneVocabulary
from sctabnet.genes.gene_catalogue import Gene, GeneCatalogue
from sctabnet.genes.orthologs import Orthologs
from sctabnet.genes.resolve_genes import resolve_genes


def ensembl(number: int, species: str = "") -> str:
    return f"ENS{species}G{number:011}"


@pytest.fixture
def catalogue():
    return GeneCatalogue(
        [
            (Gene(ensembl(1), "AARS1"), ["AARS"], ["CMT2N"]),
            (Gene(ensembl(2), "SEPTIN2"), ["SEPT2", "BOTH"], []),
            (Gene(ensembl(3), "SEPTIN6"), ["BOTH"], ["SEPT2"]),
            (Gene("", "NOID"), [], []),
        ]
    )


def test_every_kind_of_name(catalogue):
    names = [f"{ensembl(1)}.7", "SEPTIN2", "BOTH", "NOID", "nobody"]
    found = resolve_genes(names, [catalogue])
    assert found.ids == (ensembl(1), ensembl(2), "BOTH", "NOID", "nobody")
    assert found.matches == ("Ensembl id", "symbol", "ambiguous", "unknown", "unknown")
    assert found.candidates == ((), (), (ensembl(2), ensembl(3)), (), ())
    to_symbols = resolve_genes([*names, "CMT2N"], [catalogue], to="symbol")
    assert to_symbols.ids == ("AARS1", "SEPTIN2", "BOTH", "NOID", "nobody", "CMT2N")
    assert to_symbols.matches[-1] == "duplicate", "an alias yields to the Ensembl id"


def test_a_previous_symbol_goes_before_an_alias(catalogue):
    assert resolve_genes(["SEPT2"], [catalogue]).ids == (ensembl(2),)


def test_two_columns_of_one_gene(catalogue):
    surer = resolve_genes(["AARS", "AARS1"], [catalogue])
    assert surer.ids == ("AARS", ensembl(1)) and surer.matches == ("duplicate", "symbol")
    assert surer.candidates == ((ensembl(1),), ())
    equal = resolve_genes([ensembl(1), f"{ensembl(1)}.3"], [catalogue])
    assert equal.matches == ("duplicate", "duplicate")


def test_names_of_a_model_are_looked_up_too(catalogue):
    vocabulary = GeneVocabulary(["AARS", "SEPTIN2", "BOTH", "CLONE.1"])
    found = resolve_genes(
        ["AARS1", ensembl(2), "BOTH", "CLONE.1", "SEPTIN6"], [catalogue], vocabulary=vocabulary
    )
    assert found.ids == ("AARS", "SEPTIN2", "BOTH", "CLONE.1", "SEPTIN6")
    assert found.matches == ("symbol", "Ensembl id", "as is", "as is", "not in the model")


def test_an_alias_that_could_also_be_a_gene_outside_the_model_is_ambiguous():
    catalogue = GeneCatalogue(
        [(Gene(ensembl(1), "A"), [], ["X"]), (Gene(ensembl(2), "B"), [], ["X"])]
    )
    found = resolve_genes(["X"], [catalogue], vocabulary=GeneVocabulary(["A"]))
    assert found.matches == ("ambiguous",) and found.ids == ("X",)


@pytest.mark.parametrize("swapped", [False, True])
def test_only_one_to_one_orthologs_are_translated(catalogue, swapped):
    pairs = [("AARS1", "Aars"), ("SEPTIN2", "Sept2a"), ("SEPTIN2", "Sept2b"), ("SEPTIN6", "Sept6")]
    orthologs = Orthologs([(b, a) if swapped else (a, b) for a, b in pairs])
    mouse = GeneCatalogue([(Gene(ensembl(9, "MUS"), "Sept6"), [], [])])
    found = resolve_genes(
        ["Aars", "Sept2a", "Sept2b", f"{ensembl(9, 'MUS')}.1", "Gm1"],
        [catalogue, mouse],
        vocabulary=GeneVocabulary([ensembl(1), ensembl(2), ensembl(3)]),
        orthologs=orthologs,
    )
    assert found.ids[0] == ensembl(1) and found.ids[3] == ensembl(3)
    assert found.matches == ("ortholog", "ambiguous", "ambiguous", "ortholog", "unknown")


def test_tables_are_recognised(tmp_path):
    header = "hgnc_id\tsymbol\tstatus\talias_symbol\tprev_symbol\tensembl_gene_id\n"
    rows = f'H:1\tAARS1\tApproved\t\t"AARS|OLD"\t{ensembl(1)}\nH:2\tGONE\tEntry Withdrawn\t\t\t\n'
    hgnc = tmp_path / "hgnc.txt.gz"
    hgnc.write_bytes(gzip.compress((header + rows).encode()))
    assert GeneCatalogue.load(hgnc).find("OLD") == (
        "previous symbol", (Gene(ensembl(1), "AARS1"),),
    )  # fmt: skip
    assert GeneCatalogue.load(hgnc).find("GONE") == ("", ())
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"gene_id,gene_name\n{ensembl(1)}.4,AARS1\n")
    assert GeneCatalogue.load(pairs).find("AARS1")[1] == (Gene(ensembl(1), "AARS1"),)
    orthologs = tmp_path / "orthologs.csv"
    orthologs.write_text("MT-TF,\nAARS1,Aars\n")
    assert Orthologs.load(orthologs).partners(["Aars"]) == {"Aars": ("AARS1",)}


@pytest.mark.parametrize("reader", [GeneCatalogue, Orthologs])
def test_other_files_are_refused(reader, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        reader.load(tmp_path / "none")
    (tmp_path / "other.txt").write_text("no table at all\n")
    with pytest.raises(ValueError, match="Give"):
        reader.load(tmp_path / "other.txt")


def test_real_tables_settle_nearly_all_symbols(shared_data):
    import anndata

    tables = ("genes/hgnc_complete_set.txt.gz", "genes/GENCODEv44_Gene_id2name.csv")
    catalogues = [GeneCatalogue.load(shared_data(table)) for table in tables]
    names = anndata.read_h5ad(shared_data("pbmc3k.h5ad"), backed="r").var_names
    found = resolve_genes(names, catalogues)
    assert len(set(found.ids)) == len(names)
    settled = [how in ("symbol", "previous symbol", "alias") for how in found.matches]
    # the rest are mostly clones that no table of names lists any more
    assert sum(settled) / len(names) > 0.9
    assert dict(zip(names, found.ids, strict=True))["CD79A"] == "ENSG00000105369"
