from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_MAX_LISTED = 2**31 - 1


def check_lists(offsets: Tensor, n_listed: int, **per_gene: Tensor) -> None:
    """Check what needs no look at the data: shapes and the int32 limit of the libraries below.

    Raises
    ------
    ValueError
        If ``offsets`` is not a non-empty int64 vector, a tensor of ``per_gene`` is not
        ``(n_listed,)``, or ``n_listed`` does not fit into int32.
    """
    if offsets.ndim != 1 or offsets.dtype != torch.int64 or offsets.shape[0] == 0:
        raise ValueError(
            "`offsets` must be an int64 vector of n_cells + 1 entries. "
            f"Found {offsets.dtype} of shape {tuple(offsets.shape)}. "
            "Pass the offsets of a Minibatch."
        )
    if n_listed > _MAX_LISTED:
        raise ValueError(
            f"One minibatch lists too many genes for 32-bit kernels. Found {n_listed} entries, "
            f"the limit is {_MAX_LISTED}. Use a smaller minibatch."
        )
    for name, tensor in per_gene.items():
        if tensor.shape != (n_listed,):
            raise ValueError(
                f"`{name}` must have one entry per listed gene. Found shape "
                f"{tuple(tensor.shape)} where ({n_listed},) was expected. "
                "Take values, indices and offsets from the same Minibatch."
            )


def check_table(table: Tensor, name: str) -> None:
    """Check that a table has rows.

    Raises
    ------
    ValueError
        If ``table`` is no matrix.
    """
    if table.ndim != 2:
        raise ValueError(
            f"`{name}` must be a matrix with one row per gene. "
            f"Found shape {tuple(table.shape)}. Pass (genes, width)."
        )


def check_bias(bias: Tensor, keys: Tensor) -> None:
    """Check that there is one bias per key.

    Raises
    ------
    ValueError
        If there is not.
    """
    if bias.shape != keys.shape[:1]:
        raise ValueError(
            f"`bias_g` must have one entry per gene. Found shape {tuple(bias.shape)} "
            f"where {tuple(keys.shape[:1])} was expected. Pass a vector as long as the keys."
        )


def check_offsets(offsets: Tensor, n_listed: int) -> None:
    """Check that offsets ascend from 0 to ``n_listed``.

    This and the checks below look at the data.  On CUDA they run on the device and fail there,
    so that no step waits for the host; under ``torch.compile`` they are left out of the graph.

    Raises
    ------
    ValueError
        If they do not.
    """
    if not torch.compiler.is_compiling():
        good = (offsets[0] == 0) & (offsets[-1] == n_listed) & (offsets.diff() >= 0).all()
        _require(good, ValueError, lambda: offsets_message(offsets, n_listed))


def check_indices(indices: Tensor, n_genes: int) -> None:
    """Check that ids lie in a table of ``n_genes`` rows.

    Raises
    ------
    IndexError
        If an id lies outside ``[0, n_genes)``.
    """
    if not torch.compiler.is_compiling() and len(indices) > 0:
        low, high = torch.aminmax(indices)
        good = (low >= 0) & (high < n_genes)
        _require(good, IndexError, lambda: index_message(int(low), int(high), n_genes))


def check_logits(highest_n: Tensor, offsets: Tensor) -> None:
    """Check that the highest logit of every listed row is finite (NaN counts as highest).

    Raises
    ------
    ValueError
        If a non-empty row's highest logit is NaN, +inf or -inf.
    """
    if torch.compiler.is_compiling():
        return
    bad_n = ~highest_n.isfinite() & (offsets.diff() > 0)
    _require(~bad_n.any(), ValueError, lambda: logits_message(bad_n, highest_n))


def offsets_message(offsets: Tensor, n_listed: int) -> str:
    """Say what is wrong with the offsets of a ragged list."""
    ends = (int(offsets[0]), int(offsets[-1]))
    return (
        f"`offsets` must ascend from 0 to the number of listed genes ({n_listed}). "
        f"Found first and last {ends}. "
        "Take values, indices and offsets from the same Minibatch."
    )


def index_message(low: int, high: int, n_rows: int) -> str:
    """Say which gene ids lie outside the table."""
    return (
        f"A gene id lies outside the table of {n_rows} genes. Found ids from {low} to {high}. "
        "Align the cells to the vocabulary of this model first (unknown genes are dropped there)."
    )


def logits_message(bad_n: Tensor, highest_n: Tensor) -> str:
    """Say that attention logits cannot be turned into a mask."""
    return (
        "Attention logits must be finite numbers, or -inf for a gene that is never chosen. "
        f"Found {float(highest_n[bad_n][0])} as the highest logit of row "
        f"{int(bad_n.nonzero()[0, 0])}. "
        "Look for NaN or infinity in the input and in the weights."
    )


def _require(good: Tensor, error: type[Exception], message: Callable[[], str]) -> None:
    if good.device.type == "cuda":
        torch._assert_async(good)
    elif not bool(good):
        raise error(message())


def check_alpha(alpha: float) -> None:
    """Raise ValueError unless entmax has a kernel for this exponent."""
    if alpha not in (1, 1.5, 2):
        raise ValueError(
            f"This alpha has no exact kernel. Found {alpha!r}. "
            "Choose 1 (softmax), 1.5 (entmax) or 2 (sparsemax)."
        )
