from __future__ import annotations

from math import ceil

import pytest
import torch
from torch import nn

from sctabnet.nn.ghost_batch_norm import GhostBatchNorm


@pytest.fixture(params=["one chunk at a time", "all at once"], autouse=True)
def kind_of_device(request, monkeypatch):
    """Run every test as on a CPU, and as on a device that takes all chunks at once."""
    device = "cpu" if request.param == "one chunk at a time" else "no device"
    monkeypatch.setattr("sctabnet.nn.ghost_batch_norm._IN_TURN", device)


def chunked(norm: nn.BatchNorm1d, x_nd: torch.Tensor, ghost_size: int) -> torch.Tensor:
    """pytorch-tabnet's definition: one call per chunk."""
    return torch.cat([norm(chunk) for chunk in x_nd.chunk(ceil(len(x_nd) / ghost_size))])


def pair(d: int, ghost_size: int) -> tuple[GhostBatchNorm, nn.BatchNorm1d]:
    ours, theirs = GhostBatchNorm(d, ghost_size=ghost_size), nn.BatchNorm1d(d, momentum=0.02)
    with torch.no_grad():
        for parameter in (ours.weight, ours.bias):
            parameter.normal_()
        theirs.weight.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    return ours, theirs


@pytest.mark.parametrize(("n", "ghost_size"), [(8, 8), (9, 4), (256, 128), (257, 128), (5, 100)])
@pytest.mark.parametrize("weights_n", [None, torch.ones(257)], ids=["unweighted", "weighted"])
def test_equals_one_batch_norm_call_per_chunk(
    n: int, ghost_size: int, weights_n: torch.Tensor | None
) -> None:
    torch.manual_seed(0)
    weights_n = None if weights_n is None else weights_n[:n]
    ours, theirs = pair(3, ghost_size)
    x_nd = (torch.randn(n, 3) * 3 + 2).requires_grad_()
    y_nd = x_nd.detach().clone().requires_grad_()
    weight_nd = torch.randn(n, 3)
    for _ in range(2):
        out_nd, expected_nd = ours(x_nd, weights_n), chunked(theirs, y_nd, ghost_size)
        torch.testing.assert_close(out_nd, expected_nd, rtol=0, atol=1e-5)
    (out_nd * weight_nd).sum().backward()
    (expected_nd * weight_nd).sum().backward()
    torch.testing.assert_close(x_nd.grad, y_nd.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.running_mean_d, theirs.running_mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.running_variance_d, theirs.running_var, rtol=1e-5, atol=1e-6)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x_nd), theirs(y_nd), rtol=0, atol=1e-5)


def test_padding_rows_enter_no_statistic() -> None:
    torch.manual_seed(0)
    ours, reference = GhostBatchNorm(3, ghost_size=8), GhostBatchNorm(3, ghost_size=8)
    x_nd = torch.randn(8, 3, requires_grad=True)
    weights_n = torch.tensor([1.0, 0, 0.5, 1, 1, 0, 2, 1])
    out_nd = ours(x_nd, weights_n)
    kept_nd = reference(x_nd[weights_n > 0])
    torch.testing.assert_close(out_nd[weights_n > 0], kept_nd)
    torch.testing.assert_close(ours.running_variance_d, reference.running_variance_d)
    other_nd = x_nd.detach().clone()
    other_nd[weights_n == 0] += 100
    torch.testing.assert_close(ours(other_nd, weights_n)[weights_n > 0], kept_nd)


def test_chunk_without_two_counted_rows_uses_the_running_statistics() -> None:
    norm = GhostBatchNorm(2, ghost_size=4)
    norm.running_mean_d.fill_(1.0)
    norm.running_variance_d.fill_(4.0)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    one_nd = torch.tensor([[3.0, 5.0]], requires_grad=True)
    out_nd = norm(one_nd)
    torch.testing.assert_close(out_nd, (one_nd - 1) / (4 + 1e-5) ** 0.5)
    out_nd.sum().backward()
    assert torch.isfinite(one_nd.grad).all()
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name])
    # Neither does a last chunk of one row: rows 0, 1, 2 | 3, 4, 5 | 6.
    last_nd = GhostBatchNorm(2, ghost_size=3)(torch.randn(7, 2) + 5)
    assert (last_nd[6] > 1).all()
    # The second chunk is all padding: it is normalised by the running statistics too.
    x_nd = torch.randn(8, 2)
    weights_n = torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0])
    assert torch.isfinite(norm(x_nd, weights_n)).all()


def test_empty_minibatch_and_half_precision() -> None:
    norm = GhostBatchNorm(2)
    assert norm(torch.zeros(0, 2)).shape == (0, 2)
    x_nd = torch.randn(16, 2)
    out_nd = norm(x_nd.bfloat16())
    assert out_nd.dtype == torch.bfloat16
    torch.testing.assert_close(out_nd.float(), norm(x_nd), rtol=0.05, atol=0.05)


def test_gradient_of_the_counted_path_equals_finite_differences() -> None:
    torch.manual_seed(0)
    norm = GhostBatchNorm(3, ghost_size=5).double()
    x_nd = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    # Chunks of 4 with 3, 1 and 4 counted rows.
    weights_n = torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1])

    def forward(x_nd: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        norm.running_mean_d.fill_(0.5)
        norm.running_variance_d.fill_(2.0)
        state = {"weight": weight, "bias": bias}
        return torch.func.functional_call(norm, state, (x_nd, weights_n))

    parameters = [p.detach().normal_().requires_grad_() for p in (norm.weight, norm.bias)]
    assert torch.autograd.gradcheck(forward, (x_nd, *parameters))


def test_size_zero_takes_no_statistics():
    norm, x_nd = GhostBatchNorm(2, ghost_size=0).train(), torch.randn(7, 2) + 5
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(1.0)
    torch.testing.assert_close(norm(x_nd), 2 * x_nd + 1, rtol=1e-4, atol=1e-4)
    assert not norm.running_mean_d.any() and bool((norm.running_variance_d == 1).all())


@pytest.mark.parametrize("training", [False, True])
def test_gradient_without_statistics_leaves_the_given_one_alone(training):
    """A residual shares its gradient with the norm; a sum gives one that cannot be written to."""
    norm = GhostBatchNorm(3, ghost_size=0).train(training)
    norm.running_variance_d.fill_(4.0)
    x_nd = torch.ones(8, 3, requires_grad=True)
    h_nd = x_nd * 1
    (h_nd + norm(h_nd)).backward(torch.ones(8, 3))
    torch.testing.assert_close(x_nd.grad, torch.full((8, 3), 1.5), rtol=0, atol=1e-5)
    (grad,) = torch.autograd.grad(norm(x_nd).sum(), x_nd)
    torch.testing.assert_close(grad, torch.full((8, 3), 0.5), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [511, 513, 1025, 263_169])
def test_any_number_of_rows_without_statistics(n):
    x_nd = torch.arange(n, dtype=torch.float32)[:, None]
    out_nd = GhostBatchNorm(1).eval()(x_nd)
    torch.testing.assert_close(out_nd, x_nd / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize("training", [False, True])
def test_rows_with_strides(training):
    ours, theirs = (GhostBatchNorm(3, ghost_size=4).train(training) for _ in range(2))
    x_nd = torch.randn(3, 9).T
    assert torch.equal(ours(x_nd), theirs(x_nd.contiguous()))
