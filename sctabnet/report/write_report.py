from __future__ import annotations

import html
import importlib.resources
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from sctabnet import __version__, _checks, get, pl
from sctabnet._atomic import atomic_text
from sctabnet._keys import Keys
from sctabnet.genes.align import align
from sctabnet.model.model import Model
from sctabnet.pl._figure import label_colours
from sctabnet.report.embedded_figure import embedded_figure
from sctabnet.report.places import places
from sctabnet.report.plain_warnings import plain_warnings

MAX_CELLS = 20_000  # in the map and the table of cells: the page stays below a few megabytes


def write_report(
    adata: AnnData,
    model: Model,
    out: str | os.PathLike[str],
    *,
    labels_key: str | None = None,
    name: str = "",
    key: str = "sctabnet",
    overwrite: bool = False,
) -> Path:
    """Write one self-contained HTML page about annotated cells; it asks the network for nothing.

    Parameters
    ----------
    adata
        Annotated by :func:`sctabnet.tl.transfer_labels`; explained by
        :func:`sctabnet.tl.gene_importance`, if the page shall name genes.
    model
        The model that did it.
    out
        File (.html) to write.
    labels_key
        Column of ``.obs`` with known labels: adds calibration and confusion on these cells.
    name
        What the cells are called on the page.
    key
        The ``key_added`` of these calls.
    overwrite
        Replace the file.

    Returns
    -------
    The path.

    Raises
    ------
    ValueError, KeyError
        If there is no label to report, a column is missing, or the file cannot be written.

    Examples
    --------
    >>> import sctabnet as sct, tempfile, pathlib
    >>> adata, model = sct.datasets.example()
    >>> page = sct.report.write_report(adata, model, pathlib.Path(tempfile.mkdtemp()) / "a.html")
    >>> "NK cell" in page.read_text(encoding="utf-8")
    True
    """
    keys = Keys(key)
    _checks.check_new_file(out, overwrite=overwrite)
    table = get.labels_df(adata, key=key)
    if labels_key is not None:
        _checks.check_obs_key(adata.obs.columns, labels_key, argument="labels_key")
    title = f"Cell types{' of ' + name if name else ''}"
    made = dict(adata.uns.get(key, {}).get("params", {}))
    alignment = align(adata.var_names, model.vocabulary)
    sections = [
        _asked(adata, model, alignment.n_shared, name),
        _warnings(plain_warnings(adata, model, table, alignment.n_shared, made, key)),
        _labels(table),
        _map(adata, key),
        _cells(adata.n_obs),
        _genes(adata, keys, key),
        _truth(adata, labels_key, key),
        _provenance(model, made),
    ]
    page = (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        # a page that may be opened anywhere: nothing is fetched, whatever a name of a cell holds
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; "
        "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">"
        f"<title>{html.escape(title)}</title><style>{_file('page.css')}</style></head><body>"
        f"<h1>{html.escape(title)}</h1>"
        f"<p class='soft'>Written by sctabnet {__version__}.</p>"
        + "\n".join(sections)
        + f"<script id='data' type='application/json'>{_data(adata, table, key)}</script>"
        f"<script>{_file('page.js')}</script></body></html>\n"
    )
    atomic_text(out, page)
    return Path(out)


def _file(name: str) -> str:
    return importlib.resources.files("sctabnet.report").joinpath(name).read_text(encoding="utf-8")


def _rows(rows: list[tuple[Any, ...]], head: tuple[str, ...] = (), numbers: int = 99) -> str:
    """Return an HTML table; columns from ``numbers`` on are aligned as numbers."""

    def line(values: tuple[Any, ...], tag: str) -> str:
        cells = (
            f"<{tag}{' class=n' if i >= numbers else ''}>{html.escape(str(value))}</{tag}>"
            for i, value in enumerate(values)
        )
        return f"<tr>{''.join(cells)}</tr>"

    header = f"<thead>{line(head, 'th')}</thead>" if head else ""
    return f"<table>{header}<tbody>{''.join(line(row, 'td') for row in rows)}</tbody></table>"


def _asked(adata: AnnData, model: Model, n_shared: int, name: str) -> str:
    rows = [
        ("Cells", f"{adata.n_obs:,}{' in ' + name if name else ''}"),
        ("Genes", f"{adata.n_vars:,}; {n_shared:,} of the {len(model.vocabulary):,} of the model"),
        ("Labels to choose from", f"{len(model.labels)}: {', '.join(model.labels)}"),
    ]
    return f"<h2>What was asked</h2>{_rows(rows)}"


def _warnings(lines: list[str]) -> str:
    if not lines:
        return "<h2>Warnings</h2><p>None.</p>"
    return "<h2>Warnings</h2>" + "".join(
        f"<p class='warning'>{html.escape(line)}</p>" for line in lines
    )


def _labels(table: pd.DataFrame) -> str:
    rows: list[tuple[Any, ...]] = []
    for label, group in table.groupby("label", observed=True):
        low = int((group["confidence"] < 0.5).sum())
        unknown = int(group["unknown"].sum()) if "unknown" in group else 0
        mean = f"{group['confidence'].mean():.3f}"
        share = f"{len(group) / len(table):.1%}"
        rows.append((label, f"{len(group):,}", share, mean, f"{low:,}", f"{unknown:,}"))
    rows.sort(key=lambda row: -int(row[1].replace(",", "")))
    head = ("label", "cells", "share", "mean confidence", "confidence < 0.5", "flagged unknown")
    return f"<h2>Labels</h2><div class='scroll'>{_rows(rows, head, 1)}</div>"


def _map(adata: AnnData, key: str) -> str:
    _, caption = places(adata, key)
    if caption is None:
        return (
            "<h2>Map</h2><p class='soft'>No map: there is no embedding. Run "
            "sctabnet.tl.embed(adata, model) first.</p>"
        )
    return (
        f"<h2>Map</h2><p class='soft'>{html.escape(caption)} Scroll to zoom, drag to move, click a "
        "label to hide it.</p><p>Colour <select id='colour'><option>label</option>"
        "<option>confidence</option><option>unknown</option></select> <button id='in'>+</button> "
        "<button id='out'>&minus;</button> <button id='all'>whole</button></p>"
        "<div id='map'><canvas id='canvas' width='640' height='480'></canvas>"
        "<div id='legend'></div></div><p id='tip' class='soft'>&nbsp;</p>"
    )


def _cells(n_cells: int) -> str:
    part = "" if n_cells <= MAX_CELLS else f" A random {MAX_CELLS:,} of {n_cells:,} cells."
    return (
        "<h2>Cells</h2><p>Filter <input id='filter' placeholder='name or label'> "
        "<select id='only'><option value=''>all cells</option><option value='doubtful'>confidence "
        "below 0.5</option><option value='unknown'>flagged as unknown</option></select> "
        f"<span id='count' class='soft'></span></p><p class='soft'>{part}</p>"
        "<div class='scroll'><table id='cells'><thead><tr><th>cell</th><th>label</th>"
        "<th>confidence</th><th>unknown</th></tr></thead><tbody></tbody></table></div>"
    )


def _genes(adata: AnnData, keys: Keys, key: str) -> str:
    if keys.importance not in adata.uns:
        return (
            "<h2>Genes</h2><p class='soft'>Not computed. Run sctabnet.tl.gene_importance(adata, "
            "model), or sctabnet explain, before the report.</p>"
        )
    best = get.importance_df(adata, key=key)
    best = best[best["gene"].isin(adata.var_names)].groupby("group", sort=False).head(8)
    groups = [str(name) for name in adata.uns[keys.importance]["groups"]]
    errors = adata.varm.get(keys.importance_se)
    place = {gene: i for i, gene in enumerate(adata.var_names)}
    rows: list[tuple[Any, ...]] = []
    for name, genes in best.groupby("group", sort=False):
        column = groups.index(str(name))
        said = []
        for gene, score in zip(genes["gene"], genes["score"], strict=True):
            error = "" if errors is None else f" ± {float(errors[place[gene], column]):.2g}"
            said.append(f"{gene} {score:.3g}{error}")
        rows.append((name, ", ".join(said)))
    method = str(adata.uns[keys.importance]["params"]["method"]).replace("_", " ")
    figure = embedded_figure(pl.importance_dotplot(adata, key=key), "genes by label")
    return (
        f"<h2>Genes</h2><p class='soft'>What the model uses ({method}), with its standard error "
        "over cells. No claim about regulation.</p>"
        f"<div class='scroll'>{_rows(rows, ('label', 'genes'))}</div>{figure}"
    )


def _truth(adata: AnnData, labels_key: str | None, key: str) -> str:
    if labels_key is None:
        return (
            "<h2>Calibration</h2><p class='soft'>Not measured: no known labels were given. Name "
            "their column with labels_key to see how far confidences can be believed here.</p>"
        )
    axes = (
        (pl.calibration(adata, labels_key, key=key), "calibration"),
        (pl.coverage(adata, labels_key, key=key), "right labels by share labelled"),
        (pl.confusion(adata, labels_key, key=key), "known against transferred labels"),
    )
    figures = "".join(embedded_figure(ax, text) for ax, text in axes)
    return (
        f"<h2>Calibration</h2><p class='soft'>Against obs[{html.escape(labels_key)!r}]. Figures "
        f"hold for these cells only.</p><div class='figures'>{figures}</div>"
    )


def _provenance(model: Model, made: dict[str, Any]) -> str:
    rows = [(name, value) for name, value in sorted(made.items())]
    rows += [
        (f"training run {i}: {name}", _told(value) if name == "sources" else value)
        for i, entry in enumerate(model.history, 1)
        for name, value in entry.items()
        if name != "dynamics"
    ]
    rows += [("digest of the model's weights", model.digest())]
    return f"<h2>Provenance</h2><div class='scroll'>{_rows(rows)}</div>"


def _told(sources: list[dict[str, Any]], most: int = 20) -> str:
    told = [f"{s['name']} ({s['cells']:,} cells, {s['genes']:,} genes)" for s in sources[:most]]
    more = f" and {len(sources) - most} more" if len(sources) > most else ""
    return ", ".join(told) + more


def _data(adata: AnnData, table: pd.DataFrame, key: str) -> str:
    """Return what the script reads, safe inside a script element."""
    chosen = np.sort(np.random.default_rng(0).permutation(adata.n_obs)[:MAX_CELLS])
    labels = table["label"].cat
    known = [str(name) for name in labels.categories]
    data: dict[str, Any] = {
        "name": [str(name) for name in adata.obs_names[chosen]],
        "label": labels.codes.to_numpy()[chosen].tolist(),
        "labels": known,
        "colours": label_colours(adata, Keys(key).label, known),
        "confidence": table["confidence"].to_numpy(float)[chosen].round(4).tolist(),
        "unknown": table["unknown"].to_numpy(bool)[chosen].astype(int).tolist(),
    }
    where, _ = places(adata, key)
    if where is not None:
        data["x"], data["y"] = where[chosen].astype(float).round(4).T.tolist()
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
