from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.genes.gene_vocabulary import GeneVocabulary
from sctabnet.model.folder import read_folder, write_folder
from sctabnet.model.model import Model
from sctabnet.model.model_config import ModelConfig
from sctabnet.nn.gene_encoder import GeneEncoder

SMALL = {"n_d": 4, "n_a": 3, "n_steps": 2}


def model_of(seed=0, **options):
    config = ModelConfig(encoder=GeneEncoder.Config(**SMALL), seed=seed)
    return Model(config, GeneVocabulary([f"G{i}" for i in range(10)]), **options)


def test_loads_what_was_saved_bit_for_bit(model, model_folder, cells):
    loaded = sct.Model.load(model_folder)
    mine, theirs = model.network.state_dict(), loaded.network.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert torch.equal(model.calibration.logits, loaded.calibration.logits)
    assert torch.equal(model.calibration.labels, loaded.calibration.labels)
    assert loaded.config == model.config and loaded.labels == model.labels
    assert loaded.covariates == model.covariates and loaded.vocabulary == model.vocabulary
    assert loaded.history == json.loads(json.dumps(model.history))
    options = {"coverage": 0.9, "probability": True, "copy": True}
    first = sct.tl.transfer_labels(cells, model, **options)
    second = sct.tl.transfer_labels(cells, loaded, **options)
    assert first.obs.equals(second.obs)
    for name in first.obsm:
        assert np.array_equal(first.obsm[name], second.obsm[name])
    assert first.uns["sctabnet"] == second.uns["sctabnet"]


def test_saving_twice_writes_the_same_bytes(model, model_folder, tmp_path):
    again = sct.Model.load(model_folder).save(tmp_path / "again")
    for path in model_folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_start_depends_on_the_seed_and_not_on_the_global_generator():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = model_of(labels=["a", "b"])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert model_of(labels=["a", "b"]).digest() == first.digest()
    assert model_of(labels=["a", "b"], seed=1).digest() != first.digest()


def test_more_genes_leave_every_other_initial_parameter_as_it_was():
    ids = [f"G{i}" for i in range(10)]
    few = model_of(labels=["a", "b"])
    config = ModelConfig(encoder=GeneEncoder.Config(**SMALL))
    many = Model(config, GeneVocabulary([*ids, "A", "G55", "Z"]), labels=["a", "b"])
    rows = torch.from_numpy(many.vocabulary.index(few.vocabulary.ids).astype(np.int64))
    with_absent = torch.cat([rows, torch.tensor([13])])
    other = many.network.state_dict()
    for name, tensor in few.network.state_dict().items():
        given = other[name]
        if given.shape != tensor.shape:
            given = given[with_absent if len(tensor) == 11 else rows]
        assert torch.equal(given, tensor), name


def test_is_shown_in_one_line(model):
    assert repr(model) == (
        "Model with 120 genes, 3 labels (B cell, NK, T/CD4), covariates {'batch': 2}, "
        f"{sum(p.numel() for p in model.network.parameters()):,} parameters, takes counts, "
        f"trained for labels on 240 cells of adata, digest {model.digest()[:12]}"
    )
    assert "covariates none" in repr(model_of()) and "not trained" in repr(model_of())
    assert "(a, b, c, d, e, ...)" in repr(model_of(labels=list("abcdefg")))


def test_no_pickle_and_a_card_for_people(model_folder, model):
    names = {path.name for path in model_folder.iterdir()}
    assert names == {
        "config.json", "genes.tsv", "labels.json", "model.safetensors", "manifest.json",
        "README.md",
    }  # fmt: skip
    card = (model_folder / "README.md").read_text()
    assert "T/CD4" in card and "120" in card and "counts" in card and "ridge_c" in card


def test_predicts_in_evaluation_mode_without_gradients(model, cells):
    model.network.train()
    corpus = Corpus.open(
        cells, vocabulary=model.vocabulary, covariate_keys=("batch",),
        covariate_levels=model.covariates,
    )  # fmt: skip
    for _, prediction in model.predict(corpus.minibatches(minibatch_size=100)):
        assert not prediction.logits.requires_grad and not model.network.training
        assert torch.is_grad_enabled()


@pytest.mark.parametrize("key", ["encoder", "trainer"])
def test_an_unknown_key_in_a_configuration_is_named(key):
    values = ModelConfig().to_dict()
    if key == "encoder":
        values["encoder"]["n_stepz"] = 3
        message = r"config.encoder has unknown keys \['n_stepz'\]"
    else:
        values["trainer"] = {}
        message = r"config has unknown keys \['trainer'\]"
    with pytest.raises(ValueError, match=message):
        ModelConfig.from_dict(values)


def test_a_configuration_survives_json():
    config = ModelConfig(encoder=GeneEncoder.Config(mask="sparsemax"), accepts="any", seed=3)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("config.json", lambda text: text[:-9]),
        ("labels.json", lambda text: text.replace(b'"NK"', b'"NK", "more"')),
        ("genes.tsv", lambda text: text[: text.rindex(b"GENE")]),
        ("model.safetensors", lambda text: text[:4]),
    ],
)
def test_files_that_do_not_fit_each_other_under_right_digests(model_folder, tmp_path, name, change):
    files = read_folder(model_folder)
    folder = write_folder(tmp_path / "model", files | {name: change(files[name])})
    with pytest.raises(ValueError, match="is not as it was written: its files do not fit"):
        Model.load(folder)
