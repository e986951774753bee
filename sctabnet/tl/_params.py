"""How a result was made, in types that h5ad and zarr can store."""

from __future__ import annotations

from typing import Any

from sctabnet import __version__
from sctabnet.model.model import Model


def params(function: str, model: Model, **arguments: Any) -> dict[str, Any]:
    """Return ``{"params": ...}``: function, versions, digests and arguments.

    Parameters
    ----------
    function
        Name of the function that made the result.
    model
        Model it was made with.
    **arguments
        What the user asked for; None is left out, because not every store can hold it.
    """
    kept = {name: value for name, value in arguments.items() if value is not None}
    return {
        "params": {
            "function": function,
            "version": __version__,
            "vocabulary": model.vocabulary.digest,
            "weights": model.digest(),
            **kept,
        }
    }
