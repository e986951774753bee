from __future__ import annotations

import pytest
import torch

from sctabnet.ops import (
    _library,
    attend,
    gene_dot,
    gene_sum,
)
from tests.ops.ragged import random_lists

INDICES, OFFSETS = random_lists([3, 0, 1, 6], 7)


def operands():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(10, generator=generator)
    table, keys = (torch.randn(7, 3, generator=generator, requires_grad=True) for _ in range(2))
    query = torch.randn(4, 3, generator=generator, requires_grad=True)
    bias = torch.randn(7, generator=generator, requires_grad=True)
    return values, table, keys, query, bias


def step(values, table, keys, query, bias):
    query = query + gene_sum(values, INDICES, OFFSETS, table)
    logits = gene_dot(query, keys, INDICES, OFFSETS, bias)
    mask, total, entropy = attend(logits, values, INDICES, OFFSETS, table, alpha=1.5)
    return total.square().sum() + entropy.sum() + mask.square().sum()


def test_operators_keep_the_rules_of_torch_library():
    values, table, keys, query, bias = operands()
    mask = torch.rand(10, requires_grad=True)
    for operator, args in [
        (_library.gene_sum, (values, INDICES, OFFSETS, table)),
        (_library.attend, (mask, values, INDICES, OFFSETS, table, torch.ones(7), 1.5)),
        (_library.gene_dot, (query, keys, bias, INDICES, OFFSETS)),
        (_library.ragged_entmax, (mask, OFFSETS, 1.5)),
        (_library.list_tokens, (values, INDICES, OFFSETS, torch.ones(7))),
    ]:
        torch.library.opcheck(operator, args)


def test_compiles_into_one_graph():
    args = operands()
    expected = step(*args)
    theirs = torch.autograd.grad(expected, args[1:])
    compiled = torch.compile(step, backend="aot_eager", fullgraph=True)
    found = compiled(*args)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, args[1:]), theirs)


def test_autocast_keeps_float32():
    args = operands()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        query = args[3] @ torch.eye(3)
        assert query.dtype == torch.bfloat16
        out = gene_dot(query, args[2], INDICES, OFFSETS, args[4])
        direct = _library.gene_dot(query, args[2], args[4], INDICES, OFFSETS)
    assert out.dtype == direct.dtype == torch.float32


@pytest.mark.parametrize("n_threads", [1, 2])
def test_same_bits_every_time(n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        indices, offsets = random_lists([300] * 200, 2000)
        values, table = torch.randn(60_000), torch.randn(2000, 64, requires_grad=True)
        grads = []
        for _ in range(3):
            out = gene_sum(values, indices, offsets, table)
            grads.append((out, *torch.autograd.grad(out.square().sum(), table)))
        for again in grads[1:]:
            assert torch.equal(again[0], grads[0][0]) and torch.equal(again[1], grads[0][1])
    finally:
        torch.set_num_threads(before)
