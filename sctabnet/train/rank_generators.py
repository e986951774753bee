"""The random generators of every process, in the checkpoint."""

from __future__ import annotations

import random
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor


class RankGenerators(lightning.Callback):
    """Saves torch's, numpy's and Python's generators of every process, and sets them again.

    Hidden genes, dropped covariates and the order of cells are keyed by seed, epoch and row and
    need none of them; this is for whatever else draws. A process that the checkpoint does not know
    (more of them than before) keeps the generators it started with.
    """

    def __init__(self) -> None:
        self._trainer: lightning.Trainer | None = None
        self._restored: list[dict[str, Any]] = []

    def setup(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """Remember the trainer, which knows the processes."""
        self._trainer = trainer

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Set the generators, after everything that draws before the first step."""
        if trainer.global_rank < len(self._restored):
            _set(self._restored[trainer.global_rank])
        self._restored = []

    def state_dict(self) -> dict[str, Any]:
        """Return the generators of all processes; every process must call this."""
        mine = _get()
        trainer = self._trainer
        if trainer is None or trainer.world_size == 1:
            return {"ranks": [mine]}
        ranks: list[dict[str, Any]] = [{} for _ in range(trainer.world_size)]
        for name, tensor in mine.items():
            every = trainer.strategy.all_gather(tensor.to(trainer.strategy.root_device)).cpu()
            for rank, part in zip(ranks, every, strict=True):
                rank[name] = part.clone()
        return {"ranks": ranks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the generators until training starts."""
        self._restored = state_dict["ranks"]


def _get() -> dict[str, Tensor]:
    state: Any = np.random.get_state(legacy=False)
    inner = state["state"]
    version, words, gauss = random.getstate()
    generators = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(inner["key"].astype(np.int64)),
        "numpy_rest": torch.tensor(
            [inner["pos"], state["has_gauss"], state["gauss"]],
            dtype=torch.float64,
        ),
        "python": torch.tensor(words, dtype=torch.int64),
        "python_rest": torch.tensor(
            [version, np.nan if gauss is None else gauss], dtype=torch.float64
        ),
    }
    if torch.cuda.is_available():
        generators["cuda"] = torch.cuda.get_rng_state()
    return generators


def _set(generators: dict[str, Tensor]) -> None:
    torch.set_rng_state(generators["torch"])
    position, has_gauss, gauss = generators["numpy_rest"].tolist()
    np.random.set_state(
        {
            "bit_generator": "MT19937",
            "state": {
                "key": generators["numpy"].numpy().astype(np.uint32),
                "pos": int(position),
            },
            "has_gauss": int(has_gauss),
            "gauss": gauss,
        }
    )
    version, pending = generators["python_rest"].tolist()
    words = tuple(generators["python"].tolist())
    random.setstate((int(version), words, None if np.isnan(pending) else pending))
    if "cuda" in generators and torch.cuda.is_available():
        torch.cuda.set_rng_state(generators["cuda"])
