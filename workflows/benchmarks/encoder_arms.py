"""The networks that `encoder_speed.py` compares, and the cells that they are given."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from ablation_arms import CELLS
from torch import Tensor, nn
from torch.nn import functional as F

from sctabnet.data.minibatch import Minibatch
from sctabnet.nn.column_groups import ColumnGroups
from sctabnet.nn.dense_encoder import DenseConfig, DenseEncoder
from sctabnet.nn.gene_encoder import GeneEncoder
from sctabnet.nn.normalise import normalise
from sctabnet.nn.tokenise import tokenise
from sctabnet.ops import set_backend

SHAPE = {"n_d": 128, "n_a": 64, "n_shared": 3, "n_independent": 5, "ghost_size": 256}
N_LABELS = 164


def simulate(n_cells: int, n_genes: int, n_expressed: int, seed: int = 0) -> Minibatch:
    """Draw cells whose genes differ in how often they are seen by a log-normal factor."""
    rng = np.random.default_rng(seed)
    rate_g = np.exp(2 * rng.standard_normal(n_genes))
    low, high = 1e-9, 1e9
    for _ in range(100):
        scale = (low * high) ** 0.5
        too_many = (1 - np.exp(-scale * rate_g)).sum() > n_expressed
        low, high = (low, scale) if too_many else (scale, high)
    seen_g = 1 - np.exp(-scale * rate_g)
    rows = [np.flatnonzero(rng.random(n_genes) < seen_g) for _ in range(n_cells)]
    indices = np.concatenate(rows)
    counts = 1 + rng.poisson(1.0, len(indices))
    offsets = np.cumsum([0, *map(len, rows)])
    labels = rng.integers(N_LABELS, size=n_cells)
    return counts_minibatch(counts, indices, offsets, labels, n_genes)


def counts_minibatch(
    counts: np.ndarray, indices: np.ndarray, offsets: np.ndarray, labels: np.ndarray, n_genes: int
) -> Minibatch:
    """Wrap the arrays of a CSR matrix of counts, all genes measured, as a minibatch."""
    n_cells = len(labels)
    return Minibatch(
        values=torch.from_numpy(counts.astype(np.float32)),
        indices=torch.from_numpy(indices.astype(np.int32)),
        offsets=torch.from_numpy(offsets.astype(np.int64)),
        labels=torch.from_numpy(labels),
        covariates=torch.zeros(n_cells, 0, dtype=torch.int64),
        weights=torch.ones(n_cells),
        row_ids=torch.arange(n_cells),
        source_ids=torch.zeros(n_cells, dtype=torch.int64),
        measured=torch.ones(1, n_genes, dtype=torch.bool),
        is_log1p=torch.zeros(1, dtype=torch.bool),
    )


class GeneTokens(nn.Module):
    """The gene-token encoder and a linear head, from a minibatch of counts."""

    def __init__(self, n_genes: int, n_steps: int, backend: str, **parts: object) -> None:
        super().__init__()
        config = GeneEncoder.Config(**({"mask": "entmax15", "n_steps": n_steps} | SHAPE | parts))
        self.encoder = GeneEncoder(torch.arange(n_genes), config)
        self.head = nn.Linear(SHAPE["n_d"], N_LABELS)
        self.backend = backend

    def forward(self, minibatch: Minibatch) -> tuple[Tensor, Tensor, float]:
        """Return logits, sparsity loss and mean support."""
        with set_backend(self.backend):
            encoder = self.encoder
            tokens = tokenise(
                minibatch, normalise(minibatch), encoder.mean, encoder.std,
                support=encoder.config.support,
            )  # fmt: skip
            encoded = encoder(tokens)
        support = int(torch.count_nonzero(encoded.masks[0].detach())) / len(minibatch)
        return self.head(encoded.embedding), encoded.sparsity, support

    @torch.no_grad()
    def calibrate(self, minibatch: Minibatch, support: float) -> None:
        """Scale the attention logits until the first mask has this mean support."""
        low, high = 1e-2, 1e4
        for _ in range(12):
            scale = (low * high) ** 0.5
            self.encoder.temperatures.fill_(scale)
            low, high = (scale, high) if self(minibatch)[2] > support else (low, scale)


class Dense(nn.Module):
    """The dense TabNet of this package, over a matrix."""

    def __init__(self, n_genes: int, n_steps: int) -> None:
        super().__init__()
        config = DenseConfig(mask="entmax15", n_steps=n_steps, **SHAPE)
        self.encoder = DenseEncoder(ColumnGroups(torch.arange(n_genes), n_genes), config)
        self.head = nn.Linear(SHAPE["n_d"], N_LABELS)

    def forward(self, x_ng: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return logits, sparsity loss and NaN for the support."""
        steps = self.encoder(x_ng)
        return self.head(steps.decisions_snd.sum(0)), steps.sparsity, float("nan")


class Identity:
    """Stands for the genes x genes identity matrix, and multiplies in no time."""

    def __init__(self, n_genes: int) -> None:
        self.shape = (n_genes, n_genes)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        """Return the other factor."""
        return args[0]


class PytorchTabNet(nn.Module):
    """pytorch-tabnet 4.1's encoder, with or without its product with the identity."""

    def __init__(self, n_genes: int, n_steps: int, *, group_product: bool) -> None:
        super().__init__()
        from pytorch_tabnet.tab_network import TabNetEncoder

        shape = {**SHAPE, "virtual_batch_size": SHAPE["ghost_size"]}
        del shape["ghost_size"]
        group = None if group_product else Identity(n_genes)
        self.encoder = TabNetEncoder(
            n_genes,
            N_LABELS,
            n_steps=n_steps,
            mask_type="entmax",
            group_attention_matrix=group,
            **shape,
        )
        self.head = nn.Linear(SHAPE["n_d"], N_LABELS, bias=False)

    def forward(self, x_ng: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return logits, sparsity loss and NaN for the support."""
        decisions, sparsity = self.encoder(x_ng)
        return self.head(torch.stack(decisions).sum(0)), -sparsity, float("nan")


ARMS: dict[str, Callable[[int, int], nn.Module]] = {
    "gene tokens": lambda g, s: GeneTokens(g, s, "auto"),
    "gene tokens, plain torch": lambda g, s: GeneTokens(g, s, "torch"),
    "gene tokens, bf16": lambda g, s: GeneTokens(g, s, "auto"),
    "dense": Dense,
    "dense, bf16": Dense,
    "pytorch-tabnet, no group product": lambda g, s: PytorchTabNet(g, s, group_product=False),
    "pytorch-tabnet": lambda g, s: PytorchTabNet(g, s, group_product=True),
}
BASE = "gene tokens"
_IN_ABLATION = (
    "softmax masks",
    "sparsemax masks",
    "panel support",
    "one key per gene",
    "8 programs, 1 layer",
    "8 programs, 2 layers",
    "channel attention",
    "squeeze-excite",
    "multi-head channels",
)
PARTS = {name: CELLS[name] for name in _IN_ABLATION} | {"no ghost batches": {"ghost_size": 0}}
for _name, _parts in PARTS.items():
    ARMS[_name] = partial(GeneTokens, backend="auto", **_parts)  # type: ignore[arg-type]


class Arm:
    """One network with its optimiser and its form of the input."""

    def __init__(self, name: str, minibatch: Minibatch, n_steps: int, support: float) -> None:
        torch.manual_seed(0)
        n_genes = minibatch.measured.shape[1]
        self.name, self.labels = name, minibatch.labels
        self.network = ARMS[name](n_genes, n_steps)
        self.input: Minibatch | Tensor = minibatch
        if isinstance(self.network, GeneTokens):
            self.network.calibrate(minibatch, support)
        else:
            dense_ng = torch.zeros(len(minibatch), n_genes)
            rows = torch.repeat_interleave(torch.arange(len(minibatch)), minibatch.offsets.diff())
            dense_ng[rows, minibatch.indices] = normalise(minibatch)
            self.input = dense_ng
        # so small a rate that the support stays what it was set to
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-7, fused=True)
        self.support = float("nan")
        # products of matrices in bfloat16; processors without instructions for it gain nothing
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=name.endswith("bf16"))

    def train(self) -> None:
        """Take one training step, optimiser included."""
        self.network.train()
        self.optimizer.zero_grad()
        with self.autocast:
            logits, sparsity, self.support = self.network(self.input)
        (F.cross_entropy(logits, self.labels) + 1e-5 * sparsity).backward()
        self.optimizer.step()

    def infer(self) -> None:
        """Predict the minibatch."""
        self.network.eval()
        with torch.inference_mode(), self.autocast:
            self.network(self.input)


def trained_support(options: argparse.Namespace) -> float:
    """Train scTab's shape for 500 steps on labelled cells and return the mean support."""
    import anndata

    adata = anndata.read_h5ad(options.data)
    counts = adata.X.tocsr().astype(np.float32)
    counts.sort_indices()
    codes = adata.obs[options.labels_key].astype("category").cat.codes.to_numpy(np.int64)
    arm = None
    rng, supports = np.random.default_rng(0), []
    for _ in range(500):
        chosen = rng.choice(len(codes), 256, replace=False)
        part = counts[chosen]
        minibatch = counts_minibatch(
            part.data, part.indices, part.indptr, codes[chosen], counts.shape[1]
        )
        if arm is None:
            arm = Arm(BASE, minibatch, 1, 1e9)
            arm.network.encoder.temperatures.data.fill_(1.0)
            arm.optimizer.param_groups[0]["lr"] = 2e-3
        arm.input, arm.labels = minibatch, minibatch.labels
        arm.train()
        supports.append(arm.support)
    return float(np.mean(supports[-20:]))
