"""Gene identity: which gene a column is, whatever its position, panel or id version."""

from sctabnet.genes.align import Alignment, align
from sctabnet.genes.gene_vocabulary import GeneVocabulary

__all__ = ["Alignment", "GeneVocabulary", "align"]
