from __future__ import annotations

import pytest
import torch

from sctabnet.genes.gene_vocabulary import GeneVocabulary
from sctabnet.model.copy_weights import copy_weights
from sctabnet.model.model import Model
from sctabnet.model.model_config import ModelConfig
from sctabnet.nn.gene_encoder import GeneEncoder


def model_of(genes, *, labels=(), covariates=None, seed=0, n_d=4):
    config = ModelConfig(encoder=GeneEncoder.Config(n_d=n_d, n_a=3, n_steps=2), seed=seed)
    model = Model(config, GeneVocabulary(genes), labels=labels, covariates=covariates)
    torch.manual_seed(seed)
    with torch.no_grad():
        for tensor in model.network.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 1)
    return model


def test_rows_follow_genes_levels_and_labels():
    source = model_of(
        "ABCD", labels=["x", "y"], covariates={"donor": ["d1", "d2"], "batch": ["b1", "b2"]}
    )
    target = model_of("BCDEF", labels=["x", "y"], covariates={"batch": ["b0", "b2", "b1"]}, seed=1)
    untouched = {k: v.clone() for k, v in target.network.state_dict().items()}
    given = {k: v.clone() for k, v in source.network.state_dict().items()}
    copy_weights(source, target)
    found = target.network.state_dict()
    assert all(torch.equal(v, given[k]) for k, v in source.network.state_dict().items())
    for name in ("encoder.embeddings.weight", "encoder.keys.1.weight", "labels.wide.weight"):
        # B C D stand at 1 2 3 there and at 0 1 2 here; the absent token is the last row
        assert torch.equal(found[name][[0, 1, 2, 5]], given[name][[1, 2, 3, 4]]), name
        assert torch.equal(found[name][[3, 4]], untouched[name][[3, 4]]), name
    assert torch.equal(found["encoder.mean"][:3], given["encoder.mean"][1:])
    batch = "covariates.tables.0.weight"
    theirs = given["covariates.tables.1.weight"]
    assert torch.equal(found[batch][[0, 3, 2]], theirs[[0, 1, 2]])  # unknown, b1, b2
    assert torch.equal(found[batch][1], untouched[batch][1])  # b0 is new
    for name in ("encoder.shared.0.weight", "encoder.temperatures", "labels.bias", "labels.gate"):
        if name in given:
            assert torch.equal(found[name], given[name]), name


def test_other_labels_keep_their_own_head():
    source, target = model_of("ABC", labels=["x", "y"]), model_of("ABC", labels=["x", "z"], seed=1)
    before = target.network.labels.wide.weight.clone()
    copy_weights(source, target)
    assert torch.equal(target.network.labels.wide.weight, before)
    assert torch.equal(target.network.encoder.mean, source.network.encoder.mean)


def test_a_pretrained_model_without_covariates_or_labels():
    source = model_of("ABC")
    target = model_of("ABC", labels=["x", "y"], covariates={"batch": ["b"]}, seed=1)
    before = target.network.covariates.tables[0].weight.clone()
    copy_weights(source, target)
    assert torch.equal(target.network.covariates.tables[0].weight, before)
    mine, theirs = target.network.encoder, source.network.encoder
    assert torch.equal(mine.embeddings.weight, theirs.embeddings.weight)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="encoders differ in size: .* is .* in the model to start"):
        copy_weights(model_of("ABC"), model_of("ABC", n_d=5))
