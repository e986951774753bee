from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from numpy.typing import NDArray

from sctabnet import _checks
from sctabnet._errors import ValueKindError
from sctabnet._file_checks import warn_of_foreign_genes
from sctabnet._value_kind import ValueKind
from sctabnet.data.cell_table import CellTable
from sctabnet.data.gathered_rows import GatheredRows
from sctabnet.data.identify import identify
from sctabnet.data.measured_genes import measured_genes
from sctabnet.data.memory_budget import MemoryBudget
from sctabnet.data.minibatch import Minibatch
from sctabnet.data.open_sources import Source, open_sources
from sctabnet.data.plan import Plan
from sctabnet.data.prefetch import prefetch
from sctabnet.data.read_windows import read_windows
from sctabnet.data.row_reader import RowReader
from sctabnet.data.source import CellSource
from sctabnet.data.to_minibatch import to_minibatch
from sctabnet.genes import Alignment, GeneVocabulary, align


class Corpus:
    """Cells of one or many data sets, seen through one gene vocabulary.

    Opening one reads names, codes and a small sample; see :meth:`open`.

    Attributes
    ----------
    vocabulary
        The genes that minibatches speak of.
    n_cells
        Cells of all data sets.
    labels
        Names of classes, ascending (or as given). Empty without ``labels_key``.
    covariate_levels
        Levels of each covariate: level i has code i + 1, code 0 is unknown.
    source_names
        The data sets: one per file, or those that a prepared file was made of.
    measured
        bool (n_sources, g): genes that each data set measured.
    is_log1p
        bool (n_sources,): values are log1p-normalised instead of counts; the same for all.
    value_kind
        ``"counts"`` or ``"log1p"``.
    files, alignments
        Names of the files and, for each, which of its genes are shared, missing, unmatched,
        duplicated.
    fingerprint
        Hexadecimal digest of the cells. It does not depend on the file format or on the order of
        columns, and so neither does the order of training.
    """

    def __init__(
        self,
        sources: Sequence[CellSource],
        vocabulary: GeneVocabulary,
        table: CellTable,
        *,
        value_kind: ValueKind | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.files = tuple(source.name for source in sources)
        self.alignments: tuple[Alignment, ...] = tuple(
            align(source.gene_ids, vocabulary) for source in sources
        )
        self.sources = tuple(sources)
        self.n_cells = sum(source.n_cells for source in sources)
        self.labels, self.covariate_levels = table.labels, table.covariate_levels
        self.source_names = table.data_sets
        self._table = table
        self._reader = RowReader(sources, [a.lut for a in self.alignments], len(vocabulary))
        self.measured = measured_genes(sources, self.alignments)
        self.value_kind, self.fingerprint = identify(self._reader, sources, value_kind)
        self.is_log1p = np.full(len(self.source_names), self.value_kind == "log1p")
        self._shared = (torch.from_numpy(self.measured), torch.from_numpy(self.is_log1p))

    @classmethod
    def open(
        cls,
        source: Source,
        *,
        layer: str | None = None,
        vocabulary: GeneVocabulary | None = None,
        join: Literal["union", "intersection"] = "union",
        labels_key: str | None = None,
        covariate_keys: Sequence[str] = (),
        labels: Sequence[str] | None = None,
        covariate_levels: Mapping[str, Sequence[str]] | None = None,
        value_kind: ValueKind | None = None,
    ) -> Corpus:
        """Open an AnnData, files, or a prepared corpus.

        Parameters
        ----------
        source
            An AnnData, a path, a pattern such as ``"atlas/*.h5ad"``, or a list of these.
        layer
            None for ``X``, ``"raw"`` for ``raw.X``, otherwise a layer's name.
        vocabulary
            Genes of a model; by default those of the data.
        join
            Without ``vocabulary``: genes that any data set measured, or that all did.
        labels_key, covariate_keys
            Columns of ``obs``. Missing values and empty text are unlabelled or unknown.
        labels, covariate_levels
            Classes and levels of a model, in its order; others become unlabelled or unknown.
        value_kind
            ``"counts"`` or ``"log1p"``, to overrule the test of the values.

        Raises
        ------
        ValueError
            If a file cannot be read or is damaged, if values are neither counts nor log1p values,
            or if the data sets disagree on which of the two they are.
        KeyError
            If a layer or column does not exist.
        FileNotFoundError
            If a path does not exist.
        """
        if value_kind is not None:
            _checks.check_choice(value_kind, get_args(ValueKind), argument="value_kind")
        sources = open_sources(source, layer=layer)
        if vocabulary is None:
            combine = GeneVocabulary.union if join == "union" else GeneVocabulary.intersection
            vocabulary = combine([s.gene_ids for s in sources])
        table = CellTable(
            sources,
            labels_key=labels_key,
            covariate_keys=covariate_keys,
            labels=labels,
            covariate_levels=covariate_levels,
        )
        try:
            corpus = cls(sources, vocabulary, table, value_kind=value_kind)
        except ValueKindError as error:
            if isinstance(source, AnnData):
                raise _checks.with_matrices_that_look_right(error, source) from None
            raise
        warn_of_foreign_genes(corpus.measured, corpus.source_names)
        return corpus

    @property
    def label_codes(self) -> NDArray[np.int64]:
        """int64 (n_cells,): class of each cell, -1 where it has none."""
        return self._table.label_codes()

    @property
    def covariate_codes(self) -> NDArray[np.int64]:
        """int64 (n_cells, n_covariates): levels of each cell, 0 where one is unknown."""
        return self._table.covariate_codes()

    @property
    def source_codes(self) -> NDArray[np.int64]:
        """int64 (n_cells,): row of ``measured`` that belongs to each cell."""
        return self._table.data_set_codes(np.arange(self.n_cells))

    def files_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64 (n,): the file that holds each row."""
        return self._reader.source_of(rows)

    def obs(self, column: str) -> pd.Series:
        """Return a column of ``obs`` of all cells, in the order of rows."""
        return pd.concat(self._table.column(column), ignore_index=True)

    def take(self, rows: NDArray[np.int64]) -> Minibatch:
        """Return the cells at ``rows``, in that order; repeats are allowed.

        Raises
        ------
        ValueError
            If a file is damaged or was changed, or holds values that are no expression values.
        IndexError
            If a row does not exist.
        """
        rows = np.asarray(rows, np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= self.n_cells):
            found = f"{rows.min()}..{rows.max()}"
            raise IndexError(f"Rows must lie in 0..{self.n_cells - 1}. Found {found}.")
        return self._minibatch(self._reader.gather(self._reader.load(rows), np.arange(len(rows))))

    def minibatches(
        self,
        rows: NDArray[np.int64] | None = None,
        *,
        minibatch_size: int = 1024,
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
    ) -> Iterator[Minibatch]:
        """Yield all cells, or those at ``rows``, once.

        Parameters
        ----------
        rows
            Rows of the corpus.
        minibatch_size
            Cells of a minibatch; the last one may be smaller.
        shuffle
            False keeps the order of ``rows``. True shuffles by ``seed`` and ``epoch``.

        Raises
        ------
        ValueError
            See :meth:`take`.
        """
        if shuffle:
            rows = rows if rows is None else np.sort(rows)
            plan = self.plan(rows, minibatch_size=minibatch_size, seed=seed, epoch=epoch)
            return prefetch(self._read(plan, rows, pad=False))
        order = np.arange(self.n_cells) if rows is None else rows
        starts = range(0, len(order), minibatch_size)
        return prefetch(self.take(order[start : start + minibatch_size]) for start in starts)

    def plan(
        self,
        rows: NDArray[np.int64] | None = None,
        *,
        minibatch_size: int = 1024,
        seed: int = 0,
        epoch: int = 0,
        memory_limit: int | None = None,
    ) -> Plan:
        """Return the order of an epoch over all cells, or over those at ``rows`` (ascending).

        ``rows`` may repeat a cell (balanced sampling): it then comes that often. The window is as
        large as ``memory_limit`` (bytes) allows, at most 16,384 cells.

        Raises
        ------
        ValueError
            If not even a window of one minibatch keeps within the limit.
        """
        sizes, fingerprint = np.array([s.n_cells for s in self.sources]), self.fingerprint
        if rows is not None:
            sizes = np.bincount(self._reader.source_of(rows), minlength=len(sizes))
            fingerprint += hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
        return Plan(
            sizes,
            minibatch_size=minibatch_size,
            seed=seed,
            epoch=epoch,
            fingerprint=fingerprint,
            window_rows=self._budget(memory_limit).window_rows(minibatch_size),
        )

    def memory_bound(self, plan: Plan) -> int:
        """Return the bytes that a window and its minibatches take in one process."""
        return self._budget().bound(plan.window_rows, plan.minibatch_size)

    def read_epoch(
        self,
        plan: Plan,
        rows: NDArray[np.int64] | None = None,
        *,
        rank: int = 0,
        world_size: int = 1,
        first_step: int = 0,
        finish: Callable[[Minibatch], Minibatch] | None = None,
    ) -> Iterator[Minibatch]:
        """Yield one process's part of every minibatch of a plan.

        All processes get equally many cells in equally many minibatches; what is missing at the end
        is filled with cells of weight 0. ``finish`` is applied to each minibatch by the
        reading thread.

        Raises
        ------
        ValueError
            See :meth:`take` and :meth:`Plan.windows`.
        """
        minibatches = self._read(
            plan, rows, rank=rank, world_size=world_size, first_step=first_step
        )
        return prefetch(minibatches if finish is None else map(finish, minibatches))

    def _read(
        self, plan: Plan, rows: NDArray[np.int64] | None, *, pad: bool = True, **part: int
    ) -> Iterator[Minibatch]:
        limit = self._budget().max_entries(plan.window_rows)
        windows = read_windows(self._reader, plan, rows, max_entries=limit, pad=pad, **part)
        return map(self._minibatch, windows)

    def _budget(self, limit: int | None = None) -> MemoryBudget:
        genes_per_cell = sum(s.n_entries for s in self.sources) / max(1, self.n_cells)
        given = {} if limit is None else {"limit": limit}
        return MemoryBudget(genes_per_cell, self._reader.bytes_per_entry, **given)

    def _minibatch(self, gathered: GatheredRows) -> Minibatch:
        return to_minibatch(gathered, self._table, *self._shared)
