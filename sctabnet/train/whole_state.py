"""The state of a network or an optimiser with nothing left sharded."""

from __future__ import annotations

from typing import Any

from torch.distributed.tensor import DTensor


def whole_state(state: Any) -> Any:
    """Return a tree of dicts and lists with sharded tensors gathered on the CPU.

    Every process must call this with the same tree: each gathered tensor is a collective.

    Parameters
    ----------
    state
        What ``state_dict()`` of a module, an optimiser or a callback gives.

    Returns
    -------
    The same tree; tensors that were whole are not copied.
    """
    if isinstance(state, DTensor):
        return state.full_tensor().detach().cpu()
    if isinstance(state, dict):
        return {name: whole_state(value) for name, value in state.items()}
    if isinstance(state, list):
        return [whole_state(value) for value in state]
    return state
