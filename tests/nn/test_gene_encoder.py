from __future__ import annotations

import pytest
import torch

from sctabnet.nn.corrupt import corrupt
from sctabnet.nn.gene_encoder import GeneEncoder
from sctabnet.nn.normalise import normalise
from sctabnet.nn.tokenise import tokenise
from sctabnet.ops import row_index, segment_sum

N_GENES = 30
SIZES = {"n_d": 6, "n_a": 5, "n_steps": 3}


def encoder_of(covariate_dim=0, **options):
    torch.manual_seed(0)
    config = GeneEncoder.Config(**(SIZES | options))
    encoder = GeneEncoder(torch.arange(N_GENES) * 31, config, covariate_dim=covariate_dim)
    encoder.mean.uniform_(0, 2)
    encoder.std.uniform_(0.5, 2)
    with torch.no_grad():
        for table in (encoder.embeddings, *encoder.keys, *encoder.biases):
            table.weight.normal_(0, 0.4)
    return encoder.eval()


def tokens_of(encoder, minibatch, corruption=None):
    return tokenise(
        minibatch, normalise(minibatch), encoder.mean, encoder.std,
        support=encoder.config.support, corruption=corruption,
    )  # fmt: skip


@pytest.mark.parametrize("support", ["expressed", "panel"])
@pytest.mark.parametrize("mask", ["softmax", "entmax15", "sparsemax"])
def test_masks_are_distributions_and_the_embedding_the_sum_of_positive_steps(
    minibatch_of, counts_ng, mask, support
):
    encoder = encoder_of(mask=mask, support=support)
    tokens = tokens_of(encoder, minibatch_of(counts_ng))
    out = encoder(tokens)
    assert out.embedding.shape == (12, 6) and (out.embedding >= 0).all()
    assert len(out.masks) == 3
    for weights in (*out.masks, out.aggregate_mask(tokens.offsets)):
        assert (weights >= 0).all()
        torch.testing.assert_close(segment_sum(weights, tokens.offsets), torch.ones(12))
    torch.testing.assert_close(out.step_weights.sum(1), torch.ones(12))
    entropy = torch.stack([
        segment_sum(-m * torch.log(m.clamp_min(1e-30)), tokens.offsets) for m in out.masks
    ])  # fmt: skip
    torch.testing.assert_close(out.sparsity, entropy.mean(), rtol=1e-4, atol=1e-6)
    assert bool((out.masks[0] == 0).any()) == (mask != "softmax")


def test_hidden_genes_read_as_not_measured(minibatch_of, counts_ng):
    """Masked pretraining must show the encoder exactly a cell of a smaller panel."""
    minibatch = minibatch_of(counts_ng)
    x = normalise(minibatch)
    asked = corrupt(
        minibatch, x, torch.arange(N_GENES),
        mask_ratio=0.4, silent_per_expressed=1.0, seed=0, epoch=0,
    )  # fmt: skip
    measured = torch.ones(12, N_GENES, dtype=torch.bool)
    measured[row_index(asked.offsets), asked.indices] = False
    smaller = minibatch_of(counts_ng * measured, measured=measured, source_ids=torch.arange(12))
    for support in ("expressed", "panel"):
        encoder = encoder_of(support=support)
        hidden = encoder(tokens_of(encoder, minibatch, asked))
        # the same values: a panel of its own would be normalised to its own total
        kept = tokenise(smaller, x[asked.keep], encoder.mean, encoder.std, support=support)
        expected = encoder(kept)
        torch.testing.assert_close(hidden.embedding, expected.embedding, rtol=1e-4, atol=1e-5)
        for a, b in zip(hidden.masks, expected.masks, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_an_unmeasured_gene_is_not_a_silent_one(minibatch_of, counts_ng):
    encoder = encoder_of()
    counts_ng[:, 7] = 0
    measured = torch.ones(1, N_GENES, dtype=torch.bool)
    measured[0, 7] = False
    silent = encoder(tokens_of(encoder, minibatch_of(counts_ng))).embedding
    absent = encoder(tokens_of(encoder, minibatch_of(counts_ng, measured=measured))).embedding
    assert not torch.allclose(silent, absent, atol=1e-3)
    encoder.mean[7] += 5  # what an unmeasured gene usually is must not matter
    again = encoder(tokens_of(encoder, minibatch_of(counts_ng, measured=measured))).embedding
    assert torch.equal(absent, again)


def test_gamma_of_one_never_chooses_a_gene_again(minibatch_of, counts_ng):
    encoder = encoder_of(mask="sparsemax", gamma=1.0)
    with torch.no_grad():
        for bias in encoder.biases:  # one gene far ahead takes the whole mask of its step
            bias.weight[3] = 1e4
    counts_ng[:-1, 3] = 2
    tokens = tokens_of(encoder, minibatch_of(counts_ng))
    masks = encoder(tokens).masks
    chosen = tokens.indices == 3
    assert (masks[0][chosen] == 1).all()
    rest = torch.stack(masks[1:])[:, chosen]
    # its logit is then 0, the middle of the others: it may keep a share, never the whole
    assert (rest < 1).all()


def test_covariates_start_without_effect_and_reach_every_step(minibatch_of, counts_ng):
    encoder = encoder_of(covariate_dim=4)
    tokens = tokens_of(encoder, minibatch_of(counts_ng))
    covariates = torch.randn(12, 4)
    plain, given = encoder(tokens).embedding, encoder(tokens, covariates).embedding
    assert torch.equal(plain, given)
    torch.nn.init.normal_(encoder.covariates.weight)
    assert not torch.allclose(plain, encoder(tokens, covariates).embedding, atol=1e-3)


def test_padding_cells_enter_neither_statistics_nor_sparsity(minibatch_of, counts_ng):
    padded = torch.cat([counts_ng, torch.zeros(5, N_GENES)])
    weights = torch.cat([torch.ones(12), torch.zeros(5)])
    outs = []
    for counts, weight in ((counts_ng, torch.ones(12)), (padded, weights)):
        encoder = encoder_of(ghost_size=64).train()
        out = encoder(tokens_of(encoder, minibatch_of(counts)), None, weight)
        outs.append((out, encoder))
    (plain, first), (more, second) = outs
    torch.testing.assert_close(more.embedding[:12], plain.embedding, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(more.sparsity, plain.sparsity, rtol=1e-4, atol=1e-6)
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_every_parameter_learns(minibatch_of, counts_ng):
    for shared_keys in (False, True):
        encoder = encoder_of(shared_keys=shared_keys, covariate_dim=4, mask="softmax").train()
        torch.nn.init.normal_(encoder.covariates.weight)
        out = encoder(tokens_of(encoder, minibatch_of(counts_ng)), torch.randn(12, 4))
        (out.embedding.square().sum() + out.sparsity).backward()
        assert len(encoder.keys) == (1 if shared_keys else 3)
        without = [name for name, p in encoder.named_parameters() if p.grad is None]
        assert without == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_d": 0}, "n_d=0"),
        ({"n_steps": 0}, "n_steps=0"),
        ({"n_independent": -1}, "n_independent=-1"),
        ({"gamma": 0.9}, "gamma must be at least 1. Found 0.9"),
        ({"mask": "entmax"}, "mask='entmax' is not known. Choose one of"),
        ({"support": "all"}, "support='all' is not known. Choose one of"),
    ],
)
def test_bad_choices_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GeneEncoder.Config(**options)


# torch's own tracer instantiates the class that it warns not to instantiate
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("ghost_size", [0, 6])
def test_compiles_into_one_graph(minibatch_of, counts_ng, ghost_size):
    encoder = encoder_of(ghost_size=ghost_size).train()
    tokens = tokens_of(encoder, minibatch_of(counts_ng))
    expected = encoder(tokens).embedding
    theirs = torch.autograd.grad(expected.square().sum(), encoder.embeddings.weight)
    compiled = torch.compile(lambda t: encoder(t).embedding, backend="aot_eager", fullgraph=True)
    found = compiled(tokens)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    ours = torch.autograd.grad(found.square().sum(), encoder.embeddings.weight)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
