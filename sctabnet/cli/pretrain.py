from __future__ import annotations

from pathlib import Path
from typing import Literal

from sctabnet._errors import InputError
from sctabnet._value_kind import ValueKind
from sctabnet.cli._files import naming_matrices
from sctabnet.model.folder import check_replaceable
from sctabnet.model.model_config import ModelConfig
from sctabnet.train.is_first_process import is_first_process
from sctabnet.train.pretrain import pretrain as train
from sctabnet.train.run_folder import RunFolder
from sctabnet.train.trainer_config import TrainerConfig


def pretrain(
    data: list[str],
    out: str | None = None,
    run: str | None = None,
    resume: str | None = None,
    batch_key: list[str] | str | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    seed: int = 0,
    logger: Literal["csv", "wandb"] = "csv",
    overwrite: bool = False,
    model: ModelConfig = ModelConfig(),  # noqa: B008 (read by the command line, never changed)
    trainer: TrainerConfig = TrainerConfig(),  # noqa: B008
) -> None:
    """Pretrain an encoder on cells without labels: hidden genes are predicted from the others.

    Args:
        data: Files (.h5ad, .zarr), patterns, a prepared corpus, or a manifest's name.
        out: Folder to write the model to; or give run.
        run: Folder of a job that survives interruptions: recipe, metrics, checkpoints, model.
        resume: Folder of an interrupted job to go on with; nothing else needs to be given.
        batch_key: Column of .obs with the experimental batch, or several: ["donor", "assay"].
        donor_key: Column of .obs with the donor; whole donors are held out for validation.
        layer: Layer to read; "raw" for .raw; X if not given.
        value_kind: What the values are, where you know it and they leave doubt.
        seed: The same seed and data give the same model.
        logger: Where metrics go beside metrics.csv of the run folder.
        overwrite: Replace a model that is already there.
        model: Encoder and heads.
        trainer: Training loop.
    """
    if resume is not None and run is not None and Path(resume) != Path(run):
        msg = (
            f"--resume goes on in its own folder. Found --resume {resume} and --run {run}. "
            "Leave out --run."
        )
        raise InputError(msg)
    folder = resume or run
    if out is None and folder is None:
        msg = "There is nowhere to write to. Found neither --out nor --run. Pass one of them."
        raise InputError(msg)
    if out is not None and is_first_process():
        check_replaceable(out, overwrite=overwrite)
    with naming_matrices(data):
        trained = train(
            data,
            run=folder,
            resume=resume is not None,
            batch_key=batch_key,
            donor_key=donor_key,
            layer=layer,
            value_kind=value_kind,
            seed=seed,
            logger=logger,
            model=model,
            trainer=trainer,
        )
    if not is_first_process():
        return
    if out is not None:
        trained.save(out, overwrite=overwrite)
    result = trained.history[-1]
    print(f"{trained}")
    for written in (out, None if folder is None else RunFolder(folder).model):
        if written is not None:
            print(
                f"wrote {written} (validation loss {result['val_loss']:.4f} after "
                f"{result['best_epoch'] + 1} epochs)"
            )
