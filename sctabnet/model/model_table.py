"""A model at a glance, for notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from sctabnet.model.training_line import training_line

if TYPE_CHECKING:
    from sctabnet.model.model import Model

_LABELS_SHOWN = 30


def model_table(model: Model) -> str:
    """Return an HTML table: genes, labels, covariates, how it was trained, digest.

    Parameters
    ----------
    model
        The model to show; every text that comes from data is escaped.
    """
    encoder = model.config.encoder
    labels = "none"
    if model.labels:
        more = len(model.labels) - _LABELS_SHOWN
        labels = f"{len(model.labels)}: {', '.join(model.labels[:_LABELS_SHOWN])}"
        labels += f" and {more} more" if more > 0 else ""
    covariates = ", ".join(f"{key} ({len(known)})" for key, known in model.covariates.items())
    n_parameters = sum(p.numel() for p in model.network.parameters())
    rows: list[tuple[str, Any]] = [
        ("genes", f"{len(model.vocabulary):,}, digest {model.vocabulary.digest[:12]}"),
        ("labels", labels),
        ("covariates", covariates or "none"),
        ("input", model.config.accepts),
        ("encoder", f"{encoder.n_steps} steps, {encoder.mask}, {n_parameters:,} parameters"),
    ]
    for number, entry in enumerate(model.history, 1):
        told = ("labels_key", "batch_key", "epochs", "val_loss", "gate", "temperature")
        known = [f"{key} {_short(entry[key])}" for key in told if entry.get(key) is not None]
        rows.append((f"training run {number}", f"{training_line(entry)}: {', '.join(known)}"))
    rows += [("licence", model.config.license), ("digest of the weights", model.digest()[:12])]
    lines = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption>sctabnet model</caption><tbody>{lines}</tbody></table>"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
