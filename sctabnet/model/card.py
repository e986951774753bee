"""The model card: a README.md for people, written from what the model holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sctabnet import __version__
from sctabnet.model.label_scores import label_scores

if TYPE_CHECKING:
    from sctabnet.model.model import Model

NOT_STATED = "not stated"
_SOURCES_SHOWN = 50
_CONFUSIONS_SHOWN = 10
_LONG = ("task", "sources", "dynamics")  # told elsewhere, or too much for a card


def card(model: Model) -> str:
    """Return the Markdown text of the model card.

    Parameters
    ----------
    model
        The model to describe; nothing is said that it does not hold.
    """
    config = model.config
    lines = [
        *_front_matter(config.license),
        "# sctabnet model",
        "",
        f"Written by sctabnet {__version__}. Load it with `sctabnet.Model.load(folder)`.",
        "",
        *_table(
            ("what", "value"),
            [
                ("licence", config.license),
                ("genes", f"{len(model.vocabulary):,}, digest {model.vocabulary.digest[:16]}"),
                ("labels", len(model.labels)),
                ("covariates", ", ".join(model.covariates) or "none"),
                ("input", config.accepts),
                (
                    "encoder",
                    f"{config.encoder.n_steps} steps, {config.encoder.mask} over "
                    f"{config.encoder.support} genes, n_d {config.encoder.n_d}, "
                    f"n_a {config.encoder.n_a}",
                ),
                ("digest of the weights", model.digest()),
            ],
        ),
    ]
    if model.labels:
        lines += _labels(model)
    for number, entry in enumerate(model.history, 1):
        lines += [f"## Training run {number}: {entry.get('task', 'unknown')}", ""]
        lines += _sources(entry.get("sources", ()), len(model.vocabulary))
        lines += [f"- {key}: {value}" for key, value in entry.items() if key not in _LONG]
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


def _front_matter(licence: str) -> list[str]:
    """Return what model hubs read; a licence that nobody stated is not made up."""
    stated = [] if licence == NOT_STATED else [f"license: {' '.join(licence.lower().split())}"]
    tags = ["tags:", "- single-cell", "- scRNA-seq", "- tabnet"]
    return ["---", "library_name: sctabnet", *stated, *tags, "---", ""]


def _labels(model: Model) -> list[str]:
    """Return the labels with what was measured on reference cells that were held out."""
    head, calibration = model.network.labels, model.calibration
    if head is None or calibration is None or not len(calibration.labels):
        return ["## Labels", "", ", ".join(model.labels), ""]
    scores = label_scores(calibration, float(head.log_temperature))
    rows = [
        (name, f"{n:,}", f"{f1:.3f}" if n else "no held-out cell")
        for name, n, f1 in zip(model.labels, scores.n, scores.f1, strict=True)
    ]
    confused = [i for i in range(len(model.labels)) if scores.taken_for[i] >= 0]
    confused.sort(key=lambda i: -scores.taken_share[i])
    mistakes = [
        f"- {model.labels[i]} was taken for {model.labels[scores.taken_for[i]]} "
        f"in {scores.taken_share[i]:.1%} of its {scores.n[i]:,} cells"
        for i in confused[:_CONFUSIONS_SHOWN]
    ]
    return [
        "## Labels",
        "",
        f"Measured on {len(calibration.labels):,} reference cells that the scored weights were not "
        f"trained on: accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f}.",
        "",
        *_table(("label", "held-out cells", "F1"), rows),
        f"Calibration: temperature {float(head.log_temperature.exp()):.3f}, expected calibration "
        f"error {scores.calibration_error:.3f}, both from the cells above.",
        "",
        "### Known confusions",
        "",
        *(mistakes or ["- none among the held-out cells"]),
        "",
    ]


def _sources(sources: Sequence[Mapping[str, Any]], n_genes: int) -> list[str]:
    if not sources:
        return []
    rows = [
        (s["name"], f"{s['cells']:,}", f"{s['genes']:,} ({s['genes'] / n_genes:.0%})")
        for s in sources[:_SOURCES_SHOWN]
    ]
    lines = _table(("source", "cells", "genes measured"), rows)
    more = len(sources) - _SOURCES_SHOWN
    return [*lines, f"and {more} more sources", ""] if more > 0 else lines


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    def line(cells: Sequence[Any]) -> str:
        texts = (" ".join(str(cell).split()).replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(texts)} |"

    return [line(head), f"|{'---|' * len(head)}", *map(line, rows), ""]
