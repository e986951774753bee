from __future__ import annotations

from dataclasses import dataclass

from sctabnet.data.file_report import FileReport


@dataclass(frozen=True)
class CorpusReport:
    """What a full scan of a corpus found; ``print`` it for a table.

    Attributes
    ----------
    files
        One entry per file.
    n_cells, n_genes
        Cells of all files, genes of the vocabulary.
    n_empty_cells
        Cells without any value above zero in the vocabulary.
    genes_per_cell
        Mean number of genes above zero.
    largest
        Largest value.
    value_kind
        ``"counts"`` or ``"log1p"``.
    label_counts
        Cells of each class; empty without ``labels_key``.
    n_unlabelled
        Cells without a class (all, without ``labels_key``).
    """

    files: tuple[FileReport, ...]
    n_cells: int
    n_genes: int
    n_empty_cells: int
    genes_per_cell: float
    largest: float
    value_kind: str
    label_counts: dict[str, int]
    n_unlabelled: int

    def __str__(self) -> str:
        lines = [
            f"{self.n_cells:,} cells, {self.n_genes:,} genes, {self.value_kind} up to "
            f"{self.largest:g}, {self.genes_per_cell:,.0f} genes per cell, "
            f"{self.n_empty_cells:,} empty cells"
        ]
        for file in self.files:
            extra = f", {len(file.duplicated)} duplicated (added)" if file.duplicated else ""
            lines.append(
                f"  {file.name}: {file.n_cells:,} cells, {file.n_shared:,} of {self.n_genes:,} "
                f"genes, {len(file.missing):,} missing, {len(file.unmatched):,} not used{extra}"
            )
        if self.label_counts:
            counts = ", ".join(f"{label} {n:,}" for label, n in self.label_counts.items())
            lines.append(f"  labels: {counts}; without label {self.n_unlabelled:,}")
        return "\n".join(lines)
