"""Options of a training run, given by nested configuration or by plain names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from sctabnet._errors import InputError
from sctabnet.model.model_config import ModelConfig
from sctabnet.train.trainer_config import TrainerConfig

_PLAIN = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(kw_only=True)
class Choices:
    """Model and training loop of one run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """Encoder and heads."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Training loop."""

    @classmethod
    def given(cls, start: Choices | None = None, **config: Any) -> Choices:
        """Return the choices after applying ``config`` to ``start`` (the defaults if None).

        Names are those of the nested configuration (``model=``, ``trainer=``, as objects or
        mappings) or of any single option in it (``n_d=64``, ``max_epochs=5``).

        Raises
        ------
        ValueError
            If a name is unknown, in which case the closest known name is shown, or a value is of
            the wrong type.
        """
        result = start or cls()
        for name, value in config.items():
            result, found = _assign(result, name, value)
            if not found:
                known = sorted(set(_names(result)))
                close = get_close_matches(name, known, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else f" Known options: {known}."
                raise InputError(f"Unknown option {name!r}.{hint}")
        # the caller's objects stay as they are: what a run finds out is written into the model's
        return replace(result, model=replace(result.model))


def _names(config: Any) -> list[str]:
    names = []
    for f in fields(config):
        names.append(f.name)
        value = getattr(config, f.name)
        if is_dataclass(value):
            names += _names(value)
    return names


def _assign(config: Any, name: str, value: Any) -> tuple[Any, bool]:
    """Return a copy of ``config`` in which the first option called ``name`` has ``value``."""
    own = {f.name: f.type for f in fields(config)}
    if name in own:
        current = getattr(config, name)
        if is_dataclass(current) and isinstance(value, Mapping):
            for key, inner in value.items():
                current, found = _assign(current, key, inner)
                if not found:
                    close = get_close_matches(key, _names(current), n=1)
                    raise InputError(
                        f"Unknown option {name}.{key}. Closest: {close or _names(current)}."
                    )
            value = current
        elif is_dataclass(current) and not isinstance(value, type(current)):
            raise InputError(
                f"{name} must be a mapping of options by name. Found {value!r}. "
                f"Its options are {_names(current)}."
            )
        return replace(config, **{name: _typed(name, value, str(own[name]))}), True
    for f in fields(config):
        nested = getattr(config, f.name)
        if is_dataclass(nested):
            changed, found = _assign(nested, name, value)
            if found:
                return replace(config, **{f.name: changed}), True
    return config, False


def _typed(name: str, value: Any, wanted: str) -> Any:
    """Return a value as the plain int, float, bool or text that the option is declared to hold."""
    plain = value.item() if isinstance(value, np.generic) else value
    if wanted == "float" and type(plain) is int:
        plain = float(plain)
    if wanted in _PLAIN and type(plain) is not _PLAIN[wanted]:
        raise InputError(f"{name} must be of type {wanted}. Found {value!r}.")
    return plain
