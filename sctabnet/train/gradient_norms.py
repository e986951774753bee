"""How large the gradient is, part by part."""

from __future__ import annotations

import torch

from sctabnet.model.network import Network


@torch.no_grad()
def gradient_norms(network: Network) -> dict[str, float]:
    """Return the gradient's norm over the gene tables, the rest of the encoder, and the heads.

    A part that gets no gradient is left out.
    """
    parts: dict[str, list[torch.Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.grad is None:
            continue
        part = "heads"
        if name.startswith("encoder."):
            tables = ("encoder.embeddings", "encoder.keys", "encoder.biases", "encoder.programs")
            part = "genes" if name.startswith(tables) else "encoder"
        parts.setdefault(f"gradient_{part}", []).append(parameter.grad.norm())
    return {part: float(torch.stack(norms).norm()) for part, norms in parts.items()}
