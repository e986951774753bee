"""Shared fixtures: seeded, offline, no state between tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from anndata import AnnData

    from sctabnet.model.model import Model

matplotlib.use("Agg")
os.environ.setdefault("WANDB_MODE", "disabled")
# on tiny data a second thread only waits: where other processes run too, ten times as long
os.environ.setdefault("OMP_NUM_THREADS", "1")
# numba's OpenMP layer (UMAP runs on it) sets the number of threads for torch too
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
threadpool_limits(1, user_api="blas")
# the same examples in every run, and no verdict on the speed of a busy machine
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Path of a real data file beside the checkout; skips where it is absent."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"{name} is not beside this checkout (expected at {path})")
        return path

    return find


@pytest.fixture(autouse=True)
def _gpu_or_skip(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


# small models that many tests look at and none may change

TINY = {
    "n_d": 8,
    "n_a": 8,
    "n_steps": 2,
    "max_epochs": 2,
    "minibatch_size": 64,
    "ghost_size": 32,
}


@pytest.fixture(scope="session", autouse=True)
def _no_progress_bars() -> None:
    from sctabnet._settings import settings as choices

    choices.progress_bar = False


@pytest.fixture(scope="session")
def tiny() -> dict[str, int]:
    """Options of the smallest model that still has every part."""
    return dict(TINY)


@pytest.fixture(scope="session")
def cells() -> AnnData:
    """240 cells of counts, three types of which one has a slash in its name, two batches.

    Read only: take a copy to write into.
    """
    from sctabnet.data.simulate import simulate_atlas

    atlas = simulate_atlas(240, 120, n_types=3, n_markers=6, n_null_programs=2)
    names = {"type_0": "T/CD4", "type_1": "B cell", "type_2": "NK"}
    atlas.obs["cell_type"] = atlas.obs["cell_type"].cat.rename_categories(names)
    return atlas


@pytest.fixture(scope="session")
def pretrained(cells: AnnData) -> Model:
    """A pretrained model of ``cells``, with their batches as a covariate."""
    import sctabnet as sct

    return sct.pretrain(cells, batch_key="batch", **TINY)


@pytest.fixture(scope="session")
def model(cells: AnnData, pretrained: Model) -> Model:
    """A model of the types of ``cells``, started from ``pretrained``."""
    import sctabnet as sct

    return sct.finetune(
        cells, init=pretrained, labels_key="cell_type", batch_key="batch", max_epochs=2
    )


@pytest.fixture(scope="session")
def model_folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``model``."""
    return model.save(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="session")
def annotated(cells: AnnData, model: Model) -> AnnData:
    """``cells`` with everything that the tools can write."""
    import sctabnet as sct

    adata = cells.copy()
    sct.tl.transfer_labels(adata, model, coverage=0.9, probability=True)
    sct.tl.embed(adata, model)
    sct.tl.gene_importance(adata, model, method="contribution", attention=True)
    return adata
