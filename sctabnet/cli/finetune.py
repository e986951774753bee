from __future__ import annotations

from typing import Any

from sctabnet import _checks
from sctabnet.model.model import Model
from sctabnet.model.model_config import ModelConfig
from sctabnet.train.finetune import finetune as train
from sctabnet.train.trainer_config import TrainerConfig


def finetune(
    data: list[str],
    labels_key: str,
    out: str,
    init: str | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    model: ModelConfig | None = None,
    trainer: TrainerConfig = TrainerConfig(),  # noqa: B008 (read by the command line, not changed)
) -> None:
    """Train a model to name cell types, from labelled cells.

    Args:
        data: Files (.h5ad, .zarr), patterns, or a prepared corpus.
        labels_key: Column of .obs with the cell types.
        out: Folder to write the model to.
        init: Folder of a pretrained model to start from.
        batch_key: Column of .obs with the experimental batch.
        layer: Layer to read; "raw" for .raw; X if not given.
        seed: The same seed and data give the same model.
        overwrite: Replace a model that is already there.
        model: Encoder and heads; those of the pretrained model if not given.
        trainer: Training loop.
    """
    _checks.check_not_there(out, overwrite=overwrite)
    _checks.check_writable(out)
    start = None if init is None else Model.load(init)
    config: dict[str, Any] = {} if model is None else {"model": model}
    trained = train(
        data,
        init=start,
        labels_key=labels_key,
        batch_key=batch_key,
        layer=layer,
        seed=seed,
        trainer=trainer,
        **config,
    )
    trained.save(out, overwrite=overwrite)
    print(f"{trained}")
    print(f"wrote {out}")
