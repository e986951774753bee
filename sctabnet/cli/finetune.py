from __future__ import annotations

from sctabnet.cli._files import naming_matrices
from sctabnet.model.folder import check_replaceable
from sctabnet.model.model import Model
from sctabnet.model.model_config import ModelConfig
from sctabnet.train.finetune import finetune as train
from sctabnet.train.trainer_config import TrainerConfig


def finetune(
    data: list[str],
    labels_key: str,
    out: str,
    init: str | None = None,
    batch_key: list[str] | str | None = None,
    layer: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    model: ModelConfig = ModelConfig(),  # noqa: B008 (read by the command line, never changed)
    trainer: TrainerConfig = TrainerConfig(),  # noqa: B008
) -> None:
    """Train a model to name cell types, from labelled cells.

    Args:
        data: Files (.h5ad, .zarr), patterns, or a prepared corpus.
        labels_key: Column of .obs with the cell types.
        out: Folder to write the model to.
        init: Folder of a pretrained model to start from.
        batch_key: Column of .obs with the experimental batch, or several: ["donor", "assay"].
        layer: Layer to read; "raw" for .raw; X if not given.
        seed: The same seed and data give the same model.
        overwrite: Replace a model that is already there.
        model: Encoder and heads; by default as in the pretrained model, if there is one.
        trainer: Training loop.
    """
    check_replaceable(out, overwrite=overwrite)
    start = None if init is None else Model.load(init)
    with naming_matrices(data):
        trained = train(
            data,
            init=start,
            labels_key=labels_key,
            batch_key=batch_key,
            layer=layer,
            seed=seed,
            model=model,
            trainer=trainer,
        )
    trained.save(out, overwrite=overwrite)
    print(f"{trained}")
    print(f"wrote {out}")
