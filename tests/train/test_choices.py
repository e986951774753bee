from __future__ import annotations

import numpy as np
import pytest

from sctabnet.model.model_config import ModelConfig
from sctabnet.nn.gene_encoder import GeneEncoder
from sctabnet.train.choices import Choices
from sctabnet.train.trainer_config import TrainerConfig


def test_an_option_is_found_wherever_it_is_nested():
    choices = Choices.given(n_d=64, max_epochs=5, mask_ratio=0.7, wide=False)
    assert choices.model.encoder.n_d == 64 and choices.trainer.max_epochs == 5
    assert choices.model.reconstruct.mask_ratio == 0.7 and choices.model.labels.wide is False
    assert choices.model.encoder.n_a == GeneEncoder.Config().n_a


def test_objects_and_mappings_are_taken_too():
    model = ModelConfig(encoder=GeneEncoder.Config(n_d=7))
    assert Choices.given(model=model).model == model
    choices = Choices.given(trainer={"max_epochs": 3}, model={"encoder": {"n_d": 9}}, n_a=4)
    assert choices.trainer == TrainerConfig(max_epochs=3)
    assert choices.model.encoder == GeneEncoder.Config(n_d=9, n_a=4)


def test_the_start_keeps_what_is_not_given():
    start = Choices.given(n_d=64, n_steps=5)
    choices = Choices.given(start, n_steps=2)
    assert choices.model.encoder == GeneEncoder.Config(n_d=64, n_steps=2)
    assert start.model.encoder.n_steps == 5


def test_the_callers_objects_are_not_written_into():
    model = ModelConfig()
    choices = Choices.given(model=model)
    choices.model.seed, choices.model.accepts = 99, "any"
    assert model == ModelConfig()


def test_an_unknown_name_is_shown_with_the_closest():
    with pytest.raises(ValueError, match="'n_step'. Did you mean 'n_steps'"):
        Choices.given(n_step=3)
    with pytest.raises(ValueError, match="'colour'. Known options: .*'n_steps'"):
        Choices.given(colour="red")
    with pytest.raises(ValueError, match=r"trainer.max_epoch. Closest: \['max_epochs'\]"):
        Choices.given(trainer={"max_epoch": 3})
    with pytest.raises(ValueError, match="gamma must be at least 1"):
        Choices.given(gamma=0.5)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"n_d": "8"}, "n_d must be of type int. Found '8'"),
        ({"max_epochs": 2.5}, "max_epochs must be of type int. Found 2.5"),
        ({"max_epochs": True}, "max_epochs must be of type int. Found True"),
        ({"learning_rate": None}, "learning_rate must be of type float. Found None"),
        ({"deep": "no"}, "deep must be of type bool. Found 'no'"),
        ({"trainer": "fast"}, "trainer must be a mapping of options by name. Found 'fast'"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"patience": -1}, "patience, weight_decay and sparsity_weight at least 0"),
    ],
)
def test_values_of_the_wrong_type_or_size(option, message):
    with pytest.raises(ValueError, match=message):
        Choices.given(**option)


def test_numbers_of_numpy_become_plain_ones():
    choices = Choices.given(n_d=np.int64(8), gamma=2, mask_ratio=np.float64(0.25), deep=np.True_)
    encoder, model = choices.model.encoder, choices.model
    assert [type(encoder.n_d), type(encoder.gamma)] == [int, float]
    assert type(model.reconstruct.mask_ratio) is float and model.labels.deep is True
