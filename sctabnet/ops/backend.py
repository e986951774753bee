from __future__ import annotations

import importlib.util
from types import TracebackType
from typing import Literal, get_args

from torch import Tensor

Backend = Literal["auto", "torch", "numba", "triton"]

_chosen: Backend = "auto"


class set_backend:
    """Choose which kernels run the sparse operations, for good or inside a ``with`` block.

    ``auto`` takes triton for CUDA tensors, numba for CPU tensors, and plain torch wherever
    that package is missing or the device is another one.  All give the same numbers up to
    rounding.

    Parameters
    ----------
    name
        ``"auto"``, ``"torch"``, ``"numba"`` or ``"triton"``.

    Raises
    ------
    ValueError
        If ``name`` is none of these.
    ImportError
        If the package of that name is not installed.

    Examples
    --------
    >>> from sctabnet import ops
    >>> with ops.set_backend("torch"):
    ...     pass
    """

    def __init__(self, name: Backend) -> None:
        global _chosen
        if name not in get_args(Backend):
            raise ValueError(
                f"There is no backend of this name. Found {name!r}. "
                f"Choose one of {list(get_args(Backend))}."
            )
        if name in ("numba", "triton") and not _installed(name):
            raise ImportError(f"Backend {name!r} needs a package. Run `pip install {name}`.")
        self._before = _chosen
        _chosen = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _chosen
        _chosen = self._before


def backend_for(tensor: Tensor) -> Literal["torch", "numba", "triton"]:
    """Name the kernels that run an operation on this tensor."""
    if _chosen != "auto":
        return _chosen
    wanted: dict[str, Literal["numba", "triton"]] = {"cpu": "numba", "cuda": "triton"}
    name = wanted.get(tensor.device.type)
    return name if name is not None and _installed(name) else "torch"


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
