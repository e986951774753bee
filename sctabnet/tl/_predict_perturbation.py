from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet._keys import Keys
from sctabnet._value_kind import ValueKind
from sctabnet.data.conditions import parse_conditions
from sctabnet.data.corpus import Corpus
from sctabnet.heads.perturb import PerturbHead
from sctabnet.heads.perturb_cells import perturb_cells
from sctabnet.model.model import Model
from sctabnet.nn.normalise import normalise
from sctabnet.tl._check_applicable import check_applicable
from sctabnet.tl._open_query import open_query
from sctabnet.tl._params import params

Array = NDArray[np.float64]


def predict_perturbation(
    adata: AnnData,
    model: Model,
    perturbations: Sequence[str],
    *,
    dose: Sequence[str | float] | None = None,
    n_cells: int | None = None,
    return_: Literal["cells", "mean", "delta"] = "cells",
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    random_state: int = 0,
) -> AnnData:
    """Predict expression after perturbations that may never have been measured.

    Parameters
    ----------
    adata
        Control cells, or cells among which ``obs`` names the controls as in training; others are
        not looked at. Contexts are read from the columns of training. A context that the model
        does not know is described by its control cells.
    model
        Model with a perturbation head.
    perturbations
        Conditions such as ``"KLF1"`` or ``"KLF1+MAP2K6"``. An entity that nothing is known of is
        no error: it gets the mean effect and is flagged.
    dose
        One dose per perturbation, a number or ``"1.0+0.5"``; 1 if None.
    n_cells
        Control cells to carry over for each perturbation and context; all if None.
    return_
        ``"cells"``; or one row per perturbation and context, its ``"mean"`` or its ``"delta"``
        (mean minus control).
    layer, value_kind
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``; and what its values are.
    random_state
        Seed of the draw of control cells, and of which cells express a gene.

    Returns
    -------
    A new AnnData, log1p values on the scale of training.

    ``.obs``
        ``perturbation`` as asked, ``condition`` in canonical form, the context columns,
        ``support`` (``"seen"``, ``"partly seen"``, ``"by embedding"``, ``"mean fallback"``),
        ``n_parts`` and ``n_parts_seen``, ``uncertainty`` (expected error per gene),
        ``better_than_mean``; for cells, ``control_cell`` they came from.
    ``.layers["lower"]``, ``.layers["upper"]``
        Conformal interval per gene, for means and deltas.
    ``.layers["attention"]``
        For means and deltas, how much of the residual network's attention each gene has: the genes
        that carry the predicted response. Rows sum to 1 over the genes of the model.
    ``.uns["sctabnet"]["params"]``
        How it was made.

    Raises
    ------
    ValueError, KeyError
        If the data do not fit the model, the model has no perturbation head, or there is no
        control cell.

    Examples
    --------
    >>> import sctabnet as sct
    >>> screen, model = sct.datasets.example_perturbation()
    >>> effects = sct.tl.predict_perturbation(screen, model, ["P3", "P1+P2"], return_="delta")
    >>> list(effects.obs["support"])
    ['seen', 'partly seen']
    """
    check_applicable(adata, model, copy=True)
    head = model.network.perturb
    if head is None:
        raise InputError(
            "The model predicts no perturbations. Found no perturbation head. Train one with "
            "sctabnet.finetune(..., perturbation_key=..., init=model)."
        )
    _checks.check_choice(return_, ("cells", "mean", "delta"), argument="return_")
    perturbations = _checks.checked_names(perturbations, argument="perturbations", least=1)
    if n_cells is not None and (not isinstance(n_cells, Integral) or n_cells < 1):
        raise InputError(f"n_cells must be a whole number of at least 1. Found {n_cells!r}.")
    doses = [dose] if isinstance(dose, str | Real) else dose
    known = sorted({entity for c in head.conditions for entity in c.entities})
    conditions = parse_conditions(
        perturbations, control=head.about["control"], doses=doses, known=known
    )
    corpus = open_query(adata, model, layer=layer, value_kind=value_kind)
    if corpus.value_kind != head.about["value_kind"]:
        raise InputError(
            f"The model was trained on {head.about['value_kind']} values. Found "
            f"{corpus.value_kind} in layer={layer!r}. These matrices are there: "
            f"{_checks.matrices_that_look_right(adata)}."
        )
    controls = _control_cells(adata, head)
    contexts = _contexts(adata, head, controls)
    x_ng, columns, genes = _values(corpus, head, controls)
    profiles, detected, names, codes = _profiles(head, contexts, x_ng, genes)
    asked = [c for c in conditions for _ in names]
    at = np.tile([names[name] for name in names], len(conditions))
    found = head(asked, at, profiles)
    obs = pd.DataFrame(
        {
            "perturbation": np.repeat(perturbations, len(names)),
            "condition": [c.name for c in asked],
            **_context_columns(head, list(names) * len(conditions)),
            "support": found.support,
            "n_parts": [len(c.parts) for c in asked],
            "n_parts_seen": found.n_parts_seen,
            "uncertainty": found.uncertainty_q,
            "better_than_mean": found.better_than_mean,
        }
    )
    order = np.argsort(columns)
    genes, columns = genes[order], columns[order]
    var = adata.raw.var.iloc[columns] if layer == "raw" else adata.var.iloc[columns]
    delta, width = found.delta_qg[:, genes], found.half_width_qg[:, genes]
    if return_ == "cells":
        x, obs = _cells(
            obs, x_ng[:, order], profiles[at][:, genes], detected[at][:, genes], delta,
            codes=codes, at=at, genes=genes, names=adata.obs_names[controls].tolist(),
            n_cells=n_cells, seed=random_state,
        )  # fmt: skip
        result = AnnData(x, obs=obs, var=var.copy())
    else:
        base = profiles[at][:, genes] if return_ == "mean" else np.zeros_like(delta)
        obs.index = _unique(
            f"{c}|{k}"
            for c, k in zip(obs["condition"], np.tile(list(names), len(conditions)), strict=True)
        )
        lower, upper = base + delta - width, base + delta + width
        floor = 0.0 if return_ == "mean" else -profiles[at][:, genes]
        result = AnnData((base + delta).astype(np.float32), obs=obs, var=var.copy())
        result.layers["lower"] = np.maximum(lower, floor).astype(np.float32)
        result.layers["upper"] = np.maximum(upper, floor).astype(np.float32)
        result.layers["attention"] = found.attention_qg[:, genes].astype(np.float32)
    for column in ("perturbation", "condition", "support", *head.about["context_keys"]):
        result.obs[column] = result.obs[column].astype("category")
    made = params(
        "predict_perturbation", model, layer=layer, return_=return_, random_state=random_state
    )
    result.uns[Keys().uns] = made
    return result


def _control_cells(adata: AnnData, head: PerturbHead) -> NDArray[np.int64]:
    keys = head.about["perturbation_key"]
    if not set(keys) <= set(adata.obs.columns):
        return np.arange(adata.n_obs)
    slots = [adata.obs[key].astype("object").where(adata.obs[key].notna(), "") for key in keys]
    names = [list(map(str, row)) for row in zip(*slots, strict=True)]
    texts = [row[0] for row in names] if len(keys) == 1 else names
    unique = {str(text): text for text in texts}
    known = parse_conditions(list(unique.values()), control=head.about["control"])
    control = {name for name, c in zip(unique, known, strict=True) if c.is_control}
    rows = np.flatnonzero([str(text) in control for text in texts])
    if not len(rows):
        raise InputError(
            f"obs[{keys[0]!r}] names no control cells. Found {sorted(unique)[:5]}. Include cells "
            f"named {head.about['control']!r}: predictions start from them."
        )
    return rows


def _contexts(adata: AnnData, head: PerturbHead, rows: NDArray[np.int64]) -> list[str]:
    keys = head.about["context_keys"]
    for key in keys:
        _checks.check_obs_key(adata.obs.columns, key, argument="context_keys")
    if not keys:
        return ["all"] * len(rows)
    columns = [adata.obs[key].astype(str).to_numpy()[rows] for key in keys]
    return ["|".join(row) for row in zip(*columns, strict=True)]


def _context_columns(head: PerturbHead, names: list[str]) -> dict[str, list[str]]:
    keys = head.about["context_keys"]
    return {key: [name.split("|")[i] for name in names] for i, key in enumerate(keys)}


def _values(
    corpus: Corpus, head: PerturbHead, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return log1p values (n, shared genes), their columns in the data and genes of the head."""
    place = np.full(len(corpus.vocabulary), -1)
    gene_rows = head.gene_rows.cpu().numpy()
    place[gene_rows] = np.arange(len(gene_rows))
    lut = corpus.alignments[0].lut
    columns = np.flatnonzero((lut >= 0) & (place[np.maximum(lut, 0)] >= 0))
    genes = place[lut[columns]]
    blocks = []
    for minibatch in corpus.minibatches(rows):
        logged = bool(minibatch.is_log1p.all())
        x = (minibatch.values if logged else normalise(minibatch)).numpy()
        shape = (len(minibatch), len(corpus.vocabulary))
        cells = sp.csr_array((x, minibatch.indices.numpy(), minibatch.offsets.numpy()), shape=shape)
        blocks.append(cells[:, gene_rows[genes]].toarray().astype(np.float32))
    return np.concatenate(blocks), columns, genes


def _profiles(
    head: PerturbHead, contexts: list[str], x_ng: NDArray[np.float32], genes: NDArray[np.int64]
) -> tuple[Array, Array, dict[str, int], NDArray[np.int64]]:
    """Return profiles and detection (c, g), contexts asked for, and the context of each cell.

    Known contexts keep their stored profile, so that a prediction does not depend on which other
    control cells are given. Genes that the data lack have the mean of the known contexts.
    """
    table = head.table
    known = {name: i for i, name in enumerate(table.context_names)}
    profiles, detected = list(table.controls_cg), list(table.detected_cg)
    asked = dict.fromkeys(sorted(set(contexts)))
    for name in asked:
        if name not in known:
            cells = x_ng[[c == name for c in contexts]].astype(np.float64)
            profile, share = table.controls_cg.mean(axis=0), table.detected_cg.mean(axis=0)
            profile[genes], share[genes] = cells.mean(axis=0), (cells > 0).mean(axis=0)
            known[name] = len(profiles)
            profiles.append(profile)
            detected.append(share)
    names = {name: known[name] for name in asked}
    return np.array(profiles), np.array(detected), names, np.array([known[c] for c in contexts])


def _cells(
    obs: pd.DataFrame,
    x_ng: NDArray[np.float32],
    profiles_qg: Array,
    detected_qg: Array,
    delta_qg: Array,
    *,
    codes: NDArray[np.int64],
    at: NDArray[np.int64],
    genes: NDArray[np.int64],
    names: list[str],
    n_cells: int | None,
    seed: int,
) -> tuple[sp.csr_matrix, pd.DataFrame]:
    blocks, rows, made = [], [], []
    for query in range(len(obs)):
        mine = np.flatnonzero(codes == at[query])
        if n_cells is not None:
            rng = np.random.default_rng([seed, int(at[query])])
            mine = np.sort(rng.choice(mine, n_cells, replace=n_cells > len(mine)))
        start = [names[i] for i in mine]
        keyed = _unique(start)
        moved = perturb_cells(
            x_ng[mine],
            keyed,
            genes,
            profiles_qg[query],
            detected_qg[query],
            delta_qg[query],
            seed=seed,
        )
        blocks.append(sp.csr_matrix(moved))
        rows += [query] * len(mine)
        made += [
            (f"{obs['condition'].iloc[query]}|{k}", cell)
            for k, cell in zip(keyed, start, strict=True)
        ]
    out = obs.iloc[rows].copy()
    out.index = _unique(name for name, _ in made)
    out["control_cell"] = [cell for _, cell in made]
    return sp.vstack(blocks, format="csr"), out


def _unique(names: Iterable[str]) -> list[str]:
    """Return the names with ``#1``, ``#2`` and so on behind the second and later copies."""
    listed = list(names)
    copies = pd.Series(listed).groupby(listed).cumcount()
    return [f"{name}#{k}" if k else name for name, k in zip(listed, copies, strict=True)]
