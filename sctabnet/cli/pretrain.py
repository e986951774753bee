from __future__ import annotations

from sctabnet import _checks
from sctabnet.cli._files import naming_matrices
from sctabnet.model.model_config import ModelConfig
from sctabnet.train.pretrain import pretrain as train
from sctabnet.train.trainer_config import TrainerConfig


def pretrain(
    data: list[str],
    out: str,
    batch_key: str | None = None,
    layer: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    model: ModelConfig = ModelConfig(),  # noqa: B008 (read by the command line, never changed)
    trainer: TrainerConfig = TrainerConfig(),  # noqa: B008
) -> None:
    """Pretrain an encoder on cells without labels: hidden genes are predicted from the others.

    Args:
        data: Files (.h5ad, .zarr), patterns, or a prepared corpus.
        out: Folder to write the model to.
        batch_key: Column of .obs with the experimental batch.
        layer: Layer to read; "raw" for .raw; X if not given.
        seed: The same seed and data give the same model.
        overwrite: Replace a model that is already there.
        model: Encoder and heads.
        trainer: Training loop.
    """
    _checks.check_not_there(out, overwrite=overwrite)
    _checks.check_writable(out)
    with naming_matrices(data):
        trained = train(
            data, batch_key=batch_key, layer=layer, seed=seed, model=model, trainer=trainer
        )
    trained.save(out, overwrite=overwrite)
    run = trained.history[-1]
    print(f"{trained}")
    print(
        f"wrote {out} (validation loss {run['val_loss']:.4f} after {run['best_epoch'] + 1} epochs)"
    )
