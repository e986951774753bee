from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sctabnet.data.conditions import Condition, parse_conditions
from sctabnet.heads.perturb import PerturbHead
from sctabnet.heads.perturb_choices import TASKS
from sctabnet.heads.perturb_dose import PerturbDose
from sctabnet.heads.perturb_kernel import KernelShares, PerturbKernel
from sctabnet.heads.perturb_link import perturb_link
from sctabnet.heads.perturb_rule import RULES, perturb_rule
from sctabnet.heads.perturb_table import PerturbEmbedding, PerturbTable
from sctabnet.train.perturbation_validation import perturbation_validation

ZERO = np.zeros(1, np.int64)


def make_table(names, *, n_genes=30, contexts=None, seed=0, noise=0.0, embeddings=()):
    """Effects that add up on the log1p scale, with noise."""
    rng = np.random.default_rng(seed)
    conditions = tuple(parse_conditions(names))
    entities = sorted({e for c in conditions for e in c.entities})
    effect = {e: rng.normal(size=n_genes) * 0.5 for e in entities}
    n_contexts = 1 if contexts is None else max(contexts) + 1
    controls = rng.uniform(1.5, 3.0, (n_contexts, n_genes))
    delta = np.array([sum(d * effect[e] for e, d in c.parts) for c in conditions])
    return PerturbTable(
        conditions,
        np.zeros(len(names), np.int64) if contexts is None else np.array(contexts),
        delta + noise * rng.normal(size=delta.shape),
        np.full(len(names), noise**2),
        controls,
        np.full_like(controls, 0.9),
        tuple(f"c{i}" for i in range(n_contexts)),
        tuple(f"G{i}" for i in range(n_genes)),
        embeddings,
    )


SCREEN = ["A", "B", "C", "D", "E", "A+B", "A+C", "B+D", "C+E", "D+E"]


@pytest.fixture(scope="module")
def head():
    made = PerturbHead(make_table(SCREEN, noise=0.05), np.arange(30), {"control": "control"})
    found = perturbation_validation(made.table)
    made.choices = found.choices
    made.gene_scale.copy_(torch.from_numpy(found.gene_scale))
    return made


@pytest.mark.parametrize("rule", sorted(RULES))
def test_at_gate_zero_the_head_is_the_baseline(head, rule):
    closed = PerturbHead(head.table, np.arange(30), {})
    closed.choices = perturbation_validation(head.table).choices
    closed.choices.rule = dict.fromkeys(TASKS, rule)
    closed.choices.gate = dict.fromkeys(TASKS, 0.0)
    wanted = parse_conditions(["A+D", "A+X", "B+E", "Y"])
    at = np.zeros(4, np.int64)
    expected = perturb_rule(rule, head.table, wanted, at)
    expected = np.maximum(expected, -head.table.controls_cg[at])
    np.testing.assert_allclose(closed(wanted).delta_qg, expected, rtol=0, atol=1e-6)


def test_order_of_parts_and_control_bit_for_bit(head):
    names = ["A+D", "D+A", "ctrl", "A+ctrl", "A"]
    first = head(parse_conditions(names))
    np.testing.assert_array_equal(first.delta_qg[0], first.delta_qg[1])
    np.testing.assert_array_equal(first.delta_qg[2], 0)
    np.testing.assert_array_equal(first.half_width_qg[2], 0)
    np.testing.assert_array_equal(first.delta_qg[3], first.delta_qg[4])
    [alone] = head(parse_conditions(["D+A"])).delta_qg
    np.testing.assert_allclose(alone, first.delta_qg[0], rtol=0, atol=1e-10)


def test_support_says_what_a_prediction_rests_on(head):
    found = head(parse_conditions(["A", "A+B", "A+D", "A+X", "X"]))
    assert found.support == ("seen", "seen", "partly seen", "partly seen", "mean fallback")
    assert found.n_parts_seen == (1, 2, 2, 1, 0)
    assert not found.better_than_mean[-1]
    assert found.uncertainty_q[4] > found.uncertainty_q[2] > found.uncertainty_q[0]


def test_head_survives_its_spec(head):
    again = PerturbHead.from_spec(json.loads(json.dumps(head.spec())))
    again.load_state_dict(head.state_dict())
    wanted = parse_conditions(["A+E", "X", "B"])
    for name in ("delta_qg", "half_width_qg", "uncertainty_q"):
        np.testing.assert_array_equal(getattr(again(wanted), name), getattr(head(wanted), name))


def test_additive_is_exact_on_additive_effects():
    table = make_table(SCREEN)
    truth = make_table([*SCREEN, "A+E"]).delta_pg[-1]
    for rule in ("additive", "scaled_additive", "context_mean"):
        [got] = perturb_rule(rule, table, parse_conditions(["E+A"]), ZERO)
        np.testing.assert_allclose(got, truth, atol=1e-10)
    [got] = perturb_rule("matching_mean", table, parse_conditions(["E+A"]), ZERO)
    np.testing.assert_allclose(got, truth / 2, atol=1e-10)


def test_ridge_equals_scikit_learn():
    from sklearn.linear_model import Ridge

    table = make_table(SCREEN, noise=0.3)
    x = np.array([[float(e in c.entities) for e in table.entities] for c in table.conditions])
    asked = parse_conditions(["A+D", "A+X"])
    wanted = np.array([[float(e in c.entities) for e in table.entities] for c in asked])
    got = perturb_rule("ridge", table, asked, np.zeros(2, np.int64))
    fits = [Ridge(alpha=a).fit(x, table.delta_pg).predict(wanted) for a in (0.02, 0.1, 0.5, 2.0)]
    assert min(np.abs(fit - got).max() for fit in fits) < 1e-9


def test_left_out_equals_a_refit():
    """The closed form is what a kernel without these rows predicts, at the same variances."""
    table = make_table(SCREEN, noise=0.05)
    kernel, held = PerturbKernel(table, KernelShares()), np.array([0, 5])
    rest = table.take(np.setdiff1d(np.arange(len(table)), held))
    refit = PerturbKernel(rest, KernelShares())
    asked = [table.conditions[i] for i in held]
    covariance = np.linalg.inv(kernel.inverse_pp)
    keep = np.setdiff1d(np.arange(len(table)), held)
    weights = covariance[np.ix_(held, keep)] @ np.linalg.inv(covariance[np.ix_(keep, keep)])
    factors, totals = PerturbKernel.factors(rest)
    got = kernel.left_out(held, (factors, totals))
    control = table.controls_cg[table.contexts[held]]
    wanted = perturb_link(perturb_link(control) + weights @ factors, inverse=True) - control
    np.testing.assert_allclose(got, wanted, atol=1e-9)
    near = refit.predict(asked, table.contexts[held], table.controls_cg)
    assert np.abs(near - got).max() < 0.15  # the refit has its own unit of variance


def test_totals_are_kept_where_asked():
    table = make_table(SCREEN, noise=0.05)
    wanted, at = parse_conditions(["A+D", "A+E"]), np.zeros(2, np.int64)
    kernel = PerturbKernel(table, KernelShares())
    weights, _ = kernel.weights(wanted, at, table.controls_cg)
    got = table.controls_cg[at] + kernel.predict(wanted, at, table.controls_cg, keep_total=True)
    log_total = np.log(np.expm1(table.controls_cg[0]).sum())
    expected = log_total + weights @ PerturbKernel.factors(table)[1]
    np.testing.assert_allclose(np.log(np.expm1(got).sum(1)), expected, atol=1e-6)


def test_link_and_its_inverse():
    x = np.linspace(0, 8, 50)
    np.testing.assert_allclose(perturb_link(perturb_link(x), inverse=True), x, atol=1e-12)
    assert (perturb_link(np.array([-50.0, 50.0]), inverse=True) >= 0).all()


def test_dose_is_monotone_with_zero_at_zero():
    names = ["A@0.1", "A@1", "A@10", "A@100", "B"]
    table = make_table(names, noise=0.2)
    dose = PerturbDose(table)
    grid = [dose.strength("A", d) for d in (0, 0.05, 0.1, 0.5, 1, 3, 10, 40, 100, 1000)]
    assert grid[0] == 0 and (np.diff(grid) >= 0).all()
    assert dose.strength("A", 1.0) == pytest.approx(1.0)
    assert dose.strength("B", 1.0) == 1.0 and dose.strength("never seen", 2.0) == 1.0


def test_embeddings_tell_unseen_entities_apart():
    rng = np.random.default_rng(0)
    names = [f"P{i}" for i in range(40)]
    vectors = rng.normal(size=(40, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = make_table(names, n_genes=60)
    effect = vectors @ rng.normal(size=(4, 60))
    source = PerturbEmbedding(tuple(names), vectors)
    table = PerturbTable(
        table.conditions, table.contexts, effect, np.full(40, 1e-3), table.controls_cg + 3,
        table.detected_cg, table.context_names, table.gene_ids, (source,),
    )  # fmt: skip
    train = table.take(np.arange(30))
    found = perturbation_validation(train)
    assert found.choices.shares["embedding"] > 0
    made = PerturbHead(train, np.arange(60), {})
    made.choices = found.choices
    got = made(list(table.conditions[30:]))
    assert set(got.support) == {"by embedding"}
    explained = 1 - ((got.delta_qg - effect[30:]) ** 2).sum() / (effect[30:] ** 2).sum()
    assert explained > 0.8


def test_useless_embeddings_are_not_used():
    rng = np.random.default_rng(1)
    names = [f"P{i}" for i in range(30)]
    source = PerturbEmbedding(tuple(names), rng.normal(size=(30, 5)) / 5**0.5)
    found = perturbation_validation(make_table(names, n_genes=60, embeddings=(source,)))
    assert found.choices.shares["embedding"] == 0


def test_one_condition_alone_is_no_error():
    table = make_table(["A"])
    head = PerturbHead(table, np.arange(30), {})
    head.choices = perturbation_validation(table).choices
    found = head([Condition.of([("A", 1)]), Condition.of([("X", 1)])])
    assert np.isfinite(found.delta_qg).all()
    assert found.support == ("seen", "mean fallback")
