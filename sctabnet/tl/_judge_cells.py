"""One pass over the cells, keeping per cell no more than was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sctabnet._settings import settings
from sctabnet.data.corpus import Corpus
from sctabnet.model.model import Model
from sctabnet.uncertainty.back_off import BackOff
from sctabnet.uncertainty.label_judge import LabelJudge


@dataclass(frozen=True, slots=True)
class Judged:
    """What :func:`judge_cells` found for n cells; None for what was not asked for."""

    codes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    margin: NDArray[np.float32]
    unknown: NDArray[np.bool_]
    unknown_score: NDArray[np.float32]
    label_sets: NDArray[np.bool_] | None
    set_widening: float | None
    probability: NDArray[np.float32] | None
    embedding: NDArray[np.float32] | None
    coordinates: NDArray[np.float32] | None
    term: NDArray[np.int64] | None
    term_confidence: NDArray[np.float32] | None


def judge_cells(
    corpus: Corpus,
    model: Model,
    judge: LabelJudge,
    *,
    label_sets: bool,
    probability: bool,
    embedding: bool,
    coordinates: bool,
    back_off: BackOff | None,
) -> Judged:
    """Apply a model to all cells of a corpus and judge them.

    Parameters
    ----------
    corpus
        n cells, aligned to the genes of the model.
    model
        Model with a label head.
    judge
        Turns logits into labels.
    label_sets, probability, embedding
        Which arrays of n rows to keep.
    coordinates
        Keep each cell's place in the principal axes too: where cells of a type lie together
        whether or not the model's TabNet term was trained.
    back_off
        Chooses an ontology term for each cell, if given.
    """
    n_cells, n_labels, n_d = corpus.n_cells, len(model.labels), model.config.encoder.n_d
    type_distance = model.type_distance
    n_axes = n_d if type_distance is None else type_distance.axes.shape[1]
    result = Judged(
        codes=np.zeros(n_cells, np.int64),
        confidence=np.zeros(n_cells, np.float32),
        margin=np.zeros(n_cells, np.float32),
        unknown=np.zeros(n_cells, bool),
        unknown_score=np.zeros(n_cells, np.float32),
        label_sets=None,
        set_widening=None,
        probability=np.zeros((n_cells, n_labels), np.float32) if probability else None,
        embedding=np.zeros((n_cells, n_d), np.float32) if embedding else None,
        coordinates=np.zeros((n_cells, n_axes), np.float32) if coordinates else None,
        term=np.zeros(n_cells, np.int64) if back_off else None,
        term_confidence=np.zeros(n_cells, np.float32) if back_off else None,
    )
    strangeness = np.zeros(n_cells)
    set_distances = np.zeros((n_cells, n_labels), np.float16) if label_sets else None
    distances = None if type_distance is None else np.zeros((n_cells, type_distance.n_distances))
    minibatches = corpus.minibatches(minibatch_size=settings.minibatch_size)
    with tqdm(
        total=n_cells, unit="cell", desc="annotate", disable=not settings.progress_bar
    ) as bar:
        for minibatch, prediction in model.predict(minibatches):
            rows = minibatch.row_ids.cpu().numpy()
            assert prediction.logits is not None, "a model with labels gives logits"
            said = judge(prediction.logits.cpu().numpy())
            result.codes[rows], strangeness[rows] = said.codes, said.strangeness
            place = prediction.encoded.embedding
            if type_distance is not None and distances is not None:
                distances[rows] = type_distance(prediction.tokens).cpu().numpy()
                place = type_distance.coordinates(prediction.tokens)
            if result.coordinates is not None:
                result.coordinates[rows] = place.cpu().numpy()
            result.confidence[rows], result.margin[rows] = said.confidence, said.margin
            if set_distances is not None:
                set_distances[rows] = said.set_distances
            if result.probability is not None:
                result.probability[rows] = said.probability
            if result.embedding is not None:
                integrated = model.network.integrated(minibatch, prediction)
                result.embedding[rows] = integrated.cpu().numpy()
            if back_off is not None and result.term is not None:
                assert result.term_confidence is not None
                result.term[rows], result.term_confidence[rows] = back_off(said.probability)
            bar.update(len(rows))
    # only after the last cell is it known how far off the whole query is
    result.unknown_score[:], result.unknown[:] = judge.unknown(strangeness, distances)
    if set_distances is None:
        return result
    sets, widening = judge.label_sets(set_distances, result.codes, result.unknown)
    return replace(result, label_sets=sets, set_widening=widening)
