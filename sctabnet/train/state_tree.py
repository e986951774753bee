"""Nested state of a run as JSON plus named tensors, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

_TENSOR, _TUPLE, _PAIRS = "__tensor__", "__tuple__", "__pairs__"


@dataclass
class StateTree:
    """A tree of dicts, lists and tuples: the structure as JSON types, the tensors beside it.

    Attributes
    ----------
    structure
        JSON types; a tensor is ``{"__tensor__": name}``.
    tensors
        The tensors by name, copies on the CPU.
    """

    structure: Any = None
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Any) -> StateTree:
        """Copy ``state``, which may change as soon as this returns."""
        tree = cls()
        tree.structure = tree._encode(state, "state")
        return tree

    def restore(self) -> Any:
        """Return the state again."""
        return self._decode(self.structure)

    def _encode(self, value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            self.tensors[name] = value.detach().to("cpu", copy=True).contiguous()
            return {_TENSOR: name}
        if isinstance(value, dict):
            inner = {key: self._encode(item, f"{name}/{key}") for key, item in value.items()}
            if all(type(key) is str for key in inner):
                return inner
            return {_PAIRS: [[key, item] for key, item in inner.items()]}
        if isinstance(value, list | tuple):
            items = [self._encode(item, f"{name}/{i}") for i, item in enumerate(value)]
            return {_TUPLE: items} if isinstance(value, tuple) else items
        if isinstance(value, np.generic):
            return value.item()
        assert value is None or isinstance(value, str | int | float), f"{name} is {type(value)}"
        return value

    def _decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {_TENSOR}:
            return self.tensors[value[_TENSOR]]
        if value.keys() == {_TUPLE}:
            return tuple(self._decode(item) for item in value[_TUPLE])
        if value.keys() == {_PAIRS}:
            return {key: self._decode(item) for key, item in value[_PAIRS]}
        return {key: self._decode(item) for key, item in value.items()}
