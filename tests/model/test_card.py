from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score

from sctabnet.genes.gene_vocabulary import GeneVocabulary
from sctabnet.model.calibration import Calibration
from sctabnet.model.card import card
from sctabnet.model.label_scores import label_scores
from sctabnet.model.model import Model
from sctabnet.model.model_config import ModelConfig
from sctabnet.nn.gene_encoder import GeneEncoder

LABELS = ["B|naive", "NK", "T", "rare"]


@pytest.fixture
def small():
    config = ModelConfig(encoder=GeneEncoder.Config(n_d=4, n_a=3, n_steps=2))
    model = Model(config, GeneVocabulary([f"G{i}" for i in range(8)]), labels=LABELS)
    truth = torch.tensor([0] * 10 + [1] * 10 + [2] * 10)
    given = truth.clone()
    given[:3] = 1  # 30 % of B cells
    given[10] = 2  # 10 % of NK cells
    model.calibration = Calibration(torch.nn.functional.one_hot(given, 4).float() * 2, truth)
    return model


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(300, 5)), rng.integers(0, 4, 300)
    scores = label_scores(Calibration(torch.from_numpy(logits), torch.from_numpy(truth)), 0.3)
    given = logits.argmax(1)
    expected = f1_score(truth, given, labels=range(4), average=None)
    np.testing.assert_allclose(scores.f1[:4], expected)
    assert np.isnan(scores.f1[4]) and scores.macro_f1 == pytest.approx(expected.mean())
    wrong = confusion_matrix(truth, given, labels=range(5))
    np.fill_diagonal(wrong, 0)
    assert list(scores.taken_for[:4]) == list(wrong.argmax(1)[:4]) and scores.taken_for[4] == -1


def test_holds_what_was_measured(small):
    small.history = [
        {"task": "labels", "sources": [{"name": "a.h5ad", "cells": 1200, "genes": 6}], "x": 0.5}
    ]
    text = card(small)
    for line in (
        "30 reference cells",
        "accuracy 0.867",
        "| B\\|naive | 10 | 0.824 |",
        "| rare | 0 | no held-out cell |",
        "temperature 1.000, expected calibration error",
        "- B|naive was taken for NK in 30.0% of its 10 cells",
        "| a.h5ad | 1,200 | 6 (75%) |",
        "- x: 0.5",
        f"| digest of the weights | {small.digest()} |",
    ):
        assert line in text, line
    assert text.index("30.0%") < text.index("10.0%")  # the worst confusion first


def test_a_licence_is_stated_or_said_not_to_be(small):
    text = card(small)
    assert "| licence | not stated |" in text and "license:" not in text
    small.config.license = "CC-BY-4.0"
    assert "| licence | CC-BY-4.0 |" in card(small)
    assert card(small).startswith("---\nlibrary_name: sctabnet\nlicense: cc-by-4.0\n")


def test_a_pretrained_model_has_a_card_too(pretrained):
    text = card(pretrained)
    assert "| labels | 0 |" in text and "## Labels" not in text
    assert "| adata | 240 | 120 (100%) |" in text and "dynamics" not in text
