"""One LightningModule for both jobs: masked pretraining and learning labels."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from sctabnet._errors import InputError
from sctabnet.data.minibatch import Minibatch
from sctabnet.heads.label_loss import label_loss
from sctabnet.model.network import Network
from sctabnet.nn.augment import augment
from sctabnet.nn.gene_encoder import EncoderOutput
from sctabnet.ops import row_index
from sctabnet.train.consistency_regulariser import ConsistencyRegulariser
from sctabnet.train.gradient_norms import gradient_norms
from sctabnet.train.mask_dynamics import mask_dynamics
from sctabnet.train.mask_regulariser import MaskRegulariser, TrainingStep
from sctabnet.train.not_finite import not_finite
from sctabnet.train.permutation_regulariser import PermutationRegulariser
from sctabnet.train.trainer_config import TrainerConfig


class LightningNetwork(lightning.LightningModule):
    """Losses, optimiser and schedule of a :class:`~sctabnet.model.network.Network`.

    Parameters
    ----------
    network
        What is trained, in place.
    task
        ``"reconstruct"`` or ``"labels"``.
    config
        Choices of the training loop.
    total_steps
        Optimiser steps of the whole run, for the schedule.
    seed
        Keys the hidden genes and dropped covariates.
    wide_out_of_fold
        (rows of the corpus, c) logits of the logistic regression for training cells it had not
        seen. The TabNet term must learn what the regression gets wrong on new cells, and on cells
        that it was fitted on it gets almost nothing wrong.
    class_weights
        (c,) weights of the labels in the TabNet term's losses, or None for equal ones.

    Attributes
    ----------
    dynamics
        One record per epoch, measured on its first minibatch: support, entropy and overlap of the
        masks, every term of the loss, norms of the gradient before it is limited.
    """

    def __init__(
        self,
        network: Network,
        *,
        task: Literal["reconstruct", "labels"],
        config: TrainerConfig,
        total_steps: int,
        seed: int,
        wide_out_of_fold: Tensor | None = None,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.config = config
        self.total_steps = total_steps
        self.seed = seed
        self.wide_out_of_fold = wide_out_of_fold
        self.class_weights = class_weights
        self.dynamics: list[dict[str, float]] = []
        self.regularisers = _regularisers(config) if task == "labels" else []
        self._minibatch: Minibatch | None = None
        self._record: dict[str, float] | None = None

    def configure_model(self) -> None:
        """Split the network over all processes, where the strategy has laid them out for it."""
        mesh = self.device_mesh
        if mesh is not None and not isinstance(self.network, FSDPModule):
            fully_shard(self.network, mesh=mesh["data_parallel"])
            register_fsdp_forward_method(self.network, "reconstruction_loss")

    def training_step(self, minibatch: Minibatch, batch_idx: int) -> Tensor:
        """Return the loss of one minibatch."""
        epoch = self.current_epoch
        self._minibatch = minibatch
        terms: dict[str, Tensor | float] = {}
        if self.task == "reconstruct":
            loss, _, _, encoded = self.network.reconstruction_loss(
                minibatch, seed=self.seed, epoch=epoch
            )
            terms["loss_reconstruct"] = loss
        else:
            original = minibatch
            minibatch = augment(
                minibatch,
                self.network.gene_keys,
                panel_dropout=self.config.panel_dropout,
                thinning=self.config.thinning,
                seed=self.seed,
                epoch=epoch,
            )
            prediction = self.network(minibatch, epoch=epoch)
            encoded = prediction.encoded
            loss = self._label_loss(minibatch, encoded.embedding)
            terms["loss_labels"] = loss
            step = TrainingStep(
                network=self.network, original=original, minibatch=minibatch,
                prediction=prediction, step=self.global_step, total_steps=self.total_steps,
                epoch=epoch, seed=self.seed,
            )  # fmt: skip
            for regulariser in self.regularisers:
                terms[f"loss_{regulariser.name}"] = term = regulariser(step)
                loss = loss + term
        terms["loss_sparsity"] = self.config.sparsity_weight * encoded.sparsity
        loss = loss + terms["loss_sparsity"]
        if not bool(torch.isfinite(loss)):
            raise self._not_finite(minibatch)
        self._measure(batch_idx, encoded, minibatch, terms)
        self.log("train_loss", loss.detach(), prog_bar=True, batch_size=len(minibatch))
        return loss * self._share(minibatch)

    def validation_step(self, minibatch: Minibatch, _: int) -> None:
        """Log the loss of held-out cells; the hidden genes are the same in every epoch."""
        if self.task == "reconstruct":
            loss, *_rest = self.network.reconstruction_loss(
                minibatch, seed=self.seed, epoch=-1, train=False
            )
        else:
            logits = self.network(minibatch).logits
            assert logits is not None, "a network without a label head cannot learn labels"
            # without weights of labels, as all that is chosen: a few cells would decide
            loss = label_loss(logits, minibatch.labels, minibatch.weights)
        self.log(
            "val_loss", loss, prog_bar=True, on_epoch=True, sync_dist=True,
            batch_size=max(int((minibatch.weights > 0).sum()), 1),
        )  # fmt: skip

    def _not_finite(self, minibatch: Minibatch) -> InputError:
        bad = row_index(minibatch.offsets)[~torch.isfinite(minibatch.values)].unique()
        rows = minibatch.row_ids[bad] if len(bad) else minibatch.row_ids[minibatch.weights > 0]
        cells = self.trainer.datamodule.where(rows.cpu().numpy())  # type: ignore[attr-defined]
        return not_finite(cells, step=self.global_step, values=len(bad) > 0)

    def _share(self, minibatch: Minibatch) -> Tensor | float:
        """Return what turns the mean over processes into the mean over all cells that count.

        Padding cells lie on the last processes only, so processes may hold unequal numbers.
        """
        world_size = self.trainer.world_size
        if world_size == 1:
            return 1.0
        mine = minibatch.weights.sum()
        total = mine.clone()
        torch.distributed.all_reduce(total)
        return mine * world_size / total

    def _label_loss(self, minibatch: Minibatch, embedding: Tensor) -> Tensor:
        head = self.network.labels
        assert head is not None, "a network without a label head cannot learn labels"
        deep = head.deep(embedding)
        labels, weights = minibatch.labels, minibatch.weights
        loss = partial(
            label_loss,
            labels_n=labels,
            weights_n=weights,
            class_weights_c=self._class_weights(),
            focal_gamma=head.config.focal_gamma,
        )
        own = loss(deep, smoothing=head.config.label_smoothing)
        if not head.config.wide:
            return own
        # The TabNet term has a loss of its own too: through a gate of zero it would learn nothing.
        assert self.wide_out_of_fold is not None, "the wide path is fitted before training"
        wide = self.wide_out_of_fold[minibatch.row_ids.clamp_min(0).cpu()].to(deep)
        return own + loss(wide + head.gate * deep)

    def _class_weights(self) -> Tensor | None:
        if self.class_weights is not None:
            self.class_weights = self.class_weights.to(self.device)
        return self.class_weights

    def _measure(
        self,
        batch_idx: int,
        encoded: EncoderOutput,
        minibatch: Minibatch,
        terms: dict[str, Tensor | float],
    ) -> None:
        """Note how training goes, where it is kept: it would cost time at every step."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        logged = self.logger is not None and (self.global_step + 1) % max(every, 1) == 0
        self._record = None
        if batch_idx == 0 or logged:
            self._record = mask_dynamics(encoded, minibatch.weights)
            self._record |= {n: float(torch.as_tensor(term).detach()) for n, term in terms.items()}
            self.log_dict(self._record, batch_size=len(minibatch))
        if batch_idx == 0 and self._record is not None:
            self.dynamics.append(self._record)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Limit the norm of the gradient, and stop where it is no number."""
        trained = [p for p in self.network.parameters() if p.grad is not None]
        norm = torch.nn.utils.clip_grad_norm_(trained, self.config.gradient_clip or math.inf)
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()
        if not bool(torch.isfinite(norm)):
            assert self._minibatch is not None
            raise self._not_finite(self._minibatch)
        self._minibatch = None
        self.log("gradient_norm", norm, batch_size=1)
        if self._record is not None:
            norms = gradient_norms(self.network)
            self.log_dict(norms, batch_size=1)
            self._record |= norms
        self.log("learning_rate", optimizer.param_groups[0]["lr"], batch_size=1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW, linear warm-up over a share of the steps, cosine decay to zero."""
        trained = [p for p in self.network.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.dim() > 1]},
            {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(
            groups,
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=True,
        )
        warmup = max(1, int(self.config.warmup * self.total_steps))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            progress = (step - warmup) / max(1, self.total_steps - warmup)
            return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def _regularisers(config: TrainerConfig) -> list[MaskRegulariser]:
    """Return the regularisers of the masks that are switched on."""
    chosen: list[MaskRegulariser] = []
    if config.permutation_weight or config.permutation_prior:
        chosen.append(
            PermutationRegulariser(
                weight=config.permutation_weight,
                prior=config.permutation_prior,
                every=config.permutation_every,
            )
        )
    if config.consistency_weight:
        chosen.append(
            ConsistencyRegulariser(
                weight=config.consistency_weight,
                share=config.consistency_share,
                panel_dropout=config.panel_dropout,
                thinning=config.thinning,
            )
        )
    return chosen
