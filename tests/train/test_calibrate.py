from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sctabnet.data.corpus import Corpus
from sctabnet.model.model import Model
from sctabnet.train.calibrate import calibrate
from sctabnet.train.choices import Choices


@pytest.fixture
def corpus(cells):
    return Corpus.open(cells, labels_key="cell_type")


def model_of(corpus, **options):
    """A network that says whatever is put into its label head."""
    config = Choices.given(n_d=8, n_a=8, n_steps=2, **options).model
    return Model(config, corpus.vocabulary, labels=corpus.labels)


def truthful_logits(labels, scale, rng):
    """Logits of which the softmax at ``scale`` is the true distribution of the labels."""
    logits = rng.normal(0, 1.5, (len(labels), 3))
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    drawn = np.array([rng.choice(3, p=p) for p in probability])
    # move each row so that its drawn label becomes the cell's own
    for i, (label, old) in enumerate(zip(labels, drawn, strict=True)):
        logits[i, [label, old]] = logits[i, [old, label]]
    return logits * scale


class Spoken(torch.nn.Module):
    """Stands for a term of the label head: gives the next rows of fixed logits."""

    def __init__(self, logits):
        super().__init__()
        self.logits, self.position = torch.as_tensor(logits, dtype=torch.float32), 0

    def forward(self, rows, *_):
        start, self.position = self.position, self.position + len(rows)
        return self.logits[start : self.position]


@pytest.fixture
def speak(monkeypatch):
    """Make the two terms of a model's label head say what is given."""

    def put(model, wide, deep):
        def predict(minibatches, **_):
            for minibatch in minibatches:
                rows = minibatch.row_ids
                encoded = SimpleNamespace(embedding=rows)
                yield minibatch, SimpleNamespace(tokens=rows, encoded=encoded)

        monkeypatch.setattr(model, "predict", predict)
        model.network.labels.deep = Spoken(deep)
        spoken = Spoken(wide)
        monkeypatch.setattr(model.network.labels, "wide_logits", lambda *given: spoken(*given))

    return put


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_temperature_finds_the_scale_of_the_logits(corpus, speak, scale):
    rng = np.random.default_rng(0)
    rows = np.tile(np.arange(240), 8)
    logits = truthful_logits(corpus.label_codes[rows], scale, rng)
    model = model_of(corpus, deep=False)
    speak(model, logits, logits)
    result = calibrate(model, corpus, rows, None, other_batches=True)
    # of what would make the model more sure half counts
    assert result["temperature"] == pytest.approx(max(scale, scale**0.5), rel=0.08)
    assert result["n_calibration_cells"] == len(rows)
    probability = model.calibration.probability(float(model.network.labels.log_temperature))
    correct = (probability.argmax(1) == corpus.label_codes[rows]).mean()
    confidence = probability.max(1).mean()
    assert confidence == pytest.approx(correct, abs=0.02) if scale >= 1 else confidence < correct


def test_the_gate_stays_shut_where_the_second_term_adds_nothing(corpus, speak):
    rng = np.random.default_rng(0)
    rows = np.arange(240)
    wide = truthful_logits(corpus.label_codes, 1.0, rng)
    model = model_of(corpus)
    with torch.no_grad():
        model.network.labels.gate.fill_(0.7)
    speak(model, wide, rng.normal(size=(240, 3)))
    result = calibrate(model, corpus, rows, None, other_batches=True)
    assert result["gate"] == 0 and model.network.labels.gate.item() == 0
    assert result["log_loss"] <= result["log_loss_wide"]


def test_the_gate_opens_where_the_second_term_knows_more(corpus, speak):
    rng = np.random.default_rng(0)
    rows = np.arange(240)
    wide = truthful_logits(corpus.label_codes, 1.0, rng)
    deep = 2.0 * np.eye(3)[corpus.label_codes] + rng.normal(0, 0.5, (240, 3))
    model = model_of(corpus)
    speak(model, wide, deep)
    result = calibrate(model, corpus, rows, None, other_batches=True)
    assert result["gate"] > 0 and model.network.labels.gate.item() == pytest.approx(result["gate"])
    assert result["log_loss"] < 0.8 * result["log_loss_wide"]
    logits = wide + result["gate"] * deep
    np.testing.assert_allclose(model.calibration.logits, logits, rtol=1e-5, atol=1e-5)


def test_a_second_term_that_says_the_same_cannot_win_by_its_scale(corpus, speak):
    rng = np.random.default_rng(0)
    wide = truthful_logits(corpus.label_codes, 0.3, rng)
    model = model_of(corpus)
    speak(model, wide, wide)
    assert calibrate(model, corpus, np.arange(240), None, other_batches=True)["gate"] == 0


def test_one_held_out_cell_is_no_evidence(corpus, speak):
    model = model_of(corpus)
    speak(model, np.zeros((1, 3)), 5 * np.eye(3)[corpus.label_codes[:1]])
    assert calibrate(model, corpus, np.arange(1), None, other_batches=True)["gate"] == 0


def test_few_lucky_cells_do_not_make_an_open_gate_overconfident(corpus, speak):
    """The regression's many out-of-fold cells say its scale; the few only what the gate adds."""
    rng = np.random.default_rng(0)
    few = np.arange(40)
    many = np.tile(np.arange(240), 4)
    wide = truthful_logits(corpus.label_codes[few], 1.0, rng) + np.eye(3)[corpus.label_codes[few]]
    deep = 2.0 * np.eye(3)[corpus.label_codes[few]] + rng.normal(0, 0.5, (40, 3))
    path = SimpleNamespace(
        out_of_fold=truthful_logits(corpus.label_codes[many], 1.0, rng), scored_rows=many
    )
    found = []
    for given in (None, path):
        model = model_of(corpus)
        speak(model, wide, deep)
        found.append(calibrate(model, corpus, few, given, other_batches=True))
    alone, both = found
    assert alone["gate"] == both["gate"] > 0
    assert alone["n_calibration_cells"] == both["n_calibration_cells"] == 40
    assert alone["temperature"] < both["temperature"] < 1.0


def test_cells_of_the_training_batches_open_the_gate_less(corpus, speak):
    """Part of what they gain is these batches' own: a gate that brings half of it is enough."""
    rng = np.random.default_rng(0)
    rows = np.arange(240)
    wide = truthful_logits(corpus.label_codes, 1.0, rng)
    deep = 2.0 * np.eye(3)[corpus.label_codes] + rng.normal(0, 0.5, (240, 3))
    found = []
    for other_batches in (True, False):
        model = model_of(corpus)
        speak(model, wide, deep)
        found.append(calibrate(model, corpus, rows, None, other_batches=other_batches))
    new, same = found
    assert 0 < same["gate"] < new["gate"]
    assert same["log_loss"] < same["log_loss_wide"] == new["log_loss_wide"]


def test_cells_that_are_all_right_do_not_ask_for_endless_confidence(corpus, speak):
    rows = np.arange(30)
    logits = 2.0 * np.eye(3)[corpus.label_codes[rows]]
    model = model_of(corpus, deep=False)
    speak(model, logits, logits)
    result = calibrate(model, corpus, rows, None, other_batches=True)
    assert 0.3 < result["temperature"] < 0.8
