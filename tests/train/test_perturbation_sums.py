from __future__ import annotations

import numpy as np
import pytest

import sctabnet as sct
from sctabnet.data.conditions import parse_conditions
from sctabnet.data.corpus import Corpus
from sctabnet.train.perturbation_sums import PerturbationSums


@pytest.fixture(scope="module")
def screen():
    return sct.datasets.simulate_perturbation(
        40, n_targets=3, n_pairs=2, n_contexts=2, cells_per_condition=21, n_control=50
    )


@pytest.fixture(scope="module")
def sums(screen):
    conditions = parse_conditions(screen.obs["perturbation"].astype(str).tolist())
    contexts, batches = (screen.obs[k].astype(str).tolist() for k in ("cell_type", "batch"))
    return PerturbationSums.of(Corpus.open(screen), conditions, contexts, batches)


def values(screen):
    x = screen.X.toarray()
    return np.log1p(1e4 * x / x.sum(1, keepdims=True))


def test_effects_are_batch_matched_means(screen, sums):
    table = sums.table()
    x, obs = values(screen), screen.obs
    order = [list(screen.var_names).index(gene) for gene in table.gene_ids]
    for row, (condition, context) in enumerate(zip(table.conditions, table.contexts, strict=True)):
        here = (obs["cell_type"] == table.context_names[context]).to_numpy()
        mine = here & (obs["perturbation"] == condition.name).to_numpy()
        delta = 0
        for batch in ("batch_0", "batch_1"):
            b = (obs["batch"] == batch).to_numpy()
            control = here & b & (obs["perturbation"] == "control").to_numpy()
            delta = delta + (mine & b).sum() / mine.sum() * (
                x[mine & b].mean(0) - x[control].mean(0)
            )
        np.testing.assert_allclose(table.delta_pg[row], delta[order], atol=1e-5)
        error = (x[mine].var(0, ddof=1) / mine.sum()).mean()
        assert table.error_p[row] == pytest.approx(error, rel=1e-4)


def test_halves_of_controls_are_disjoint_and_make_the_whole(sums):
    whole = sums.table().controls_cg
    halves = [sums.table(control_half=h).controls_cg for h in (0, 1)]
    control = next(i for i, c in enumerate(sums.conditions) if c.is_control)
    for context in range(2):
        mine = (sums.groups[:, 0] == control) & (sums.groups[:, 1] == context)
        n = [sums.n[mine & (sums.groups[:, 3] == half)].sum() for half in (0, 1)]
        mean = (n[0] * halves[0][context] + n[1] * halves[1][context]) / sum(n)
        np.testing.assert_allclose(mean, whole[context], atol=1e-9)
    assert np.abs(halves[0] - halves[1]).max() > 0
    assert sums.cell_groups.shape == (np.int64(sums.n.sum()),)


def test_a_context_without_controls_is_refused(screen):
    lost = (screen.obs["perturbation"] == "control") & (screen.obs["cell_type"] == "type_1")
    with pytest.raises(ValueError, match="Every context needs control cells.*type_1"):
        sct.finetune(
            screen[~lost].copy(), perturbation_key="perturbation", context_keys=["cell_type"]
        )
