"""How a network is fitted: optimiser, schedule, devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sctabnet import _checks


@dataclass(kw_only=True)
class TrainerConfig:
    """Choices of the training loop."""

    max_epochs: int = 80
    """Passes over the training cells at most."""
    max_steps: int = 5000
    """Optimiser steps at most: large data need fewer passes."""
    minibatch_size: int = 256
    """Cells per optimiser step, over all processes."""
    learning_rate: float = 5e-3
    """Peak learning rate; a linear warm-up leads to it and a cosine from it to zero."""
    weight_decay: float = 1e-2
    """AdamW's decoupled weight decay."""
    sparsity_weight: float = 1e-4
    """Weight of the masks' mean entropy in the loss."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises; a cosine takes it to zero afterwards."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient; 0 sets no limit."""
    accumulate: int = 1
    """Minibatches whose gradients make one optimiser step."""
    ema_decay: float = 0.0
    """Decay of the moving average of weights that is validated and kept; 0 keeps the weights."""
    panel_dropout: float = 0.4
    """Mean share of the genes hidden from a cell while labels are learned, as by another panel."""
    thinning: float = 0.7
    """Largest share of its counts that a cell loses while labels are learned."""
    permutation_weight: float = 0.0
    """Weight of the term that aligns attention with permutation importance; 0 switches it off."""
    permutation_prior: float = 0.0
    """How strongly permutation importance re-weights the masks' prior; 0 switches it off."""
    permutation_every: int = 5
    """Steps between two estimates of permutation importance."""
    consistency_weight: float = 0.0
    """Weight of the term that asks two views of a cell for equal attention; 0 switches it off."""
    consistency_share: float = 0.25
    """Share of a minibatch's cells that get a second view."""
    patience: int = 20
    """Epochs without improvement on the validation cells before training stops."""
    validation_fraction: float = 0.1
    """Share of the cells that is held out to choose the epoch and to calibrate."""
    accelerator: str = "auto"
    """Lightning's accelerator: auto, cpu, gpu."""
    devices: int = 1
    """Devices per node."""
    num_nodes: int = 1
    """Nodes."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """ddp keeps the model on every device; fsdp splits it and its optimiser (pretraining only)."""
    precision: str = "32-true"
    """Lightning's precision, for instance bf16-mixed on CUDA."""
    checkpoint_every: int = 200
    """Optimiser steps between two checkpoints of a run folder."""

    def __post_init__(self) -> None:
        if min(self.max_epochs, self.minibatch_size, self.devices, self.num_nodes) < 1:
            msg = (
                "max_epochs, minibatch_size, devices and num_nodes must be at least 1. Found "
                f"{self.max_epochs}, {self.minibatch_size}, {self.devices}, {self.num_nodes}."
            )
            raise ValueError(msg)
        if self.minibatch_size % (self.devices * self.num_nodes):
            msg = (
                "minibatch_size must be a multiple of the number of processes, which share every "
                f"minibatch. Found {self.minibatch_size} cells for {self.num_nodes} nodes with "
                f"{self.devices} devices. Choose a multiple of {self.devices * self.num_nodes}."
            )
            raise ValueError(msg)
        _checks.check_choice(self.strategy, ("ddp", "fsdp"), argument="strategy")
        if self.precision in ("bf16-true", "16-true"):
            msg = (
                "precision must keep the weights in at least 32 bits. Found "
                f"{self.precision!r}. Try 'bf16-mixed'."
            )
            raise ValueError(msg)
        if self.strategy == "fsdp" and self.precision not in ("32-true", "bf16-mixed"):
            msg = (
                "strategy='fsdp' takes the precisions 32-true and bf16-mixed. Found "
                f"{self.precision!r}. Choose one of them, or strategy='ddp'."
            )
            raise ValueError(msg)
        if min(self.accumulate, self.checkpoint_every) < 1 or self.gradient_clip < 0:
            msg = (
                "accumulate and checkpoint_every must be at least 1, gradient_clip at least 0. "
                f"Found {self.accumulate}, {self.checkpoint_every} and {self.gradient_clip}."
            )
            raise ValueError(msg)
        if not (0 <= self.ema_decay < 1 and 0 <= self.warmup < 1):
            msg = (
                "ema_decay and warmup must be at least 0 and below 1. Found "
                f"{self.ema_decay} and {self.warmup}. Try 0.999 and 0.1."
            )
            raise ValueError(msg)
        if self.learning_rate <= 0:
            msg = f"learning_rate must be above 0. Found {self.learning_rate}. Try 0.005."
            raise ValueError(msg)
        if min(self.max_steps - 1, self.patience, self.weight_decay, self.sparsity_weight) < 0:
            msg = (
                "max_steps must be at least 1, and patience, weight_decay and sparsity_weight at "
                f"least 0. Found {self.max_steps}, {self.patience}, {self.weight_decay} and "
                f"{self.sparsity_weight}."
            )
            raise ValueError(msg)
        if not (0 <= self.panel_dropout < 1 and 0 <= self.thinning < 1):
            msg = (
                "panel_dropout and thinning must be at least 0 and below 1. Found "
                f"{self.panel_dropout} and {self.thinning}. 0 switches them off."
            )
            raise ValueError(msg)
        weights = (self.permutation_weight, self.permutation_prior, self.consistency_weight)
        if min(weights) < 0 or self.permutation_every < 1 or not 0 < self.consistency_share <= 1:
            msg = (
                "permutation_weight, permutation_prior and consistency_weight must not be "
                "negative, permutation_every be at least 1 and consistency_share lie in (0, 1]. "
                f"Found {weights}, {self.permutation_every} and {self.consistency_share}. "
                "Weights of 0 switch the regularisers off."
            )
            raise ValueError(msg)
        if not 0 < self.validation_fraction < 1:
            msg = (
                "validation_fraction must lie between 0 and 1. Found "
                f"{self.validation_fraction}. Try 0.1."
            )
            raise ValueError(msg)
