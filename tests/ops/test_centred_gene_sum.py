from __future__ import annotations

import pytest
import torch

from sctabnet.ops import centred_gene_sum, gene_sum
from sctabnet.ops.centred_gene_sum import _operator
from tests.ops.ragged import dense, random_lists

INDICES, OFFSETS = random_lists([3, 0, 1, 6], 7)
SOURCES = torch.tensor([0, 1, 1, 0])


def operands(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(10, generator=generator, dtype=dtype, requires_grad=True)
    table = torch.randn(7, 5, generator=generator, dtype=dtype, requires_grad=True)
    return values, table, torch.randn(2, 7, generator=generator, dtype=dtype)


def test_equals_dense_products(backend):
    values, table, centre = operands()
    out = centred_gene_sum(values, INDICES, OFFSETS, table, centre, SOURCES)
    expected = (dense(values, INDICES, OFFSETS, 7) - centre[SOURCES]) @ table
    torch.testing.assert_close(out, expected)
    ours = torch.autograd.grad(out.square().sum(), (values, table))
    theirs = torch.autograd.grad(expected.square().sum(), (values, table))
    torch.testing.assert_close(ours, theirs)


def test_gradcheck(backend):
    values, table, centre = operands()

    def total(v, t):
        return centred_gene_sum(v, INDICES, OFFSETS, t, centre, SOURCES)

    assert torch.autograd.gradcheck(total, (values, table))
    assert torch.autograd.gradcheck(lambda v: total(v, table.detach()), (values,))
    assert torch.autograd.gradcheck(lambda t: total(values.detach(), t), (table,))


def test_compiles_into_one_graph():
    values, table, centre = operands(torch.float32)

    def loss(v, t):
        return centred_gene_sum(v, INDICES, OFFSETS, t, centre, SOURCES).square().sum()

    found = torch.compile(loss, backend="aot_eager", fullgraph=True)(values, table)
    expected = loss(values, table)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, (values, table)), torch.autograd.grad(expected, (values, table))
    )


def test_autocast_keeps_float32(backend):
    values, table, centre = operands(torch.float32)
    expected = centred_gene_sum(values, INDICES, OFFSETS, table, centre, SOURCES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = centred_gene_sum(values, INDICES, OFFSETS, table, centre, SOURCES)
    assert torch.equal(out, expected)


def test_a_bfloat16_table_is_summed_in_float32(backend):
    values, table, centre = operands(torch.float32)
    rounded = table.detach().bfloat16().requires_grad_()
    out = centred_gene_sum(values, INDICES, OFFSETS, rounded, centre, SOURCES)
    expected = gene_sum(values, INDICES, OFFSETS, rounded.float())
    expected = expected - (centre @ rounded.float())[SOURCES]
    torch.testing.assert_close(out, expected)
    grad, theirs = (
        torch.autograd.grad(x.sum(), rounded, retain_graph=True)[0] for x in (out, expected)
    )
    assert grad.dtype == torch.bfloat16
    torch.testing.assert_close(grad.float(), theirs.float(), rtol=2e-2, atol=5e-2)


def test_a_gene_outside_the_table_is_refused(backend):
    values, table, centre = operands()
    with pytest.raises(IndexError, match="7"):
        centred_gene_sum(values, INDICES + 7, OFFSETS, table, centre, SOURCES)


def test_keeps_the_rules_of_torch_library():
    values, table, centre = operands(torch.float32)
    args = (values, INDICES, OFFSETS, table, centre, SOURCES)
    torch.library.opcheck(_operator, args)
