from __future__ import annotations

import pandas as pd

from sctabnet import _checks, evaluate
from sctabnet._atomic import atomic_text
from sctabnet._errors import InputError
from sctabnet.evaluate.perturbation_splits import SPLITS
from sctabnet.model.model import Model

_SHOWN = [
    "explained", "gap_closed", "l2", "mae", "pearson_delta", "pearson_centroid", "weighted_r2",
    "pds_l1", "pds_l2", "pds_cosine", "norm_ratio", "centroid_accuracy", "direction", "de_overlap",
    "interaction_r", "energy_gain", "mmd2",
]  # fmt: skip


def evaluate_perturbation(
    data: str,
    perturbation_key: str = "perturbation",
    control: str = "control",
    dose_key: str | None = None,
    context_keys: list[str] | None = None,
    batch_key: list[str] | str | None = None,
    split: str = "leave_one_combination_out",
    hold_out: list[str] | None = None,
    init: str | None = None,
    layer: str | None = None,
    cells: int = 0,
    repeats: int = 5,
    seed: int = 0,
    out: str | None = None,
    overwrite: bool = False,
) -> None:
    """Hold perturbations out, predict them by every baseline and by the head, and score.

    Args:
        data: File (.h5ad) with control cells and perturbed ones.
        perturbation_key: Column of .obs with the condition of each cell.
        control: Name of the unperturbed cells.
        dose_key: Column of .obs with doses.
        context_keys: Columns of .obs whose combination is the context, such as the cell type.
        batch_key: Column of .obs with the experimental batch, or several: ["donor", "assay"].
        split: leave_one_combination_out, half_of_combinations, leave_one_entity_out or
            leave_one_context_out.
        hold_out: Conditions to hold out, such as KLF1+MAP2K6, in place of a split.
        init: Folder of a pretrained model to learn from.
        layer: Layer to read; "raw" for .raw; X if not given.
        cells: Also compare up to that many predicted with measured cells of each condition.
        repeats: Repeats of half_of_combinations.
        seed: Seed of the random choices.
        out: File (.csv) to write every condition's scores to.
        overwrite: Replace that file.
    """
    if out is not None:
        _checks.check_new_file(out, overwrite=overwrite)
    if split not in SPLITS:
        raise InputError(f"split must be one of {list(SPLITS)}. Found {split!r}. Choose one.")
    found = evaluate.perturbation(
        data,
        perturbation_key=perturbation_key,
        control=control,
        dose_key=dose_key,
        context_keys=context_keys or (),
        batch_key=batch_key,
        split=hold_out or split,
        layer=layer,
        init=None if init is None else Model.load(init),
        cells=cells,
        n_repeats=repeats,
        seed=seed,
    )
    table = found.summary[[column for column in _SHOWN if column in found.summary]]
    with pd.option_context("display.width", 200, "display.max_columns", None):
        print(table.round(3).to_string())
    print()
    versus = found.versus_best
    low, high = versus["interval"]
    print(
        f"sctabnet against {versus['best_baseline']}: L2 {versus['l2_difference']:+.3f} "
        f"[{low:+.3f}, {high:+.3f}], better on {versus['win_rate']:.0%} of "
        f"{versus['n_conditions']} conditions"
    )
    for name, value in found.diagnostics.items():
        print(f"{name:24} {value:.3f}")
    if out is not None:
        atomic_text(out, found.conditions.to_csv(index=False))
        print(f"wrote {out}")
