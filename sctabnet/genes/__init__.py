"""Gene identity: which gene a column is, whatever its position, panel or id version."""

from sctabnet.genes.align import align
from sctabnet.genes.alignment import Alignment
from sctabnet.genes.gene_vocabulary import GeneVocabulary

__all__ = ["Alignment", "GeneVocabulary", "align"]
