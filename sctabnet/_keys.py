"""Every AnnData slot name that sctabnet writes, derived from one prefix."""

from __future__ import annotations

from dataclasses import dataclass

from sctabnet._errors import InputError


@dataclass(frozen=True)
class Keys:
    """Slot names under one prefix (``key_added``).

    Parameters
    ----------
    prefix
        What the names start with; ``sctabnet`` unless the user says otherwise.

    Raises
    ------
    ValueError
        If the prefix is empty or holds a slash, which h5ad does not allow in names.

    Examples
    --------
    >>> Keys().embedding, Keys("blood").label
    ('X_sctabnet', 'blood_label')
    """

    prefix: str = "sctabnet"

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str) or not self.prefix or "/" in self.prefix:
            raise InputError(
                f"key_added must be a non-empty name without '/'. Found {self.prefix!r}. "
                "Pass a name such as 'sctabnet'."
            )

    @property
    def uns(self) -> str:
        """``uns``: ``params`` (how the results were made) and ``labels`` (names of columns)."""
        return self.prefix

    @property
    def embedding(self) -> str:
        """``obsm``: float32 (cells, d)."""
        return f"X_{self.prefix}"

    @property
    def label(self) -> str:
        """``obs``: categorical with the reference's full category list and order."""
        return f"{self.prefix}_label"

    @property
    def label_colors(self) -> str:
        """``uns``: the label's colours in category order, where scanpy looks for them."""
        return f"{self.label}_colors"

    @property
    def confidence(self) -> str:
        """``obs``: calibrated probability of the label."""
        return f"{self.prefix}_confidence"

    @property
    def margin(self) -> str:
        """``obs``: probability of the label less that of the next."""
        return f"{self.prefix}_margin"

    @property
    def majority_label(self) -> str:
        """``obs``: the label that most cells of the cell's cluster have."""
        return f"{self.prefix}_majority_label"

    @property
    def majority_share(self) -> str:
        """``obs``: share of the cluster's cells that have it."""
        return f"{self.prefix}_majority_share"

    @property
    def cluster(self) -> str:
        """``obs``: the clusters that were voted in, where they were made for it."""
        return f"{self.prefix}_cluster"

    @property
    def ontology_label(self) -> str:
        """``obs``: name of the deepest Cell Ontology term that is safe to say."""
        return f"{self.prefix}_ontology_label"

    @property
    def ontology_term(self) -> str:
        """``obs``: its identifier, such as ``CL:0000084``."""
        return f"{self.prefix}_ontology_term"

    @property
    def ontology_confidence(self) -> str:
        """``obs``: calibrated probability of that term."""
        return f"{self.prefix}_ontology_confidence"

    @property
    def gene_name(self) -> str:
        """``var``: name of the column before its gene was resolved."""
        return f"{self.prefix}_gene_name"

    @property
    def gene_match(self) -> str:
        """``var``: how the gene was found, or why not."""
        return f"{self.prefix}_gene_match"

    @property
    def gene_candidates(self) -> str:
        """``var``: genes that an ambiguous name could mean, joined by ``|``."""
        return f"{self.prefix}_gene_candidates"

    @property
    def unknown(self) -> str:
        """``obs``: bool, none of the known types."""
        return f"{self.prefix}_unknown"

    @property
    def unknown_score(self) -> str:
        """``obs``: how unlike the known types."""
        return f"{self.prefix}_unknown_score"

    @property
    def label_set(self) -> str:
        """``obsm`` (bool, cells x labels) and ``obs`` (text): the conformal set."""
        return f"{self.prefix}_label_set"

    @property
    def probability(self) -> str:
        """``obsm``: float32 (cells, labels)."""
        return f"{self.prefix}_probability"

    @property
    def n_genes_attended(self) -> str:
        """``obs``: genes with a mask above zero."""
        return f"{self.prefix}_n_genes_attended"

    @property
    def attention_entropy(self) -> str:
        """``obs``: entropy of the aggregate mask."""
        return f"{self.prefix}_attention_entropy"

    @property
    def top_genes(self) -> str:
        """``obs``: the cell's five most important genes as text."""
        return f"{self.prefix}_top_genes"

    @property
    def importance(self) -> str:
        """``var``: global; ``varm``: (genes, groups); ``uns``: ``rank_genes_groups`` layout."""
        return f"{self.prefix}_importance"

    @property
    def importance_se(self) -> str:
        """``var`` and ``varm``: standard error of the importance over cells."""
        return f"{self.importance}_se"

    @property
    def importance_group(self) -> str:
        """``var``: the most important of the genes that are co-expressed with the gene."""
        return f"{self.importance}_group"

    @property
    def importance_groups(self) -> str:
        """``obs``: the groups of cells, where no column holds them as scanpy can draw them."""
        return f"{self.importance}_groups"

    @property
    def importance_qvalue(self) -> str:
        """``var``: q-value where certified."""
        return f"{self.importance}_qvalue"

    @property
    def attention(self) -> str:
        """``layers``: CSR (cells, genes), aggregate mask."""
        return f"{self.prefix}_attention"

    def attention_step(self, step: int) -> str:
        """``layers``: CSR (cells, genes), mask of decision step ``step``, counted from 1."""
        return f"{self.attention}_step{step}"
