from __future__ import annotations

import torch
from torch import nn

from sctabnet.nn.gene_decoder import MAX_LOG1P, GeneDecoder


def decoder_of(covariate_dim=0):
    torch.manual_seed(0)
    return GeneDecoder(torch.arange(20), 6, 8, covariate_dim=covariate_dim)


def test_starts_at_the_mean_of_each_gene():
    decoder = decoder_of()
    mean_g = torch.linspace(0.001, 8, 20)
    decoder.start_at(mean_g)
    nn.init.zeros_(decoder.rows.weight)
    offsets = torch.tensor([0, 20, 40])
    genes = torch.arange(20).repeat(2)
    predicted = decoder(torch.randn(2, 6), genes, offsets, None)
    torch.testing.assert_close(predicted, mean_g.repeat(2), rtol=1e-4, atol=1e-5)


def test_answers_what_was_asked_of_each_cell():
    decoder = decoder_of(covariate_dim=3)
    embedding, covariates = torch.randn(3, 6), torch.randn(3, 3)
    genes, offsets = torch.tensor([1, 5, 19, 5]), torch.tensor([0, 3, 3, 4])
    predicted = decoder(embedding, genes, offsets, covariates)
    assert predicted.shape == (4,) and (predicted > 0).all() and (predicted <= MAX_LOG1P).all()
    everything = torch.stack([
        decoder(embedding, torch.full((3,), g), torch.arange(4), covariates) for g in range(20)
    ], 1)  # fmt: skip
    expected = everything[torch.tensor([0, 0, 0, 2]), genes]
    torch.testing.assert_close(predicted, expected)


def test_no_prediction_exceeds_a_whole_cell():
    decoder = decoder_of()
    nn.init.constant_(decoder.bias.weight, 1e4)
    predicted = decoder(torch.randn(1, 6), torch.arange(20), torch.tensor([0, 20]), None)
    torch.testing.assert_close(predicted, torch.full((20,), MAX_LOG1P))
