"""The model card: a README.md for people, written from what the model holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sctabnet import __version__

if TYPE_CHECKING:
    from sctabnet.model.model import Model


def card(model: Model) -> str:
    """Return the Markdown text of the model card.

    Parameters
    ----------
    model
        The model to describe; nothing is said that it does not hold.
    """
    config = model.config
    lines = [
        "# sctabnet model",
        "",
        f"Written by sctabnet {__version__}. Load it with `sctabnet.Model.load(folder)`.",
        "",
        "| what | value |",
        "|---|---|",
        f"| genes | {len(model.vocabulary):,}, digest {model.vocabulary.digest[:16]} |",
        f"| labels | {len(model.labels)} |",
        f"| covariates | {', '.join(model.covariates) or 'none'} |",
        f"| input | {config.accepts} |",
        f"| encoder | {config.encoder.n_steps} steps, {config.encoder.mask} over "
        f"{config.encoder.support} genes, n_d {config.encoder.n_d}, n_a {config.encoder.n_a} |",
        "",
    ]
    if model.labels:
        lines += ["## Labels", "", ", ".join(model.labels), ""]
    for number, entry in enumerate(model.history, 1):
        lines += [f"## Training run {number}: {entry.get('task', 'unknown')}", ""]
        lines += [f"- {key}: {value}" for key, value in entry.items() if key != "task"]
        lines += [""]
    lines += [
        "## Limits",
        "",
        "- Confidences were calibrated on held-out cells of the training data; other tissues,",
        "  species or assays may be less well calibrated.",
        "- Attention and importances say what the model uses. They are no claim about regulation.",
        "",
    ]
    return "\n".join(lines)
