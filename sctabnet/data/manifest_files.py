"""The files that a data manifest names, fetched once and checked by digest."""

from __future__ import annotations

import csv
import re
import warnings
from pathlib import Path

import pooch

from sctabnet._errors import InputError, MissingFileError
from sctabnet._settings import settings
from sctabnet.data.manifest_path import manifest_path
from sctabnet.data.resuming_download import ResumingDownload

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def manifest_files(manifest: str, *, split: str | None = None) -> list[Path]:
    """Return local paths of all files of a manifest, downloading what is not there yet.

    Parameters
    ----------
    manifest
        Name of a manifest that comes with sctabnet (``"pbmc"``), or the path of a ``.tsv``.
    split
        Only rows of this split, or all rows.

    Returns
    -------
    Paths in the order of the rows. A ``url`` that is a path of this machine is used as it is,
    relative to the manifest.

    Raises
    ------
    FileNotFoundError
        If there is no such manifest or local file.
    ValueError
        If a row is unusable, or a file has another digest than the manifest says.
    """
    path = manifest_path(manifest)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [_fetch(row, path) for row in rows if split is None or row.get("split") == split]


def _fetch(row: dict[str, str], manifest: Path) -> Path:
    name, url, digest = row.get("id", ""), row.get("url", ""), row.get("sha256", "unknown")
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{manifest} has the id {name!r}. An id may hold letters, digits, '.', '_' and '-' "
            "only, because it becomes a file name."
        )
    version = row.get("version", "1")
    if not version.isdigit():
        raise InputError(
            f"{manifest} gives {name} the version {version!r}. It becomes part of a file name: "
            "write a number."
        )
    known_hash = None if digest == "unknown" else digest
    if "://" not in url:
        local = manifest.parent / url
        if not local.exists():
            raise MissingFileError(f"{manifest}: {name} names {local}, which does not exist.")
        if known_hash is not None and pooch.file_hash(str(local)) != known_hash:
            raise InputError(f"{local} is not the file that {manifest} names: other digest.")
        return local
    if known_hash is None:
        warnings.warn(
            f"{manifest.name} states no digest for {name}: the download cannot be checked.",
            stacklevel=4,
        )
    suffix = "".join(Path(url.split("?")[0]).suffixes[-1:]) or ".h5ad"
    file = f"{name}-{version}{suffix}"
    part = settings.cache_dir / f"{file}.part"
    try:
        fetched = pooch.retrieve(
            url,
            known_hash=known_hash,
            fname=file,
            path=settings.cache_dir,
            downloader=ResumingDownload(part, resume=known_hash is not None),
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{name} was refused: {error}") from error
    return Path(fetched)
