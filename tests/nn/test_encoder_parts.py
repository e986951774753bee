"""Parts of the encoder beyond TabNet's own: what each must keep, and what it must add."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from sctabnet.nn.channel_attention import ChannelAttention
from sctabnet.nn.encoder_config import EncoderConfig
from sctabnet.nn.gene_encoder import GeneEncoder
from sctabnet.nn.multi_head_attention import MultiHeadAttention
from sctabnet.nn.normalise import normalise
from sctabnet.nn.squeeze_excite import SqueezeExcite
from sctabnet.nn.tokenise import tokenise
from sctabnet.ops import row_index, segment_sum

N_GENES = 30
PARTS = {
    "softmax": {"mask": "softmax"},
    "sparsemax": {"mask": "sparsemax"},
    "programs": {"n_programs": 4, "program_heads": 3},
    "two layers of programs": {"n_programs": 4, "program_heads": 2, "program_layers": 2},
    "channel attention": {"steps": "channel_attention"},
    "squeeze-excite": {"steps": "squeeze_excite", "step_kernel": 5},
    "multi-head": {"steps": "multi_head", "step_heads": 2, "step_kernel": 1},
    "all": {"n_programs": 4, "program_heads": 3, "steps": "multi_head", "step_heads": 2},
}


def encoder_of(*, stirred=True, **options):
    torch.manual_seed(0)
    config = GeneEncoder.Config(**({"n_d": 6, "n_a": 6} | options))
    encoder = GeneEncoder(torch.arange(N_GENES) * 31, config)
    torch.manual_seed(1)
    encoder.mean.uniform_(0, 2)
    encoder.std.uniform_(0.5, 2)
    if stirred:  # also what starts at zero
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.15)
    return encoder.eval()


def tokens_of(encoder, minibatch):
    return tokenise(
        minibatch, normalise(minibatch), encoder.mean, encoder.std, support=encoder.config.support
    )


def renamed(encoder, order):
    """Return the encoder for genes listed in another order."""
    other = GeneEncoder(torch.arange(N_GENES)[order] * 31, encoder.config)
    rows = torch.cat([order, torch.tensor([N_GENES])])
    state = {}
    for name, value in encoder.state_dict().items():
        if value.dim() and len(value) == N_GENES + 1:
            value = value[rows]
        elif value.dim() and len(value) == N_GENES:
            value = value[order]
        state[name] = value
    other.load_state_dict(state)
    return other.eval()


@pytest.mark.parametrize("support", ["expressed", "panel"])
@pytest.mark.parametrize("part", PARTS)
def test_the_order_of_genes_changes_nothing(minibatch_of, counts_ng, part, support):
    encoder = encoder_of(**PARTS[part], support=support)
    order = torch.randperm(N_GENES, generator=torch.Generator().manual_seed(1))
    other = renamed(encoder, order)
    here = tokens_of(encoder, minibatch_of(counts_ng))
    there = tokens_of(other, minibatch_of(counts_ng[:, order]))
    a, b = encoder(here), other(there)
    torch.testing.assert_close(b.embedding, a.embedding, rtol=1e-3, atol=1e-4)
    for mask, twin in zip(a.masks, b.masks, strict=True):
        dense = torch.zeros(2, 12, N_GENES + 1)
        dense[0, row_index(here.offsets), here.indices] = mask.detach()
        dense[1, row_index(there.offsets), there.indices] = twin.detach()
        torch.testing.assert_close(dense[1, :, :-1], dense[0, :, order], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("part", PARTS)
def test_a_cell_does_not_see_the_others(minibatch_of, counts_ng, part):
    encoder = encoder_of(**PARTS[part])
    alone = encoder(tokens_of(encoder, minibatch_of(counts_ng[3:4]))).embedding
    among = encoder(tokens_of(encoder, minibatch_of(counts_ng))).embedding[3:4]
    torch.testing.assert_close(alone, among, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("part", [p for p in PARTS if "max" not in p])
def test_every_part_starts_from_tabnet_to_the_bit_and_learns(minibatch_of, counts_ng, part):
    plain, other = encoder_of(stirred=False), encoder_of(stirred=False, **PARTS[part])
    assert set(plain.state_dict()) < set(other.state_dict())
    cells = minibatch_of(counts_ng)
    a, b = plain(tokens_of(plain, cells)), other(tokens_of(other, cells))
    assert torch.equal(a.embedding, b.embedding)
    assert all(torch.equal(x, y) for x, y in zip(a.masks, b.masks, strict=True))
    other = encoder_of(**PARTS[part]).train()
    out = other(tokens_of(other, cells))
    (out.embedding.square().sum() + out.sparsity).backward()
    grads = {name: p.grad for name, p in other.named_parameters()}
    assert [name for name, g in grads.items() if g is None or not torch.isfinite(g).all()] == []
    new = [n for n in grads if n.startswith(("programs", "mixer"))]
    assert new and all(bool((grads[n] != 0).any()) for n in new)


def test_the_attention_of_programs_can_be_read_per_cell(minibatch_of, counts_ng):
    encoder = encoder_of(n_programs=4, program_heads=3, program_layers=2)
    tokens = tokens_of(encoder, minibatch_of(counts_ng))
    programs = encoder(tokens).programs
    assert programs.maps_nlhpp.shape == (12, 2, 3, 4, 4)
    assert programs.reads_nshp.shape == (12, 3, 3, 4)
    for maps in (programs.maps_nlhpp, programs.reads_nshp):
        torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]))
    weights_kp = encoder.programs.gene_weights(tokens)
    for column in weights_kp.T:
        torch.testing.assert_close(segment_sum(column, tokens.offsets), torch.ones(12))
    # the weights are those of the pooling: the pooled values follow from them
    logits = encoder.programs.loadings()[tokens.indices]
    expected = torch.softmax(10 * torch.tanh(logits[: tokens.offsets[1]] / 10), 0)
    torch.testing.assert_close(weights_kp[: tokens.offsets[1]], expected.detach())
    assert encoder_of()(tokens).programs is None


def test_multi_head_attention_equals_torch():
    torch.manual_seed(0)
    mine, query, read = MultiHeadAttention(12, 3), torch.randn(2, 5, 12), torch.randn(2, 7, 12)
    theirs = torch.nn.MultiheadAttention(12, 3, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(
            torch.cat([mine.query.weight, mine.key.weight, mine.value.weight])
        )
        theirs.out_proj.weight.copy_(mine.out.weight)
    expected, maps = theirs(query, read, read, average_attn_weights=False)
    out, weights = mine(query, read)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(weights, maps)


def test_channel_attention_and_squeeze_excite_equal_their_formulae():
    torch.manual_seed(0)
    x_ncs = torch.randn(3, 8, 4)
    attention = ChannelAttention(8, 4)
    placed = x_ncs + attention.address
    logits = attention.query(placed) @ attention.key(placed).transpose(1, 2) / 8**0.5
    expected = attention.out(torch.softmax(logits, 2) @ attention.value(x_ncs))
    torch.testing.assert_close(attention(x_ncs), expected)
    torch.testing.assert_close(attention.weights(x_ncs)[:, 0], torch.softmax(logits, 2))
    gate = SqueezeExcite(8)
    w1, w2 = gate.squeeze.weight[..., 0], gate.excite.weight[..., 0]
    hidden = torch.relu(x_ncs.mean(2) @ w1.T + gate.squeeze.bias)
    scale = torch.sigmoid(hidden @ w2.T + gate.excite.bias)
    torch.testing.assert_close(gate(x_ncs), x_ncs * scale[:, :, None])


def test_defaults_are_tabnets_own_parts():
    config = {f.name: f.default for f in fields(EncoderConfig)}
    assert config["n_programs"] == 0 and config["steps"] == "sum"
    names = set(encoder_of().state_dict())
    assert not [n for n in names if n.startswith(("programs", "mixer"))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_programs": 1}, r"n_programs must be 0 \(off\) or at least 2. Found 1"),
        ({"n_programs": 4, "program_heads": 5}, r"program_heads=5, n_a=32. Choose one of \[1, 2"),
        ({"n_programs": 4, "program_layers": 0}, "program_layers and program_heads must be at"),
        ({"steps": "mean"}, "steps='mean' is not known. Choose one of"),
        ({"steps": "squeeze_excite", "n_steps": 1}, "Found n_steps=1. Pass n_steps of 2 or more"),
        ({"steps": "squeeze_excite", "step_kernel": 4}, "odd, from 1 to 5 for n_steps=3. Found 4"),
        ({"steps": "multi_head", "step_heads": 7}, r"step_heads=7, n_d=32. Choose one of \[1, 2"),
        ({"step_dropout": 1.0}, r"step_dropout must lie in \[0, 1\). Found 1.0"),
        ({"ghost_size": 1}, "ghost_size must be 0 .off. or at least 2"),
    ],
)
def test_impossible_combinations_are_refused_with_the_valid_range(options, message):
    with pytest.raises(ValueError, match=message):
        GeneEncoder.Config(**options)
