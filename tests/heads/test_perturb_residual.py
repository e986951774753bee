from __future__ import annotations

import numpy as np
import pytest
import torch

from sctabnet.data.conditions import parse_conditions
from sctabnet.heads.perturb import PerturbHead
from sctabnet.heads.perturb_gene_tokens import perturb_gene_tokens
from sctabnet.heads.perturb_residual import PerturbResidual
from sctabnet.heads.perturb_table import PerturbEmbedding, PerturbTable
from sctabnet.train.perturbation_residual import LeftOut, perturbation_residual
from sctabnet.train.perturbation_validation import perturbation_validation

N_GENES = 40


@pytest.fixture
def table():
    """Twenty-four conditions whose effects are made of three programs."""
    rng = np.random.default_rng(0)
    names = [f"P{i}" for i in range(8)] + [f"P{i}+P{j}" for i in range(8) for j in range(i)][:24]
    conditions = tuple(parse_conditions(names))
    programs = rng.normal(0, 1, (3, N_GENES))
    loads = {f"P{i}": rng.normal(0, 1, 3) for i in range(8)}
    delta = np.array([sum(loads[e] for e in c.entities) @ programs for c in conditions])
    control = rng.uniform(4, 5, (1, N_GENES))
    vectors = rng.normal(0, 1, (N_GENES, 5))
    source = PerturbEmbedding(tuple(f"G{i}" for i in range(N_GENES)), vectors)
    return PerturbTable(
        conditions, np.zeros(len(conditions), np.int64), 0.3 * delta,
        np.full(len(conditions), 0.01), control, np.ones_like(control), ("all",),
        source.names, (source,),
    )  # fmt: skip


def left_out(table, truth):
    rows = np.array([i for i, c in enumerate(table.conditions) if len(c.parts) > 1])
    return LeftOut(rows, np.full(len(rows), 2), table.delta_pg[rows], truth[rows])


def test_it_learns_what_the_closed_form_gets_wrong_and_helps_new_conditions(table):
    """Every predicted effect is too large: that carries over to conditions it has not seen."""
    left = left_out(table, 0.5 * table.delta_pg)
    network, gates, added = perturbation_residual(table, left)
    assert gates["combination"] > 0 and gates["single"] == gates["context"] == 0
    before = np.linalg.norm(left.predicted_rg - left.truth_rg, axis=1).mean()
    after = np.linalg.norm(left.predicted_rg + added - left.truth_rg, axis=1).mean()
    assert after < 0.8 * before
    assert bool((network.out.weight != 0).any())


def test_noise_opens_no_gate(table):
    noise = np.random.default_rng(1).normal(0, 0.3, table.delta_pg.shape)
    network, gates, added = perturbation_residual(table, left_out(table, table.delta_pg + noise))
    assert not any(gates.values()) and not added.any()
    assert not network.out.weight.any()


def test_several_doses_keep_the_monotone_closed_form(table):
    doses = [1.0] * 8 + [10.0] * 24
    names = [c.name for c in table.conditions]
    conditions = tuple(
        parse_conditions([n], doses=["+".join([str(d)] * (n.count("+") + 1))])[0]
        for n, d in zip(names, doses, strict=True)
    )
    other = PerturbTable(
        conditions, table.contexts, table.delta_pg, table.error_p, table.controls_cg,
        table.detected_cg, table.context_names, table.gene_ids,
    )  # fmt: skip
    _, gates, _ = perturbation_residual(other, left_out(table, 0.5 * table.delta_pg))
    assert not any(gates.values())


def head_of(table):
    head = PerturbHead(table, np.arange(N_GENES), {})
    found = perturbation_validation(head.table)
    head.choices = found.choices
    head.gene_scale.copy_(torch.from_numpy(found.gene_scale))
    head.residual = found.residual
    return head.eval()


def test_before_training_the_open_gate_changes_nothing_and_later_no_law_breaks(table):
    head = head_of(table)
    wanted = parse_conditions(["P1+P7", "P7+P1", "ctrl", "P1", "P3+NEW"])
    head.choices.residual = {}
    closed = head(wanted)
    head.choices.residual = dict.fromkeys(head.choices.gate, 1.0)
    torch.nn.init.zeros_(head.residual.out.weight)
    start = head(wanted)
    np.testing.assert_allclose(start.delta_qg, closed.delta_qg, rtol=0, atol=1e-6)
    torch.manual_seed(0)
    torch.nn.init.normal_(head.residual.out.weight, std=0.05)
    torch.nn.init.normal_(head.residual.query.weight)
    found = head(wanted)
    assert np.abs(found.delta_qg - closed.delta_qg).max() > 1e-3
    np.testing.assert_array_equal(found.delta_qg[0], found.delta_qg[1])
    assert not found.delta_qg[2].any() and not found.attention_qg[2].any()
    np.testing.assert_allclose(found.attention_qg[[0, 1, 3, 4]].sum(1), 1, atol=1e-5)
    for q in range(5):  # what else is asked for changes nothing
        alone = head(wanted[q : q + 1]).delta_qg[0]
        np.testing.assert_allclose(alone, found.delta_qg[q], rtol=0, atol=1e-9)
    again = PerturbHead.from_spec(head.spec())
    again.load_state_dict(head.state_dict())
    np.testing.assert_array_equal(again.eval()(wanted).delta_qg, found.delta_qg)


def test_the_order_of_genes_changes_nothing(table):
    torch.manual_seed(0)
    tokens = torch.from_numpy(perturb_gene_tokens(table)).float()
    network = PerturbResidual(*tokens.shape)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network.tokens.copy_(tokens)
    base, control = torch.randn(5, N_GENES), torch.rand(5, N_GENES)
    task, order = torch.zeros(5, dtype=torch.int64), torch.randperm(N_GENES)
    here = network(base, control, task)
    there = network(base[:, order], control[:, order], task, order)
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(a[:, order], b, rtol=1e-4, atol=1e-5)
    nothing, _ = network(torch.zeros_like(base), control, task)
    assert not nothing.any()


def test_attention_names_the_genes_that_carry_the_response(table):
    """Without the genes that are attended most, little of the predicted effect is left."""
    head = head_of(table)
    found = head(parse_conditions(["P1+P7"]))
    delta, attention = found.delta_qg[0], found.attention_qg[0]
    top = np.argsort(-attention)[:8]
    chance = np.random.default_rng(0)
    lost = (delta[top] ** 2).sum() / (delta**2).sum()
    random = [(delta[chance.permutation(N_GENES)[:8]] ** 2).sum() for _ in range(20)]
    assert lost > 2 * np.mean(random) / (delta**2).sum()
