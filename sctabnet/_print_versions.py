"""What is installed here, for reports of errors."""

from __future__ import annotations

import importlib.metadata
import platform

_PACKAGES = (
    "torch", "lightning", "anndata", "scanpy", "numpy", "scipy", "pandas", "scikit-learn", "h5py",
    "zarr", "numba", "safetensors", "matplotlib",
)  # fmt: skip


def print_versions() -> None:
    """Print versions of sctabnet, of what it rests on, and the device, to paste into a report.

    Examples
    --------
    >>> import sctabnet as sct
    >>> sct.print_versions()  # doctest: +ELLIPSIS
    sctabnet ...
    """
    import torch

    from sctabnet import __version__

    print(f"{'sctabnet':14}{__version__}")  # noqa: T201 (the function's work)
    for package in _PACKAGES:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        print(f"{package:14}{version}")  # noqa: T201
    print(f"{'python':14}{platform.python_version()} on {platform.platform()}")  # noqa: T201
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    print(f"{'device':14}{device}, {torch.get_num_threads()} threads")  # noqa: T201
