"""The Weights & Biases side of a run."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from sctabnet._atomic import atomic_text


class WandbRecord:
    """Metrics, the recipe as configuration, and the finished model folder as an artifact.

    ``WANDB_MODE=offline`` and the other variables of wandb are honoured. The id of the run lies in
    the run folder, so that a resumed run goes on in the same record. No gene list is sent: the
    recipe holds none.

    Parameters
    ----------
    folder
        The run folder.
    recipe
        Options of the run.

    Attributes
    ----------
    logger
        Lightning's logger.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        path = folder / "wandb_id"
        if not path.exists():
            atomic_text(path, secrets.token_hex(4))
        self.logger = WandbLogger(
            name=folder.resolve().name,
            save_dir=folder,
            project="sctabnet",
            id=path.read_text(encoding="utf-8"),
            resume="allow",
            config=dict(recipe),
        )

    def finish(self, model: Path, result: Mapping[str, Any]) -> None:
        """Record the model folder with its result as metadata, and close the record."""
        import wandb

        artifact = wandb.Artifact(f"model-{self.logger.version}", "model", metadata=dict(result))
        artifact.add_dir(str(model))
        self.logger.experiment.log_artifact(artifact)
        wandb.finish()
