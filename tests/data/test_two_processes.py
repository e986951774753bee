"""Two real processes against one: same cells, same gradients, same batch-norm buffers."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch

CHILD = """
    import sys, numpy as np, torch, torch.distributed as dist
    from datetime import timedelta
    from sctabnet.data.corpus import Corpus
    from sctabnet.data.epoch_loader import EpochLoader
    from sctabnet.nn.ghost_batch_norm import GhostBatchNorm
    from sctabnet.ops import gene_sum

    path, out, rank, world, dtype, port = sys.argv[1:]
    rank, world, dtype = int(rank), int(world), getattr(torch, dtype)
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world,
        timeout=timedelta(seconds=60),
    )
    corpus = Corpus.open(path, labels_key="cell_type")
    torch.manual_seed(0)
    table = torch.nn.Parameter(torch.randn(len(corpus.vocabulary), 8, dtype=dtype))
    norm = GhostBatchNorm(8, ghost_size=16).to(dtype)
    head = torch.nn.Linear(8, len(corpus.labels), dtype=dtype)
    parameters = [table, *norm.parameters(), *head.parameters()]
    optimiser = torch.optim.SGD(parameters, 0.05)
    loader = EpochLoader(corpus, minibatch_size=64, seed=1, rank=rank, world_size=world)
    first_gradient = None
    for minibatch in loader:
        before = [b.clone() for b in norm.buffers()]
        x = gene_sum(minibatch.values.to(dtype), minibatch.indices, minibatch.offsets, table)
        logits = head(norm(torch.log1p(x.abs()), minibatch.weights))
        counted = (minibatch.labels >= 0) & (minibatch.weights > 0)
        total = torch.nn.functional.cross_entropy(
            logits[counted], minibatch.labels[counted], reduction="sum"
        ) if counted.any() else logits.sum() * 0
        n = counted.sum().to(dtype)
        dist.all_reduce(n)
        optimiser.zero_grad()
        (total / n).backward()
        for p in parameters:
            dist.all_reduce(p.grad)
        # running statistics: what visiting the ghost minibatches of all ranks in order would leave
        chunk_of = minibatch.weights.chunk(-(-len(minibatch) // 16))
        kept = (1 - norm.momentum) ** sum(int((w > 0).sum() > 1) for w in chunk_of)
        for old, new in zip(before, norm.buffers(), strict=True):
            shares = [torch.empty_like(new) for _ in range(world)]
            factors = [torch.empty((), dtype=dtype) for _ in range(world)]
            dist.all_gather(shares, new - kept * old)
            dist.all_gather(factors, torch.tensor(kept, dtype=dtype))
            new.copy_(old)
            for share, factor in zip(shares, factors, strict=True):
                new.mul_(factor).add_(share)
        if first_gradient is None:
            first_gradient = [p.grad.clone() for p in parameters]
        optimiser.step()
    steps = torch.tensor([loader.step, -loader.step])
    dist.all_reduce(steps, op=dist.ReduceOp.MAX)
    assert steps[0] == -steps[1] == loader.step
    if rank == 0:
        state = {"table": table.detach(), **norm.state_dict(), **head.state_dict(prefix="head.")}
        torch.save({"state": state, "gradient": first_gradient, "steps": loader.step}, out)
    dist.destroy_process_group()
"""


def run(path, out, world, dtype, port):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), path, out, str(rank), str(world), dtype,
             str(port)],
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(world)
    ]  # fmt: skip
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors
    return torch.load(out, weights_only=True)


def free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_two_processes_equal_one(make_adata, tmp_path, dtype):
    path = str(tmp_path / "a.h5ad")
    make_adata(1003).write_h5ad(path)
    one = run(path, str(tmp_path / "one.pt"), 1, dtype, free_port())
    two = run(path, str(tmp_path / "two.pt"), 2, dtype, free_port())
    assert one["steps"] == two["steps"] == 16
    if dtype == "float64":
        for name, value in one["state"].items():
            torch.testing.assert_close(two["state"][name], value, rtol=0, atol=1e-9)
    else:
        for a, b in zip(one["gradient"], two["gradient"], strict=True):
            assert (a - b).norm() <= 1e-5 * b.norm()
