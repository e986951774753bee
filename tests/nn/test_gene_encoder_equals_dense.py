"""The gene-token encoder is TabNet: with panel support and mapped weights it equals the dense one.

The dense path is itself held to pytorch-tabnet's numbers, so that oracle reaches the model that
people use.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sctabnet.data.minibatch import Minibatch
from sctabnet.nn.dense_encoder import DenseConfig
from sctabnet.nn.dense_tabnet import DenseTabNet
from sctabnet.nn.gene_encoder import GeneEncoder
from sctabnet.nn.ghost_batch_norm import GhostBatchNorm
from sctabnet.nn.tokenise import tokenise

N_GENES = 23


def randomised_dense(mask: str, n_steps: int, n_shared: int, n_independent: int) -> DenseTabNet:
    config = DenseConfig(
        n_d=6,
        n_a=5,
        n_steps=n_steps,
        gamma=1.3,
        n_shared=n_shared,
        n_independent=n_independent,
        mask=mask,
    )
    dense = DenseTabNet(N_GENES, (4,), config=config)
    with torch.no_grad():
        for module in dense.modules():
            if isinstance(module, GhostBatchNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
                module.running_mean_d.normal_(0, 0.5)
                module.running_variance_d.uniform_(0.5, 2)
    return dense.eval()


def map_onto(dense: DenseTabNet, gene: GeneEncoder) -> None:
    """Fold the input norm into centre and scale, each attention norm into keys and biases."""
    encoder = dense.encoder
    with torch.no_grad():
        norm = encoder.input_norm
        gene.std.copy_((norm.running_variance_d + norm.eps).sqrt() / norm.weight)
        gene.mean.copy_(norm.running_mean_d - norm.bias * gene.std)
        gene.embeddings.weight[:-1] = encoder.first_maps[0].weight.T
        for step, (linear, norm) in enumerate(
            zip(encoder.attention_maps, encoder.attention_norms, strict=True)
        ):
            scale_g = norm.weight / (norm.running_variance_d + norm.eps).sqrt()
            gene.keys[step].weight[:-1] = linear.weight * scale_g[:, None]
            gene.biases[step].weight[:-1, 0] = norm.bias - norm.running_mean_d * scale_g
            nn.init.eye_(gene.queries[step].weight)
        gene.temperatures.fill_(1)
    gene.shared.load_state_dict(encoder.shared_maps.state_dict())
    gene.transformers.load_state_dict(encoder.transformers.state_dict())


def lists(x_ng: Tensor) -> Minibatch:
    """Each row's non-zero entries, as read from disk."""
    rows, indices = x_ng.nonzero(as_tuple=True)
    n = len(x_ng)
    return Minibatch(
        values=x_ng[rows, indices],
        indices=indices,
        offsets=nn.functional.pad(torch.bincount(rows, minlength=n).cumsum(0), (1, 0)),
        labels=torch.full((n,), -1),
        covariates=torch.zeros(n, 0, dtype=torch.int64),
        weights=torch.ones(n),
        row_ids=torch.arange(n),
        source_ids=torch.zeros(n, dtype=torch.int64),
        measured=torch.ones(1, N_GENES, dtype=torch.bool),
        is_log1p=torch.ones(1, dtype=torch.bool),
    )


@pytest.mark.parametrize("mask", ["sparsemax", "entmax15", "softmax"])
@pytest.mark.parametrize(
    ("n_steps", "n_shared", "n_independent"), [(1, 2, 2), (3, 2, 2), (3, 1, 0), (2, 3, 1)]
)
def test_logits_masks_and_explanation(
    mask: str, n_steps: int, n_shared: int, n_independent: int
) -> None:
    torch.manual_seed(0)
    dense = randomised_dense(mask, n_steps, n_shared, n_independent)
    gene = GeneEncoder(
        torch.arange(N_GENES),
        GeneEncoder.Config(
            n_d=6,
            n_a=5,
            n_steps=n_steps,
            gamma=1.3,
            n_shared=n_shared,
            n_independent=n_independent,
            mask=mask,
            support="panel",
        ),
    ).eval()
    map_onto(dense, gene)
    # Most genes silent in most cells, one cell without any gene.
    x_ng = torch.relu(torch.randn(40, N_GENES)) * (torch.rand(40, N_GENES) < 0.4)
    x_ng[7] = 0
    minibatch = lists(x_ng)
    tokens = tokenise(minibatch, minibatch.values, gene.mean, gene.std, support="panel")
    with torch.no_grad():
        expected, out = dense(x_ng), gene(tokens)
        logits_nc = dense.outputs[0](out.embedding)
    masks_sng = torch.stack(out.masks).view(n_steps, 40, N_GENES)
    torch.testing.assert_close(logits_nc, expected.outputs[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(masks_sng, expected.masks_sng, rtol=0, atol=1e-5)
    torch.testing.assert_close(out.sparsity, expected.steps.sparsity, rtol=0, atol=1e-5)
    aggregate_ng = out.aggregate_mask(tokens.offsets).view(40, N_GENES)
    total_n1 = expected.explanation_ng.sum(1, keepdim=True)
    decided_n = total_n1[:, 0] > 1e-3
    assert decided_n.float().mean() > 0.9
    torch.testing.assert_close(
        aggregate_ng[decided_n], (expected.explanation_ng / total_n1)[decided_n], rtol=0, atol=1e-4
    )
