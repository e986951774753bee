from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from sctabnet._errors import InputError
from sctabnet.data.corpus import Corpus
from sctabnet.data.corpus_report import CorpusReport
from sctabnet.data.file_report import FileReport
from sctabnet.data.minibatch import Minibatch


class Scan:
    """Iterates over all cells in order and keeps the numbers of a :class:`CorpusReport`."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._n_entries, self._n_empty, self._largest = 0, 0, 0.0

    def __iter__(self) -> Iterator[Minibatch]:
        for minibatch in self._corpus.minibatches():
            values = minibatch.values
            if self._corpus.value_kind == "counts":
                self._check_whole(minibatch)
            self._n_entries += len(values)
            self._n_empty += int((minibatch.offsets.diff() == 0).sum())
            self._largest = max(self._largest, float(values.max()) if len(values) else 0.0)
            yield minibatch

    def report(self) -> CorpusReport:
        """Return what was found; valid after a whole iteration."""
        corpus = self._corpus
        counts = np.bincount(corpus.label_codes + 1, minlength=len(corpus.labels) + 1).tolist()
        return CorpusReport(
            files=tuple(
                FileReport(
                    source.name,
                    source.n_cells,
                    a.n_query,
                    a.n_shared,
                    a.missing,
                    a.unmatched,
                    a.duplicated,
                )
                for source, a in zip(corpus.sources, corpus.alignments, strict=True)
            ),
            n_cells=corpus.n_cells,
            n_genes=len(corpus.vocabulary),
            n_empty_cells=self._n_empty,
            genes_per_cell=self._n_entries / max(1, corpus.n_cells),
            largest=self._largest,
            value_kind=corpus.value_kind,
            label_counts=dict(zip(corpus.labels, counts[1:], strict=True)),
            n_unlabelled=counts[0],
        )

    def _check_whole(self, minibatch: Minibatch) -> None:
        broken = torch.nonzero(minibatch.values != minibatch.values.round())
        if len(broken):
            entry = int(broken[0])
            cell = int(torch.searchsorted(minibatch.offsets, entry, right=True)) - 1
            row = int(minibatch.row_ids[cell])
            gene = self._corpus.vocabulary.ids[int(minibatch.indices[entry])]
            name = self._corpus.files[int(self._corpus.files_of(np.array([row]))[0])]
            raise InputError(
                f"Counts must be whole numbers. Found {float(minibatch.values[entry])} for gene "
                f"{gene!r} in cell {row} of the corpus ({name}). "
                "Remove the cell, or choose another matrix with layer=..."
            )
