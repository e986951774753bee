from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from sctabnet._errors import InputError, MissingKeyError
from sctabnet._value_kind import ValueKind, detect_value_kind
from sctabnet.data.categories import categories, encode
from sctabnet.data.minibatch import Minibatch
from sctabnet.data.open_sources import Source, open_sources
from sctabnet.data.plan import Plan
from sctabnet.data.row_reader import RowReader
from sctabnet.data.source import CellSource
from sctabnet.genes import Alignment, GeneVocabulary, align

_SAMPLE_RANGES, _SAMPLE_ROWS = 16, 32


class Corpus:
    """Cells of one or many data sets, seen through one gene vocabulary.

    Nothing but a small sample is read when a corpus is opened; see :meth:`open`.

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
    measured
        bool (n_sources, g): genes that each data set measured.
    is_log1p
        bool (n_sources,): values are log1p-normalised instead of counts; the same for all.
    source_names
        One name per row of ``measured``.
    alignments
        One report per data set: which genes are shared, missing, unmatched, duplicated.
    fingerprint
        Hexadecimal digest of the cells (numbers, genes, sampled values), whatever the file format and
        the order of columns.
    """

    def __init__(
        self,
        sources: Sequence[CellSource],
        vocabulary: GeneVocabulary,
        *,
        value_kind: ValueKind | None = None,
        labels_key: str | None = None,
        covariate_keys: Sequence[str] = (),
        labels: Sequence[str] | None = None,
        covariate_levels: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.alignments: tuple[Alignment, ...] = tuple(
            align(source.gene_ids, vocabulary) for source in sources
        )
        self._sources = tuple(sources)
        self._reader = RowReader(sources, [a.lut for a in self.alignments], len(vocabulary))
        self.n_cells = sum(source.n_cells for source in sources)
        self._describe_panels()
        self._sample(value_kind)
        self._read_labels(labels_key, labels)
        self._read_covariates(covariate_keys, covariate_levels or {})

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
            An AnnData, a path, a pattern, or a list of these.
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
            ``"counts"`` or ``"log1p"`` where the values leave no doubt to you but to the test.

        Raises
        ------
        ValueError
            If a file cannot be read or is damaged, if values are neither counts nor log1p values, or
            if the data sets disagree on which of the two they are.
        KeyError
            If a layer or column does not exist.
        FileNotFoundError
            If a path does not exist.
        """
        sources = open_sources(source, layer=layer)
        if vocabulary is None:
            combine = GeneVocabulary.union if join == "union" else GeneVocabulary.intersection
            vocabulary = combine([s.gene_ids for s in sources])
        return cls(
            sources,
            vocabulary,
            value_kind=value_kind,
            labels_key=labels_key,
            covariate_keys=covariate_keys,
            labels=labels,
            covariate_levels=covariate_levels,
        )

    @property
    def label_codes(self) -> NDArray[np.int64]:
        """int64 (n_cells,): class of each cell, -1 where it has none."""
        return self._label_codes.astype(np.int64)

    @property
    def source_codes(self) -> NDArray[np.int64]:
        """int64 (n_cells,): row of ``measured`` that belongs to each cell."""
        return self._panel_of(np.arange(self.n_cells))

    @property
    def source_sizes(self) -> NDArray[np.int64]:
        """int64: cells of each file."""
        return np.array([source.n_cells for source in self._sources], np.int64)

    def covariate_codes(self, key: str) -> NDArray[np.int64]:
        """Return int64 (n_cells,): level of a covariate, 0 where it is unknown."""
        return self._covariate_codes[list(self.covariate_levels).index(key)].astype(np.int64)

    def obs(self, column: str) -> list[Any]:
        """Return a column of ``obs`` of each file."""
        return [self._column(source, column) for source in self._sources]

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
            raise IndexError(
                f"Rows must lie in 0..{self.n_cells - 1}. Found {rows.min()}..{rows.max()}."
            )
        return self._minibatch(self._reader.load(rows), np.arange(len(rows)))

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
        """
        if not shuffle:
            if rows is None:
                rows = np.arange(self.n_cells)
            for start in range(0, len(rows), minibatch_size):
                yield self.take(rows[start : start + minibatch_size])
            return
        plan = self.plan(rows, minibatch_size=minibatch_size, seed=seed, epoch=epoch)
        for window in plan.windows():
            cells = window.cells() if rows is None else np.sort(rows)[window.cells()]
            buffer = self._reader.load(cells)
            for picks in window.picks:
                yield self._minibatch(buffer, picks[picks >= 0])

    def plan(
        self,
        rows: NDArray[np.int64] | None = None,
        *,
        minibatch_size: int = 1024,
        seed: int = 0,
        epoch: int = 0,
    ) -> Plan:
        """Return the order of an epoch over all cells, or over those at ``rows`` (ascending)."""
        sizes, fingerprint = self.source_sizes, self.fingerprint
        if rows is not None:
            rows = np.sort(rows)
            sizes = np.bincount(self._reader.source_of(rows), minlength=len(sizes))
            fingerprint += hashlib.sha256(rows.tobytes()).hexdigest()
        return Plan(
            sizes, minibatch_size=minibatch_size, seed=seed, epoch=epoch, fingerprint=fingerprint
        )

    def _minibatch(self, buffer: Any, picks: NDArray[np.int64]) -> Minibatch:
        values, indices, offsets = self._reader.gather(buffer, picks)
        rows = buffer.rows[picks]
        covariates = (
            np.stack([codes[rows] for codes in self._covariate_codes], axis=1)
            if (self._covariate_codes)
            else np.empty((len(rows), 0))
        )
        return Minibatch(
            values=torch.from_numpy(values),
            indices=torch.from_numpy(indices),
            offsets=torch.from_numpy(offsets),
            labels=torch.from_numpy(self._label_codes[rows].astype(np.int64)),
            covariates=torch.from_numpy(covariates.astype(np.int64)),
            weights=torch.ones(len(rows)),
            row_ids=torch.from_numpy(rows),
            source_ids=torch.from_numpy(self._panel_of(rows)),
            measured=self._measured,
            is_log1p=self._is_log1p,
        )

    def _describe_panels(self) -> None:
        """Number the data sets: a prepared file holds several, any other is one."""
        names: list[str] = []
        measured = []
        self._panel_start = []
        for source, alignment in zip(self._sources, self.alignments, strict=True):
            self._panel_start.append(len(names))
            known = alignment.lut >= 0
            columns = source.panels.measured.T if source.panels else np.ones((1, len(known)), bool)
            for panel in columns:
                row = np.zeros(len(self.vocabulary), bool)
                row[alignment.lut[known & panel]] = True
                measured.append(row)
            names.extend(source.panels.names if source.panels else [source.name])
        self.source_names = tuple(names)
        self.measured: NDArray[np.bool_] = np.array(measured)
        self._measured = torch.from_numpy(self.measured)

    def _panel_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        source_of_row = self._reader.source_of(rows)
        panel = np.array(self._panel_start)[source_of_row]
        starts = np.concatenate([[0], np.cumsum(self.source_sizes)])
        for number, source in enumerate(self._sources):
            if source.panels:
                mine = source_of_row == number
                panel[mine] += source.panels.codes[rows[mine] - starts[number]]
        return panel

    def _sample(self, value_kind: ValueKind | None) -> None:
        """Read some rows of every data set: what kind of values they hold, and their digest."""
        digest = hashlib.sha256()
        kinds: dict[str, str] = {}
        start = 0
        for source in self._sources:
            block, sorted_values = self._sample_source(source, start)
            start += source.n_cells
            genes = "\n".join(GeneVocabulary.union([source.gene_ids]).ids)
            digest.update(f"{source.n_cells}\n{genes}\n".encode() + sorted_values)
            if value_kind is None and block.nnz:
                kinds[source.name] = detect_value_kind(block, name=source.name)
        self.fingerprint = digest.hexdigest()
        if len(set(kinds.values())) > 1:
            example = {kind: name for name, kind in kinds.items()}
            raise InputError(
                f"The data sets disagree on what their matrices hold. Found counts in "
                f"{example['counts']} and log1p values in {example['log1p']}. "
                "Choose the same kind for all, for instance with layer='counts'."
            )
        if value_kind is None and not kinds:
            raise InputError(
                "There is no value above zero in the data. Pass counts or log1p values."
            )
        self.value_kind = value_kind or next(iter(kinds.values()))
        self.is_log1p = np.full(len(self.source_names), self.value_kind == "log1p")
        self._is_log1p = torch.from_numpy(self.is_log1p)

    def _sample_source(self, source: CellSource, start: int) -> tuple[sp.csr_matrix, bytes]:
        n = source.n_cells
        firsts = np.unique(
            np.linspace(0, max(0, n - _SAMPLE_ROWS), _SAMPLE_RANGES).astype(np.int64)
        )
        rows = np.unique((firsts[:, None] + np.arange(_SAMPLE_ROWS)).ravel())
        buffer = self._reader.load(rows[rows < n] + start)
        rows_of = np.repeat(np.arange(len(buffer.rows)), buffer.last - buffer.first)
        values = buffer.values.astype(np.float32)
        in_order = values[np.lexsort([values, rows_of])]
        pointers = np.concatenate([[0], np.cumsum(buffer.last - buffer.first)])
        shape = (len(buffer.rows), len(source.gene_ids))
        block = sp.csr_matrix((buffer.values.copy(), buffer.indices.copy(), pointers), shape=shape)
        return block, in_order.tobytes()

    def _read_labels(self, key: str | None, labels: Sequence[str] | None) -> None:
        if key is None:
            self.labels = tuple(labels or ())
            self._label_codes: NDArray[Any] = np.full(self.n_cells, -1, np.int8)
            return
        columns = self.obs(key)
        self.labels = tuple(labels) if labels is not None else categories(columns)
        self._label_codes = np.concatenate([encode(column, self.labels) for column in columns])

    def _read_covariates(self, keys: Sequence[str], levels: Mapping[str, Sequence[str]]) -> None:
        self.covariate_levels: dict[str, tuple[str, ...]] = {}
        self._covariate_codes: list[NDArray[Any]] = []
        for key in keys:
            columns = self.obs(key)
            names = tuple(levels[key]) if key in levels else categories(columns)
            self.covariate_levels[key] = names
            codes = np.concatenate([encode(column, names) for column in columns])
            self._covariate_codes.append(codes + 1)

    @staticmethod
    def _column(source: CellSource, column: str) -> Any:
        if column not in source.obs_columns:
            raise MissingKeyError(
                f"{column!r} is not a column of obs in {source.name}. "
                f"Found {list(source.obs_columns)[:20]}. Pass the name of one of these."
            )
        return source.obs(column)
