"""The model folder on disk: written in one step, and read only if every byte is as written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from sctabnet import _checks
from sctabnet._atomic import fsync_folder, temporary_sibling
from sctabnet._errors import InputError

FORMAT = 1
FILES = frozenset({"config.json", "genes.tsv", "labels.json", "model.safetensors", "README.md"})
MANIFEST = "manifest.json"
_MANIFEST_LIMIT = 1 << 20


def write_folder(
    folder: str | os.PathLike[str], files: Mapping[str, bytes | str], *, overwrite: bool = False
) -> Path:
    """Write a model folder, wholly or not at all.

    The files go to a hidden folder beside ``folder``, each is flushed to disk, the manifest with
    the size and SHA-256 of every other file comes last, all is read back and compared, and only
    then does the folder get its name. An older model at that place is kept until the new one is
    there; should the process die in between, :func:`read_folder` finds the older one.

    Parameters
    ----------
    folder
        Where to write; folders above it are made.
    files
        Content of ``config.json``, ``genes.tsv``, ``labels.json``, ``model.safetensors`` and
        ``README.md``; text is written as UTF-8.
    overwrite
        Replace a model that is already there. A folder that holds anything else is never replaced.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        If something is there that may not be replaced, or the place cannot be written to. Nothing
        was changed then.
    """
    target = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve would follow links)
    assert set(files) == FILES, f"a model folder holds {sorted(FILES)}, got {sorted(files)}"
    backup = _backup(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if backup.is_dir() and not os.path.lexists(target):
            backup.rename(target)  # a process died between the two renames below
    except OSError:
        _checks.check_writable(target)
        raise
    check_replaceable(target, overwrite=overwrite)
    temporary = temporary_sibling(target)
    try:
        temporary.mkdir()
        entries = {name: _write(temporary / name, content) for name, content in files.items()}
        manifest = {"format": FORMAT, "files": dict(sorted(entries.items()))}
        _write(temporary / MANIFEST, json.dumps(manifest, indent=1) + "\n")
        fsync_folder(temporary)
        _read(temporary)
        if os.path.lexists(target):
            shutil.rmtree(backup, ignore_errors=True)
            target.rename(backup)
        temporary.rename(target)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if backup.is_dir() and not os.path.lexists(target):
            backup.rename(target)
        if isinstance(error, OSError):
            raise InputError(
                f"{target} could not be written. Found: {error.strerror or error}. "
                "What was there before is unchanged. Free some space or choose another place."
            ) from error
        raise
    fsync_folder(target.parent)
    shutil.rmtree(backup, ignore_errors=True)
    return target


def read_folder(folder: str | os.PathLike[str]) -> dict[str, bytes]:
    """Read a model folder after checking its names, sizes, digests and format.

    Returns
    -------
    dict
        Content of each file but the manifest.

    Raises
    ------
    ValueError
        If the folder is no model folder, holds a file too many or too few, a link, or a file that
        is not as it was written, or if its format is newer than this version reads.
    """
    path = Path(folder)
    older = _backup(Path(os.path.abspath(folder)))  # noqa: PTH100 (resolve would follow links)
    if not os.path.lexists(path) and older.is_dir():
        path = older
    _checks.check_model_folder(path)
    return _read(path)


@contextmanager
def contradictions_named(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Say that files do not fit each other, although their digests do, where a model is built."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise _checks.damaged_model(folder, f"its files do not fit ({reason})") from error


def _backup(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def check_replaceable(folder: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise unless a model can be written to a folder: nothing, or with ``overwrite`` a model."""
    target = Path(folder)
    if overwrite and target.is_file():
        raise InputError(
            f"{target} exists already and is a file. Nothing was changed. Give another path."
        )
    _check_content(target, overwrite=overwrite)
    _checks.check_writable(target)


def _check_content(target: Path, *, overwrite: bool) -> None:
    if target.is_dir() and not target.is_symlink():
        names = {entry.name for entry in target.iterdir()}
        if not names:
            return
        if overwrite and MANIFEST in names and names <= FILES | {MANIFEST}:
            return
        if overwrite:
            raise InputError(
                f"{target} is not only a model folder, so it is not replaced. Found "
                f"{sorted(names - FILES - {MANIFEST})[:5] or 'no manifest.json'}. "
                "Choose another path, or move these files."
            )
    _checks.check_not_there(target, overwrite=False)


def _write(path: Path, content: bytes | str) -> dict[str, Any]:
    data = content.encode() if isinstance(content, str) else content
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _read(folder: Path) -> dict[str, bytes]:
    entries = read_manifest(folder)
    found = {entry.name for entry in folder.iterdir()}
    _check_names(folder, found - {MANIFEST})
    return {name: _read_file(folder, name, entries[name]) for name in sorted(FILES)}


def _check_names(folder: Path, found: Collection[str]) -> None:
    for wrong, names in (
        ("is missing", FILES - set(found)),
        ("does not belong there", set(found) - FILES),
    ):
        if names:
            raise _checks.damaged_model(folder, f"{min(names)!r} {wrong}")


def _read_file(folder: Path, name: str, entry: Mapping[str, Any]) -> bytes:
    size = _regular_size(folder, name)
    if size != entry["size"]:
        raise _checks.damaged_model(
            folder, f"{name} has {size} bytes, its manifest says {entry['size']}"
        )
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise _checks.damaged_model(folder, f"the content of {name} was changed")
    return data


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Return ``size`` and ``sha256`` of every file of a model, as its manifest states them.

    Raises
    ------
    ValueError
        If the manifest is damaged, states a file too many or too few, or is of a newer format.
    """
    if _regular_size(folder, MANIFEST) > _MANIFEST_LIMIT:
        raise _checks.damaged_model(folder, "manifest.json is too large")
    try:
        manifest = json.loads(
            (folder / MANIFEST).read_bytes().decode(), object_pairs_hook=_unique_keys
        )
        version, entries = int(manifest["format"]), dict(manifest["files"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _checks.damaged_model(folder, "manifest.json is no manifest of a model") from None
    if version > FORMAT:
        raise InputError(
            f"{folder} was written by a newer sctabnet. Found format {version}; this version reads "
            f"up to {FORMAT}. Upgrade sctabnet."
        )
    _check_names(folder, entries)
    for name, entry in entries.items():
        if not isinstance(entry, dict) or set(entry) != {"size", "sha256"}:
            raise _checks.damaged_model(folder, f"manifest.json has no size and sha256 of {name}")
    return entries


def _regular_size(folder: Path, name: str) -> int:
    try:
        status = (folder / name).lstat()
    except FileNotFoundError:
        raise _checks.damaged_model(folder, f"{name!r} is missing") from None
    if not stat.S_ISREG(status.st_mode):
        raise _checks.damaged_model(folder, f"{name} is a link or no regular file")
    return status.st_size


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key occurs twice")
    return unique
