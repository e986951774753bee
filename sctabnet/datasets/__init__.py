"""Small data sets that need no download: for demos, examples and bug reports."""

from sctabnet.data.simulate import simulate_atlas
from sctabnet.data.simulate_perturbation import simulate_perturbation
from sctabnet.datasets._example import example
from sctabnet.datasets._example_perturbation import example_perturbation
from sctabnet.datasets._pbmc68k import pbmc68k

__all__ = [
    "example",
    "example_perturbation",
    "pbmc68k",
    "simulate_atlas",
    "simulate_perturbation",
]
