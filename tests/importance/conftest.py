from __future__ import annotations

import numpy as np
import pytest

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.data.simulate import simulate_atlas

SMALL = {"n_d": 8, "n_a": 8, "n_steps": 2, "max_epochs": 5, "minibatch_size": 128}


@pytest.fixture(scope="session")
def small_atlas():
    return simulate_atlas(260, 80, n_types=3, n_null_programs=2, random_state=5)


@pytest.fixture(scope="session")
def linear(small_atlas):
    return sct.finetune(small_atlas, labels_key="cell_type", deep=False)


@pytest.fixture(scope="session")
def deep(small_atlas):
    return sct.finetune(small_atlas, labels_key="cell_type", wide=False, **SMALL)


@pytest.fixture(scope="session")
def some_cells(small_atlas, linear):
    corpus = Corpus.open(
        small_atlas, vocabulary=linear.vocabulary, labels_key="cell_type", labels=linear.labels
    )
    return corpus.take(np.arange(40))
