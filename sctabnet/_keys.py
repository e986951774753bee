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
        if not self.prefix or "/" in self.prefix:
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
    def unknown(self) -> str:
        """``obs``: bool, none of the known types."""
        return f"{self.prefix}_unknown"

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
