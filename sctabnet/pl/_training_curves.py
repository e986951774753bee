from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from sctabnet._result_checks import check_some
from sctabnet.pl._figure import BLUE, ORANGE, axes_or_new, bare
from sctabnet.train.run_folder import RunFolder


def training_curves(run: str | os.PathLike[str], *, ax: Axes | None = None) -> Axes:
    r"""Draw the losses of a pretraining job, finished or still going on.

    Parameters
    ----------
    run
        Folder that ``sctabnet pretrain --run FOLDER`` made.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes; the ring is the best held-out loss.

    Raises
    ------
    FileNotFoundError
        If this is no run folder.
    ValueError
        If no loss was written yet.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import sctabnet as sct
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "recipe.yaml").write_text("seed: 0")
    >>> _ = (folder / "metrics.csv").write_text("step,train_loss,val_loss\n1,2.0,\n2,,1.5\n")
    >>> sct.pl.training_curves(folder).get_ylabel()
    'loss'
    """
    folder = RunFolder(run)
    folder.recipe()  # raises if this is no run folder
    table = pd.DataFrame({"step": []})
    if Path(folder.metrics).is_file():
        table = pd.read_csv(folder.metrics)
    columns = [name for name in ("train_loss", "val_loss") if name in table]
    losses = table.dropna(subset=columns, how="all") if columns else table.iloc[:0]
    check_some(
        len(losses), "losses to draw", found=f"{folder.metrics.name} without a line of them",
        advice="Wait for the first ones, or run `sctabnet pretrain --run FOLDER` again.",
    )  # fmt: skip
    ax = bare(axes_or_new(ax, (4.8, 3.4)))
    for column, colour, name in (
        ("train_loss", BLUE, "training cells"),
        ("val_loss", ORANGE, "held-out cells"),
    ):
        if column in losses and losses[column].notna().any():
            line = losses[["step", column]].dropna()
            marker = "o" if len(line) < 30 else None
            ax.plot(line["step"], line[column], color=colour, label=name, marker=marker, ms=3)
    if "val_loss" in losses and losses["val_loss"].notna().any():
        best = losses.loc[losses["val_loss"].idxmin()]
        ax.plot(best["step"], best["val_loss"], "o", mfc="none", mec=ORANGE, ms=10)
    ax.set(xlabel="step", ylabel="loss")
    ax.legend(frameon=False, fontsize=8)
    return ax
