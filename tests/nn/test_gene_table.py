from __future__ import annotations

import pytest
import torch
from scipy.stats import kstest

from sctabnet.genes.gene_keys import gene_keys
from sctabnet.nn.gene_table import GeneTable

KEYS = torch.from_numpy(gene_keys([f"GENE{i}" for i in range(400)]))


def test_starts_normal_with_a_row_for_the_absent_token():
    table = GeneTable(KEYS, 16, name="t", std=0.1)()
    assert table.shape == (401, 16) and table.requires_grad
    assert kstest(table.detach().flatten().double().numpy() / 0.1, "norm").pvalue > 1e-3


def test_name_and_seed_key_the_start():
    first = GeneTable(KEYS, 4, name="a", std=1.0, seed=0).weight.detach()
    assert torch.equal(first, GeneTable(KEYS, 4, name="a", std=1.0, seed=0).weight)
    for other in ({"name": "b"}, {"seed": 1}):
        options = {"name": "a", "std": 1.0, "seed": 0} | other
        again = GeneTable(KEYS, 4, **options).weight.detach()
        assert not torch.isclose(first, again).any(1).all()
        assert abs(float(torch.corrcoef(torch.stack([first, again]).flatten(1))[0, 1])) < 0.1


def test_a_wider_table_starts_with_the_narrow_one():
    narrow, wide = (GeneTable(KEYS, d, name="a", std=1.0).weight for d in (4, 8))
    assert torch.equal(wide[:, :4], narrow)


@pytest.mark.parametrize("dim", [1, 3])
def test_no_deviation_means_zeros(dim):
    assert not GeneTable(KEYS, dim, name="a", std=0).weight.any()
