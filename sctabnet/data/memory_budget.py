from __future__ import annotations

from dataclasses import dataclass

from sctabnet._errors import InputError

_LIVING = 3  # minibatches at a time: one in use, one ready, one in the making
_BYTES_PER_GENE = 8  # a float32 value and an int32 position
_MAX_WINDOW_ROWS = 16_384


@dataclass(frozen=True)
class MemoryBudget:
    """How many cells may be in memory at a time, in one process.

    A process holds one window as it lies on disk and three minibatches; nothing else of it grows
    with the corpus but the codes of labels and covariates (one to four bytes per cell and column).

    Attributes
    ----------
    genes_per_cell
        Stored values of an average cell.
    bytes_per_entry
        Bytes of a stored value and its column number.
    limit
        Bytes for window and minibatches. With what Python itself adds, the default stays below
        512 MB.
    """

    genes_per_cell: float
    bytes_per_entry: int
    limit: int = 448 * 2**20

    def window_rows(self, minibatch_size: int) -> int:
        """Return how many cells a window may hold: whole minibatches, about 16,384 cells at most.

        Raises
        ------
        ValueError
            If not even a window of one minibatch keeps within the limit.
        """
        needed = self.bound(minibatch_size, minibatch_size)
        if needed > self.limit:
            raise InputError(
                f"Minibatches of {minibatch_size} cells need {needed / 1e6:.0f} MB, more than the "
                f"limit of {self.limit / 1e6:.0f} MB. "
                "Choose smaller minibatches or a higher memory_limit."
            )
        of_minibatches = self.bound(0, minibatch_size)
        per_row = max(1e-9, self.genes_per_cell * self.bytes_per_entry)
        n_minibatches = (self.limit - of_minibatches) // (per_row * minibatch_size)
        return int(max(minibatch_size, min(_MAX_WINDOW_ROWS, n_minibatches * minibatch_size)))

    def bound(self, window_rows: int, minibatch_size: int) -> int:
        """Return the bytes that a window and its minibatches take on average."""
        per_row = window_rows * self.bytes_per_entry + _LIVING * minibatch_size * _BYTES_PER_GENE
        return int(self.genes_per_cell * per_row)

    def max_entries(self, window_rows: int) -> float:
        """Return the stored values above which a window must be read in parts."""
        return 1.25 * self.genes_per_cell * window_rows
