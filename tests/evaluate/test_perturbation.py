from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

import sctabnet as sct
from sctabnet.data.conditions import parse_conditions
from sctabnet.evaluate.perturbation_cell_metrics import perturbation_cell_metrics
from sctabnet.evaluate.perturbation_leak import perturbation_leak
from sctabnet.evaluate.perturbation_metrics import perturbation_metrics


@pytest.fixture
def scored(rng):
    q, g = 6, 40
    truth = rng.normal(2, 1, (q, g))
    start, control = rng.normal(1, 0.1, (2, q, g))
    centroid = np.repeat(truth.mean(0)[None], q, 0)
    predicted = truth + rng.normal(0, 0.3, (q, g))

    def score(predicted):
        return perturbation_metrics(
            predicted, truth, start_qg=start, control_qg=control, centroid_qg=centroid,
            error_qg=np.full((q, g), 0.01), control_error_qg=np.full((q, g), 0.01),
            reference_rg=truth, own_r=np.arange(q),
        )  # fmt: skip

    return score, predicted, truth, start, control, centroid


def test_formulae(scored):
    score, predicted, truth, start, control, centroid = scored
    found = score(predicted)
    for i in range(len(truth)):
        assert found["l2"][i] == pytest.approx(np.linalg.norm(predicted[i] - truth[i]))
        r = pearsonr(predicted[i] - start[i], truth[i] - control[i])[0]
        assert found["pearson_delta"][i] == pytest.approx(r)
        r = pearsonr(predicted[i] - centroid[i], truth[i] - centroid[i])[0]
        assert found["pearson_centroid"][i] == pytest.approx(r)
        # cell-eval: rank of the own effect among all by distance, divided by their number
        d = np.abs((truth - control[i]) - (predicted[i] - start[i])).sum(1)
        rank = np.argsort(np.argsort(d))[i]
        assert found["pds_l1"][i] == pytest.approx(1 - rank / len(truth))


def test_truth_scores_best_and_no_change_worst(scored):
    score, _, truth, start, _, _ = scored
    best, none = score(truth), score(start)
    assert (best["l2"] == 0).all() and (best["centroid_accuracy"] == 1).all()
    assert (best["direction"] == 1).all()
    assert np.isnan(none["pearson_delta"]).all() and (none["de_overlap"] == 0).all()
    np.testing.assert_allclose(none["l2"] ** 2, none["effect"])


def test_leaks_are_refused():
    a, b = parse_conditions(["B+A", "A+B"])
    with pytest.raises(ValueError, match="both parts of a split"):
        perturbation_leak([(a, "c")], [(b, "c")])
    perturbation_leak([(a, "c")], [(b, "other")])
    with pytest.raises(ValueError, match="nothing to be judged on"):
        perturbation_leak([(a, "c")], parse_conditions([])[:0])


@pytest.fixture(scope="module")
def screen():
    return sct.datasets.simulate_perturbation(
        80, n_targets=8, n_pairs=10, cells_per_condition=40, n_control=80, random_state=5
    )


def test_every_method_on_the_same_conditions(screen):
    found = sct.evaluate.perturbation(screen, split="half_of_combinations", n_repeats=1)
    counts = found.conditions.groupby("method").size()
    assert counts.nunique() == 1 and {"sctabnet", "ridge", "replicate"} <= set(counts.index)
    assert found.summary.loc["no_change", "explained"] == pytest.approx(0, abs=1e-12)
    assert found.summary.loc["sctabnet", "explained"] > 0.4
    assert found.versus_best["l2_difference"] < 0.2
    assert found.diagnostics["coverage"] > 0.75


def test_contexts(screen):
    adata = sct.datasets.simulate_perturbation(
        60, n_targets=4, n_pairs=2, n_contexts=3, cells_per_condition=30, n_control=60
    )
    found = sct.evaluate.perturbation(
        adata, split="leave_one_context_out", context_keys=["cell_type"], batch_key="batch"
    )
    assert set(found.conditions["context"]) == {"type_0", "type_1", "type_2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "leave_one_planet_out"}, "split must be one of"),
        ({"split": ["P1+P99"]}, "must have been measured"),
        ({"split": "leave_one_context_out"}, "leaves nothing to learn from"),
        ({"control": "untouched", "perturbation_key": "batch"}, "No control cells"),
        ({"perturbation_key": "nowhere"}, "nowhere"),
    ],
)
def test_bad_input(screen, change, message):
    with pytest.raises((ValueError, KeyError), match=message):
        sct.evaluate.perturbation(screen, **change)


def test_cells_are_compared_as_distributions(screen):
    found = sct.evaluate.perturbation(screen, split="half_of_combinations", n_repeats=1, cells=40)
    gain = found.conditions.groupby("method")["energy_gain"].mean()
    assert gain["sctabnet"] > 0.3 > gain["no_change"]
    ratio = found.conditions.groupby("method")["variance_ratio"].mean()
    assert 0.6 < ratio["sctabnet"] < 1.6


def test_cell_metrics_against_their_definitions(rng):
    from scipy.stats import energy_distance

    x, y = rng.normal(size=(30, 1)), rng.normal(1, 1, (40, 1))
    found = perturbation_cell_metrics(x, y, x)
    # scipy gives the root of the same quantity in one dimension
    assert found["e_distance"] == pytest.approx(energy_distance(x[:, 0], y[:, 0]) ** 2)
    assert found["energy_gain"] == pytest.approx(0)
    assert perturbation_cell_metrics(x, x, y)["mmd2"] == pytest.approx(0)


def test_interactions_are_judged_on_other_cells(screen):
    found = sct.evaluate.perturbation(screen, split="leave_one_combination_out")
    r = found.conditions.groupby("method")["interaction_r"].mean()
    # the additive model's guess is the noise of one half, which the other half does not share
    assert np.isnan(r["additive"]) or abs(r["additive"]) < 0.2
    assert np.isfinite(r["sctabnet"])
