"""Encoder and heads as one torch module, from minibatch to predictions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sctabnet.data.minibatch import Minibatch
from sctabnet.heads.integrate import IntegrateHead
from sctabnet.heads.labels import LabelHead
from sctabnet.heads.perturb import PerturbHead
from sctabnet.heads.reconstruct import ReconstructHead
from sctabnet.model.model_config import ModelConfig
from sctabnet.nn.corrupt import Corruption, corrupt
from sctabnet.nn.covariate_embedding import CovariateEmbedding
from sctabnet.nn.gene_encoder import EncoderOutput, GeneEncoder
from sctabnet.nn.keyed_uniform import keyed_uniform
from sctabnet.nn.normalise import TARGET_SUM, normalise
from sctabnet.nn.tokenise import tokenise
from sctabnet.nn.tokens import Tokens
from sctabnet.ops import segment_sum


@dataclass(slots=True)
class Prediction:
    """One forward pass: tokens, encoder output and, where the model has labels, logits (n, c)."""

    tokens: Tokens
    encoded: EncoderOutput
    logits: Tensor | None


class Network(nn.Module):
    """The encoder with its heads; knows genes by row, and neither AnnData nor files.

    Parameters
    ----------
    config
        Choices.
    gene_keys_g
        int64 (g,), one key per gene of the vocabulary.
    n_labels
        Number of labels; 0 for a model without a label head.
    covariate_levels
        Number of known levels of each covariate.
    """

    gene_keys: Tensor

    def __init__(
        self,
        config: ModelConfig,
        gene_keys_g: Tensor,
        *,
        n_labels: int = 0,
        covariate_levels: list[int] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("gene_keys", gene_keys_g, persistent=False)
        levels = covariate_levels or []
        dim = config.covariate_dim if levels else 0
        self.covariates = (
            CovariateEmbedding(levels, dim, dropout=config.covariate_dropout) if levels else None
        )
        self.encoder = GeneEncoder(gene_keys_g, config.encoder, covariate_dim=dim, seed=config.seed)
        n_d = config.encoder.n_d
        self.reconstruct = ReconstructHead(
            gene_keys_g, n_d, config.reconstruct, covariate_dim=dim, seed=config.seed
        )
        self.labels = LabelHead(gene_keys_g, n_d, n_labels, config.labels) if n_labels else None
        # put in place by whoever learns or loads it: its size is that of the measured screen
        self.perturb: PerturbHead | None = None
        # fitted after training
        self.integrate: IntegrateHead | None = None

    def forward(
        self,
        minibatch: Minibatch,
        *,
        epoch: int | None = None,
        x: Tensor | None = None,
        hold_masks: bool = False,
    ) -> Prediction:
        """Encode cells and, with a label head, give their logits.

        Parameters
        ----------
        minibatch
            n cells.
        epoch
            Number of the training epoch, which keys the dropped covariates; None drops none.
        x
            (nnz,) normalised values in place of those of the minibatch, for gradients.
        hold_masks
            Pass no gradient through the masks, as if they were given.
        """
        tokens = self._tokenise(minibatch, normalise(minibatch) if x is None else x, None)
        covariates = self._covariates(minibatch, epoch)
        encoded = self.encoder(tokens, covariates, _padding(minibatch), hold_masks=hold_masks)
        logits = None
        if self.labels is not None:
            logits = self.labels(encoded.embedding, tokens, self.encoder.mean)
        return Prediction(tokens=tokens, encoded=encoded, logits=logits)

    def integrated(self, minibatch: Minibatch, prediction: Prediction) -> Tensor:
        """Return the embedding (n, n_d) to look at cells by: batch-corrected if it can be.

        A model without the head (not trained, or of an unfinished run) gives the encoder's own.
        """
        if self.integrate is None:
            return prediction.encoded.embedding
        probability = None
        if self.labels is not None and prediction.logits is not None:
            probability = self.labels.probability(prediction.logits)
        batch = torch.zeros_like(minibatch.source_ids)
        if self.covariates is not None:
            batch = minibatch.covariates[:, 0]
        return self.integrate(prediction.tokens, batch, probability)

    def reconstruction_loss(
        self, minibatch: Minibatch, *, seed: int, epoch: int, train: bool = True
    ) -> tuple[Tensor, Corruption, Tensor, EncoderOutput]:
        """Hide genes, predict them, and return (loss, what was asked, predicted (q,), encoded)."""
        x = normalise(minibatch)
        choices = self.config.reconstruct
        asked = corrupt(
            minibatch,
            x,
            self.gene_keys,
            mask_ratio=choices.mask_ratio,
            silent_per_expressed=choices.silent_per_expressed,
            seed=seed,
            epoch=epoch,
        )
        tokens = self._tokenise(minibatch, x, asked)
        covariates = self._covariates(minibatch, epoch if train else None)
        encoded = self.encoder(tokens, covariates, _padding(minibatch))
        predicted = self.reconstruct(encoded.embedding, asked, covariates)
        depth = segment_sum(minibatch.values, minibatch.offsets) / TARGET_SUM
        depth = torch.where(minibatch.is_log1p[minibatch.source_ids], torch.nan, depth)
        depth = torch.where(minibatch.weights > 0, depth, 0.0)
        loss = self.reconstruct.loss(predicted, asked, self.encoder.std, depth)
        return loss, asked, predicted, encoded

    def tokens(self, minibatch: Minibatch) -> Tokens:
        """Return the token lists of a minibatch."""
        return self._tokenise(minibatch, normalise(minibatch), None)

    def _tokenise(self, minibatch: Minibatch, x: Tensor, asked: Corruption | None) -> Tokens:
        encoder = self.encoder
        support = self.config.encoder.support
        return tokenise(minibatch, x, encoder.mean, encoder.std, support=support, corruption=asked)

    def _covariates(self, minibatch: Minibatch, epoch: int | None) -> Tensor | None:
        if self.covariates is None:
            return None
        codes = minibatch.covariates
        if epoch is None:
            return self.covariates(codes)
        columns = torch.arange(codes.shape[1], device=codes.device)
        uniform = keyed_uniform(
            self.config.seed, epoch, minibatch.row_ids[:, None], columns[None, :], 2
        )
        return self.covariates(codes, uniform)


def _padding(minibatch: Minibatch) -> Tensor | None:
    """Return the weights only where a cell is padding: without any, batch norm is faster."""
    return minibatch.weights if bool((minibatch.weights == 0).any()) else None
