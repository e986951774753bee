"""The regularisers in a fit: switched by configuration, kept in the weights, repeatable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import sctabnet as sct
from sctabnet.data.simulate import simulate_atlas
from sctabnet.train.trainer_config import TrainerConfig

SMALL = {"n_d": 8, "n_a": 8, "n_steps": 2, "max_epochs": 6, "minibatch_size": 128}
CHECKED = {"permutation_weight": 1.0, "permutation_prior": 0.3, "permutation_every": 2}


@pytest.fixture(scope="module")
def atlas():
    return simulate_atlas(300, 100, n_types=3, n_null_programs=2, random_state=1)


@pytest.fixture(autouse=True)
def _no_progress_bar(monkeypatch):
    monkeypatch.setattr(sct.settings, "progress_bar", False)


def _fit(atlas, **options):
    return sct.finetune(atlas, labels_key="cell_type", wide=False, **SMALL, **options)


def test_off_leaves_no_trace(atlas):
    encoder = _fit(atlas, permutation_weight=0, permutation_prior=0).network.encoder
    assert not encoder.importance.any()
    assert not encoder.log_prior.any()


def test_average_and_prior_are_weights_and_repeat_to_the_bit(atlas, tmp_path):
    model, again = _fit(atlas, **CHECKED), _fit(atlas, **CHECKED)
    assert model.digest() == again.digest()
    encoder = model.network.encoder
    assert encoder.importance.clamp_min(0).sum() > 0
    assert encoder.log_prior.any()
    loaded = sct.Model.load(model.save(tmp_path / "model"))
    assert torch.equal(loaded.network.encoder.importance, encoder.importance)
    assert torch.equal(loaded.network.encoder.log_prior, encoder.log_prior)


def test_wide_path_counts_in_the_average(atlas):
    options = {name: value for name, value in SMALL.items() if name != "max_epochs"}
    model = sct.finetune(
        atlas, labels_key="cell_type", max_epochs=1, **options, **CHECKED | {"permutation_every": 1}
    )
    importance = model.network.encoder.importance.numpy()
    is_marker = atlas.var["is_marker"].reindex(model.vocabulary.ids).to_numpy()
    # after one epoch the TabNet term knows nothing: what finds the markers is the regression
    assert is_marker[np.argsort(-importance)[:10]].mean() >= 0.5  # 0.24 by chance


def test_consistency_changes_the_fit_and_repeats(atlas):
    plain, first = _fit(atlas, consistency_weight=0), _fit(atlas, consistency_weight=1.0)
    assert plain.digest() != first.digest()
    assert first.digest() == _fit(atlas, consistency_weight=1.0).digest()


@pytest.mark.parametrize(
    "bad", [{"permutation_weight": -1}, {"permutation_every": 0}, {"consistency_share": 0}]
)
def test_impossible_options_are_refused(bad):
    with pytest.raises(ValueError, match="Found"):
        TrainerConfig(**bad)
