from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.ops import gene_sum, set_backend
from tests.ops.ragged import dense, lists, random_lists


@settings(deadline=None)  # the first call compiles
@given(lists=lists(), width=st.integers(1, 9), name=st.sampled_from(["torch", "numba"]))
def test_equals_dense_product(lists, width, name):
    indices, offsets, n_genes = lists
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(len(indices), generator=generator, dtype=torch.float64)
    table = torch.randn(n_genes, width, generator=generator, dtype=torch.float64)
    values.requires_grad_(), table.requires_grad_()
    with set_backend(name):
        out = gene_sum(values, indices, offsets, table)
        ours = torch.autograd.grad(out.square().sum(), (values, table))
    expected = dense(values, indices, offsets, n_genes) @ table
    theirs = torch.autograd.grad(expected.square().sum(), (values, table))
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(ours, theirs)


def test_gradcheck(backend):
    indices, offsets = random_lists([3, 0, 1, 6], 7)
    values = torch.randn(10, dtype=torch.float64, requires_grad=True)
    table = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, t: gene_sum(v, indices, offsets, t), (values, table))


def test_any_order_and_repeats(backend):
    indices, offsets = torch.tensor([4, 1, 1, 0, 2]), torch.tensor([0, 3, 5])
    values = torch.randn(5, dtype=torch.float64, requires_grad=True)
    table = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(
        gene_sum(values, indices, offsets, table), dense(values, indices, offsets, 5) @ table
    )
    assert torch.autograd.gradcheck(lambda v, t: gene_sum(v, indices, offsets, t), (values, table))


@pytest.mark.parametrize("name", ["torch", "numba"])
def test_large_blocks_and_threads_agree(name):
    """Enough genes and listed genes for several cache blocks and two threads."""
    torch.manual_seed(0)
    indices, offsets = random_lists([400] * 150 + [0, 1, 2999], 3000)
    values, table = torch.randn(len(indices)), torch.randn(3000, 384, requires_grad=True)
    with set_backend(name):
        _compare(values, indices, offsets, table)


@pytest.mark.parametrize("n_common", [1, 60, 300])
def test_common_genes_take_a_matrix_product(n_common):
    """Most cells list the first genes: those are multiplied densely, the others gathered."""
    n_rows, n_genes = 700, 300
    share = torch.full((n_genes,), 0.05)
    share[:n_common] = 0.9
    listed = torch.rand(n_rows, n_genes, generator=torch.Generator().manual_seed(0)) < share
    listed[:, :64] |= torch.arange(n_rows)[:, None] % 7 == 0
    indices = listed.nonzero()[:, 1]
    offsets = torch.nn.functional.pad(listed.sum(1).cumsum(0), (1, 0))
    values, table = torch.randn(len(indices)), torch.randn(n_genes, 17, requires_grad=True)
    with set_backend("numba"):
        _compare(values, indices, offsets, table)


@pytest.mark.parametrize("width", [1, 15, 100, 200, 400, 513])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_width(width, dtype):
    torch.manual_seed(width)
    indices, offsets = random_lists([40] * 30 + [0, 1], 50)
    values, table = torch.randn(len(indices), dtype=dtype), torch.randn(50, width, dtype=dtype)
    with set_backend("numba"):
        _compare(values, indices, offsets, table.requires_grad_())


@pytest.mark.parametrize("n_genes", [1, 3, 300])
def test_lists_in_any_order_on_two_threads(n_genes):
    """Repeats and descents, and fewer genes than threads."""
    torch.manual_seed(0)
    indices = torch.randint(n_genes, (60_000,))
    offsets = torch.arange(0, 60_001, 200)
    values, table = torch.randn(60_000), torch.randn(n_genes, 20, requires_grad=True)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with set_backend("numba"):
            _compare(values, indices, offsets, table)
    finally:
        torch.set_num_threads(before)


def _compare(values, indices, offsets, table):
    out = gene_sum(values, indices, offsets, table)
    grad = torch.randn(out.shape, dtype=out.dtype)
    (ours,) = torch.autograd.grad(out, table, grad)
    matrix = dense(values.double(), indices, offsets, len(table))
    torch.testing.assert_close(out, (matrix @ table.double()).to(out.dtype), atol=5e-4, rtol=1e-5)
    torch.testing.assert_close(ours, (matrix.T @ grad.double()).to(out.dtype), atol=5e-4, rtol=1e-5)
    again = gene_sum(values, indices, offsets, table)
    assert torch.equal(again, out)
    assert torch.equal(torch.autograd.grad(again, table, grad)[0], ours)


def test_bfloat16_table_is_summed_in_float32(backend):
    indices, offsets = random_lists([60] * 4, 70)
    values, table = torch.rand(240), torch.randn(70, 8)
    out = gene_sum(values, indices, offsets, table.bfloat16())
    assert out.dtype == torch.float32
    torch.testing.assert_close(
        out, gene_sum(values, indices, offsets, table.bfloat16().float()), rtol=1e-6, atol=1e-4
    )
    table16 = table.bfloat16().requires_grad_()
    gene_sum(values, indices, offsets, table16).sum().backward()
    assert table16.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("bad", [-1, 5, 2**40])
def test_index_outside_the_table(backend, bad):
    indices, offsets = torch.tensor([0, 1, 2, 3, bad]), torch.tensor([0, 5])
    with pytest.raises(IndexError, match=rf"5 genes. Found ids from {min(0, bad)} to"):
        gene_sum(torch.ones(5), indices, offsets, torch.ones(5, 2))


@pytest.mark.parametrize("offsets", [[0, 2], [1, 3], [0, 4, 3]])
def test_offsets_that_do_not_fit(backend, offsets):
    with pytest.raises(ValueError, match="must ascend from 0"):
        gene_sum(torch.ones(3), torch.arange(3), torch.tensor(offsets), torch.ones(5, 2))


def test_shapes_that_do_not_fit(backend):
    offsets, table = torch.tensor([0, 3]), torch.ones(5, 2)
    with pytest.raises(ValueError, match="one entry per listed gene"):
        gene_sum(torch.ones(2), torch.arange(3), offsets, table)
    with pytest.raises(ValueError, match="must be a matrix"):
        gene_sum(torch.ones(3), torch.arange(3), offsets, table[0])
    with pytest.raises(ValueError, match="must be int32 or int64"):
        gene_sum(torch.ones(3), torch.arange(3).short(), offsets, table)
    with pytest.raises(ValueError, match="int64 vector"):
        gene_sum(torch.ones(3), torch.arange(3), offsets.int(), table)


def test_more_listed_genes_than_int32_counts(backend):
    n_listed = 2**31
    values = torch.ones(1).expand(n_listed)
    indices = torch.zeros(1, dtype=torch.int64).expand(n_listed)
    with pytest.raises(ValueError, match="smaller minibatch"):
        gene_sum(values, indices, torch.tensor([0, n_listed]), torch.ones(1, 1))


def test_no_cells(backend):
    empty = torch.empty(0)
    out = gene_sum(empty, empty.long(), torch.zeros(1, dtype=torch.int64), torch.ones(3, 2))
    assert out.shape == (0, 2)


def test_ids_of_32_and_64_bits_are_the_same(backend):
    indices, offsets = random_lists([3, 0, 1, 6], 7)
    values, table = torch.randn(10), torch.randn(7, 5)
    out = gene_sum(values, indices, offsets, table)
    assert torch.equal(gene_sum(values, indices.long(), offsets, table), out)
    far = torch.tensor([2**32] * 10)
    with pytest.raises(IndexError, match="outside the table of 7"):
        gene_sum(values, far, offsets, table)
