from __future__ import annotations

from typing import Literal

from sctabnet import _checks
from sctabnet._settings import settings
from sctabnet.data.prepare import prepare as write


def prepare(
    data: list[str],
    out: str,
    layer: str | None = None,
    join: Literal["union", "intersection"] = "union",
    labels_key: str | None = None,
    obs_columns: list[str] | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Merge files into one shuffled corpus that trains several times faster.

    Args:
        data: Files (.h5ad, .zarr) or patterns; their genes may differ.
        out: Folder to write, ending in .zarr; anndata.read_zarr opens it.
        layer: Layer to read; "raw" for .raw; X if not given.
        join: Genes that any file measured, or that all did.
        labels_key: Column of .obs with labels to count in the report.
        obs_columns: Columns of .obs to keep; all if not given.
        seed: Key of the order of cells.
        overwrite: Replace a corpus that is already there.
    """
    _checks.check_not_there(out, overwrite=overwrite)
    report = write(
        data,
        out,
        layer=layer,
        join=join,
        labels_key=labels_key,
        obs_columns=obs_columns,
        seed=seed,
        progress=settings.progress_bar,
    )
    print(report)
    print(f"wrote {out}")
