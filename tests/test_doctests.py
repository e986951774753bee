"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import sctabnet as sct

PACKAGE = Path(__file__).resolve().parents[1] / "sctabnet"
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]
EXTRAS = {"sctabnet.get._shap_explanation": "shap"}  # examples that need a package of an extra


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:shap")
def test_examples(module):
    if module in EXTRAS:
        pytest.importorskip(EXTRAS[module])
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted and not result.failed


ROOMS = ("tl", "get", "pl", "evaluate", "datasets", "report", "tabular")
PUBLIC = [(getattr(sct, room), name) for room in ROOMS for name in getattr(sct, room).__all__]
PUBLIC += [(sct, name) for name in sct.__all__ if name not in {*ROOMS, "settings"}]


@pytest.mark.parametrize(
    ("room", "name"), PUBLIC, ids=lambda value: getattr(value, "__name__", value)
)
def test_every_public_name_has_an_example(room, name):
    assert ">>>" in (getattr(room, name).__doc__ or "")
