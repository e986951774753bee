"""Where a data manifest lies."""

from __future__ import annotations

from pathlib import Path

from sctabnet._errors import MissingFileError

_ROOTS = (
    Path(__file__).resolve().parents[1] / "data_manifests",  # in an installed package
    Path(__file__).resolve().parents[2] / "data_manifests",  # in a checkout
)


def manifest_path(manifest: str) -> Path:
    """Return the table of a manifest.

    Parameters
    ----------
    manifest
        Name of one that comes with sctabnet (``"pbmc"``, or ``"schema.json"`` for what columns may
        hold), or the path of a ``.tsv``.

    Raises
    ------
    FileNotFoundError
        If there is none of that name; those that exist are listed.
    """
    if manifest.endswith(".tsv") and Path(manifest).is_file():
        return Path(manifest)
    name = manifest if manifest == "schema.json" else f"{manifest}.tsv"
    for root in _ROOTS:
        if (root / name).is_file():
            return root / name
    known = sorted({file.stem for root in _ROOTS for file in root.glob("*.tsv")})
    raise MissingFileError(
        f"There is no data manifest {manifest!r}. Found: {known}. "
        "Pass one of these, or the path of a .tsv file."
    )
