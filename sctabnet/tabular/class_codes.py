"""Class labels as codes, and as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

from sctabnet._errors import InputError


def codes_of(y: Any, classes_c: NDArray[Any]) -> NDArray[np.int64]:
    """Return each label's position in ``classes_c``."""
    y_n = column_or_1d(y)
    position = {label: i for i, label in enumerate(classes_c.tolist())}
    unseen = sorted({str(label) for label in y_n.tolist() if label not in position})
    if unseen:
        raise InputError(
            f"An evaluation set has classes that training did not. Found {unseen[:10]}. "
            "Leave these rows out, or add such rows to the training set."
        )
    return np.array([position[label] for label in y_n.tolist()], dtype=np.int64)


def classes_to_json(classes_c: NDArray[Any]) -> dict[str, Any]:
    """Return labels and their dtype as JSON types."""
    return {"dtype": classes_c.dtype.str, "labels": classes_c.tolist()}


def classes_from_json(state: dict[str, Any]) -> NDArray[Any]:
    """Return the labels that :func:`classes_to_json` described."""
    dtype = object if state["dtype"] == "|O" else np.dtype(state["dtype"])
    return np.array(state["labels"], dtype=dtype)
