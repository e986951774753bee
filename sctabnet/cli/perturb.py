from __future__ import annotations

from typing import Literal

from sctabnet import _checks, tl
from sctabnet.cli._files import read_h5ad, write_h5ad
from sctabnet.model.folder import check_replaceable
from sctabnet.model.model import Model
from sctabnet.train.finetune import finetune


def perturb(
    data: str,
    perturbations: list[str],
    out: str,
    model: str | None = None,
    save_model: str | None = None,
    perturbation_key: str = "perturbation",
    control: str = "control",
    dose_key: str | None = None,
    context_keys: list[str] | None = None,
    batch_key: list[str] | str | None = None,
    init: str | None = None,
    n_cells: int | None = None,
    result: Literal["cells", "mean", "delta"] = "mean",
    layer: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Predict expression after perturbations.

    Args:
        data: File (.h5ad) with control cells; without a model, also with the perturbed ones.
        perturbations: Conditions such as KLF1 or KLF1+MAP2K6.
        out: File (.h5ad) to write the predictions to.
        model: Folder of a model with a perturbation head; learned from data if not given.
        save_model: Folder to write the learned model to.
        perturbation_key: Column of .obs with the condition of each cell.
        control: Name of the unperturbed cells.
        dose_key: Column of .obs with doses.
        context_keys: Columns of .obs whose combination is the context, such as the cell type.
        batch_key: Column of .obs with the experimental batch, or several: ["donor", "assay"].
        init: Folder of a pretrained model to learn from.
        n_cells: Control cells to carry over per perturbation and context; all if not given.
        result: Predicted cells, or one row per perturbation with its mean or its effect.
        layer: Layer to read; "raw" for .raw; X if not given.
        seed: Seed of the random choices.
        overwrite: Replace the files.
    """
    _checks.check_new_file(out, overwrite=overwrite)
    if save_model is not None:
        check_replaceable(save_model, overwrite=overwrite)
    adata = read_h5ad(data)
    if model is not None:
        trained = Model.load(model)
    else:
        trained = finetune(
            adata,
            init=init,
            perturbation_key=perturbation_key,
            control=control,
            dose_key=dose_key,
            context_keys=context_keys or (),
            batch_key=batch_key,
            layer=layer,
            seed=seed,
        )
        for task, errors in trained.history[-1]["left_out_l2"].items():
            print(f"left-out {task}, mean L2 error:")
            for name, error in sorted(errors.items(), key=lambda item: item[1]):
                print(f"{error:10.3f}  {name}")
    predicted = tl.predict_perturbation(
        adata,
        trained,
        perturbations,
        n_cells=n_cells,
        return_=result,
        layer=layer,
        random_state=seed,
    )
    if model is None and save_model is not None:
        trained.save(save_model, overwrite=overwrite)
        print(f"wrote {save_model}")
    write_h5ad(predicted, out)
    shown = predicted.obs.drop_duplicates(["condition"])
    for condition, support in zip(shown["condition"], shown["support"], strict=True):
        print(f"{condition:24} {support}")
    print(f"wrote {out}")
