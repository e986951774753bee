from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from sctabnet._atomic import fsync_folder, temporary_sibling
from sctabnet._errors import InputError, MissingKeyError
from sctabnet.data.corpus import Corpus
from sctabnet.data.corpus_report import CorpusReport
from sctabnet.data.open_sources import Source
from sctabnet.data.packed_writer import PackedWriter
from sctabnet.data.scan import Scan
from sctabnet.genes import GeneVocabulary


def prepare(
    source: Source,
    out: str | Path,
    *,
    layer: str | None = None,
    join: Literal["union", "intersection"] = "union",
    vocabulary: GeneVocabulary | None = None,
    labels_key: str | None = None,
    obs_columns: Sequence[str] | None = None,
    seed: int = 0,
    memory_limit: int = 2**30,
    progress: bool = False,
) -> CorpusReport:
    """Merge files into one corpus that is read several times faster, its cells shuffled.

    The result is an ordinary AnnData in zarr format (``anndata.read_zarr`` opens it): genes in the
    vocabulary's order, uncompressed, 16-bit integers where the values allow it. ``obs`` and
    ``varm`` tell which data set each cell came from and what that measured. Every value is checked
    on the way.

    Shuffling takes two passes: cells are thrown into buckets that fit into memory, then each bucket
    is sorted. Nothing appears under ``out`` before all is written; an older corpus there is then
    replaced.

    Parameters
    ----------
    source, layer, join, vocabulary, labels_key
        See :meth:`Corpus.open`; ``labels_key`` is only for the report.
    out
        Folder to write, ending in ``.zarr``.
    obs_columns
        Columns of ``obs`` to keep; by default all that any file has.
    seed
        Key of the order.
    memory_limit
        Bytes that a bucket may take.
    progress
        Show progress bars.

    Returns
    -------
    CorpusReport
        What was found.

    Raises
    ------
    ValueError
        If the data cannot be read (see :meth:`Corpus.open` and :func:`validate`), or ``out`` exists
        and is no zarr folder, or does not end in ``.zarr``.
    OSError
        If the disk is full; an older corpus stays as it was.
    """
    target = Path(out)
    if target.suffix != ".zarr" or (target.exists() and not _is_zarr(target)):
        raise InputError(
            f"out must be a folder ending in .zarr that is new or a zarr folder. Found {out}. "
            "Choose another name."
        )
    corpus = Corpus.open(
        source, layer=layer, join=join, vocabulary=vocabulary, labels_key=labels_key
    )
    if not len(corpus.vocabulary):
        raise InputError(
            "The data sets have no gene in common. Found, for example, "
            f"{[list(source.gene_ids[:2]) for source in corpus.sources[:3]]}. Give all of them the "
            'same kind of gene ids, or pass join="union".'
        )
    for column in obs_columns or ():
        if not any(column in source.obs_columns for source in corpus.sources):
            raise MissingKeyError(
                f"{column!r} of obs_columns is not a column of obs in any file. Found "
                f"{list(corpus.sources[0].obs_columns)}. Pass some of these."
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_sibling(target)
    try:
        scan = Scan(corpus)
        writer = PackedWriter(corpus, temporary, seed=seed, memory_limit=memory_limit)
        with tqdm(
            total=2 * corpus.n_cells, unit="cell", desc="prepare", disable=not progress
        ) as bar:
            for minibatch in scan:
                writer.add(minibatch)
                bar.update(len(minibatch))
            report = scan.report()
            for n_cells in writer.finish(report.largest, obs_columns):
                bar.update(n_cells)
        _replace(temporary, target)
    except OSError as error:
        free = shutil.disk_usage(target.parent).free
        raise OSError(
            error.errno,
            f"{out} could not be written ({error.strerror or error}). Found {free / 1e9:.1f} GB "
            "free. Make room or choose another disk; what was there before is unchanged.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return report


def _is_zarr(folder: Path) -> bool:
    return (folder / "zarr.json").is_file() or (folder / ".zgroup").is_file()


def _replace(temporary: Path, target: Path) -> None:
    """Put a finished folder in the place of an old one, which goes only then."""
    for path in sorted(temporary.rglob("*")):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    old = temporary_sibling(target)
    if target.exists():
        target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    fsync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)
