"""The closed-form predictors that every learned one has to beat.

Legend of suffixes: q queries, p measured conditions, g genes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.conditions import Condition
from sctabnet.heads.perturb_lookup import PerturbLookup
from sctabnet.heads.perturb_table import PerturbTable

Array = NDArray[np.float64]
_PENALTIES = (0.02, 0.1, 0.5, 2.0)
_TEMPERATURES = (0.01, 0.03, 0.1, 0.3)
_COMPONENTS = 10
_BILINEAR_PENALTY = 0.1


def perturb_rule(
    name: str,
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    controls_cg: Array | None = None,
) -> Array:
    """Predict effects by one closed-form rule.

    Parameters
    ----------
    name
        One of :data:`RULES`: ``no_change``; ``mean`` of the measured effects; ``additive``, the
        sum of the singles, an unseen one replaced by the mean single; ``matching_mean``, the mean
        of the singles (Viñas Torné et al. 2025, Nat Biotechnol); ``scaled_additive``, times one
        factor fitted on measured combinations; ``bilinear`` on components of the measured genes
        (Ahlmann-Eltze et al. 2025, Nat Methods 22:1657); ``nearest`` five entities by embedding;
        ``context_mean``, the same condition's mean effect in other contexts;
        ``context_similar``, that weighted by the similarity of control profiles;
        ``ridge`` on multi-hot entities, its penalty by leave-one-out.
    table
        Measured conditions.
    conditions, contexts
        (q,) queries; a context is a row of ``controls_cg``.
    controls_cg
        Control profiles, those of the table first; the table's own if None.

    Returns
    -------
    float64 (q, g), predicted minus control. The control itself has no effect, exactly.

    Examples
    --------
    >>> sorted(RULES)[:3]
    ['additive', 'bilinear', 'context_mean']
    """
    profiles = table.controls_cg if controls_cg is None else controls_cg
    predicted = RULES[name](table, conditions, np.asarray(contexts, np.int64), profiles)
    predicted[[condition.is_control for condition in conditions]] = 0.0
    return predicted


Query = tuple[PerturbTable, Sequence[Condition], NDArray[np.int64], Array]


def _no_change(table: PerturbTable, conditions: Sequence[Condition], *_: object) -> Array:
    return np.zeros((len(conditions), table.delta_pg.shape[1]))


def _mean(table: PerturbTable, conditions: Sequence[Condition], *_: object) -> Array:
    return np.repeat(table.delta_pg.mean(axis=0)[None], len(conditions), axis=0)


def _additive(
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    profiles: Array,
    *,
    average: bool = False,
) -> Array:
    singles = [i for i, c in enumerate(table.conditions) if len(c.parts) == 1]
    unseen = table.delta_pg[singles or slice(None)].mean(axis=0)
    out = np.zeros((len(conditions), table.delta_pg.shape[1]))
    lookup = PerturbLookup(table)
    for row, (condition, context) in enumerate(zip(conditions, contexts, strict=True)):
        for part in condition.parts:
            weights = lookup.weights(Condition((part,)), int(context))
            out[row] += unseen if weights is None else weights @ table.delta_pg
        if average:
            out[row] /= max(1, len(condition.parts))
    return out


def _matching_mean(*query: object) -> Array:
    return _additive(*query, average=True)  # type: ignore[arg-type]


def _scaled_additive(
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    profiles: Array,
) -> Array:
    several = [i for i, c in enumerate(table.conditions) if len(c.parts) > 1]
    scale = 1.0
    if several:
        fitted = _additive(
            table, [table.conditions[i] for i in several], table.contexts[several], profiles
        )
        scale = float((fitted * table.delta_pg[several]).sum() / max((fitted**2).sum(), 1e-12))
    out = _additive(table, conditions, contexts, profiles)
    out[[len(c.parts) > 1 for c in conditions]] *= scale
    return out


def _bilinear(
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    profiles: Array,
) -> Array:
    """Return G K p + b; an entity that is no measured gene has the components zero."""
    expression_gp = (table.controls_cg[table.contexts] + table.delta_pg).T
    centred = expression_gp - expression_gp.mean(axis=1, keepdims=True)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    k = min(_COMPONENTS, len(table))
    gene_gk = left[:, :k] * size[:k]
    place = {gene: i for i, gene in enumerate(table.gene_ids)}

    def components(wanted: Sequence[Condition]) -> Array:
        out = np.zeros((k, len(wanted)))
        for column, condition in enumerate(wanted):
            for entity in condition.entities:
                if entity in place:
                    out[:, column] += gene_gk[place[entity]]
        return out

    p_kp = components(table.conditions)
    mean_g = table.delta_pg.mean(axis=0)
    y_gp = (table.delta_pg - mean_g).T
    ridge_k = _BILINEAR_PENALTY * np.eye(k)
    inner = np.linalg.solve(gene_gk.T @ gene_gk + ridge_k, gene_gk.T @ y_gp @ p_kp.T)
    inner = np.linalg.solve(p_kp @ p_kp.T + ridge_k, inner.T).T
    return (gene_gk @ inner @ components(conditions)).T + mean_g


def _nearest(
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    profiles: Array,
) -> Array:
    """Return the softmax-weighted mean of the five nearest rows in each source, averaged."""
    out, given = _mean(table, conditions), np.zeros(len(conditions))
    for source in table.embeddings:
        place = {name: i for i, name in enumerate(source.names)}

        def vectors(wanted: Sequence[Condition]) -> tuple[Array, NDArray[np.bool_]]:
            rows = [[place.get(e, -1) for e in c.entities] for c in wanted]  # noqa: B023
            known = np.array([bool(r) and min(r) >= 0 for r in rows])
            sums = [
                source.vectors[r].sum(0) if k else np.zeros(source.vectors.shape[1])  # noqa: B023
                for r, k in zip(rows, known, strict=True)
            ]
            stacked = np.array(sums)
            return stacked / np.maximum(np.linalg.norm(stacked, axis=1)[:, None], 1e-12), known

        mine, known_p = vectors(table.conditions)
        theirs, known_q = vectors(conditions)
        for row in np.flatnonzero(known_q):
            if not known_p.any():
                continue
            similarity = np.where(known_p, mine @ theirs[row], -np.inf)
            best = np.argsort(-similarity, kind="stable")[: min(5, int(known_p.sum()))]
            weights = np.exp((similarity[best] - similarity[best[0]]) / 0.1)
            found = weights @ table.delta_pg[best] / weights.sum()
            out[row] = found if not given[row] else out[row] + found
            given[row] += 1
    return out / np.maximum(given, 1)[:, None]


def _context_mean(
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    profiles: Array,
) -> Array:
    return _transfer(table, conditions, contexts, profiles, (None,))[0]


def _context_similar(
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    profiles: Array,
) -> Array:
    """Temperature by leaving each measured context out; predictions never fall below zero."""
    found = np.unique(table.contexts)
    errors = np.zeros(len(_TEMPERATURES))
    for held_out in found if len(found) > 2 else []:
        rest = table.take(np.flatnonzero(table.contexts != held_out))
        asked = np.flatnonzero(table.contexts == held_out)
        wanted = [table.conditions[i] for i in asked]
        guesses = _transfer(rest, wanted, table.contexts[asked], profiles, _TEMPERATURES)
        errors += [((guess - table.delta_pg[asked]) ** 2).sum() for guess in guesses]
    best = _TEMPERATURES[int(errors.argmin())] if errors.any() else _TEMPERATURES[1]
    [out] = _transfer(table, conditions, contexts, profiles, (best,))
    return np.maximum(out, -profiles[contexts])


def _transfer(
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    profiles: Array,
    temperatures: Sequence[float | None],
) -> list[Array]:
    """Return one prediction per temperature; None weighs all contexts alike."""
    lookup = PerturbLookup(table)
    out = [_additive(table, conditions, contexts, profiles) for _ in temperatures]
    r = _correlation(profiles, table)
    for row, (condition, context) in enumerate(zip(conditions, contexts, strict=True)):
        for i, temperature in enumerate(temperatures):
            similar = None
            if temperature is not None:
                similar = np.exp((r[context] - r[context].max()) / temperature)
            weights = lookup.weights(condition, int(context), similar)
            if weights is not None:
                out[i][row] = weights @ table.delta_pg
    return out


def _ridge(
    table: PerturbTable,
    conditions: Sequence[Condition],
    contexts: NDArray[np.int64],
    profiles: Array,
) -> Array:
    place = {entity: i for i, entity in enumerate(table.entities)}

    def design(wanted: Sequence[Condition]) -> Array:
        out = np.zeros((len(wanted), len(place)))
        for row, condition in enumerate(wanted):
            for entity in condition.entities:
                if entity in place:
                    out[row, place[entity]] += 1.0
        return out

    a_pt = design(table.conditions)
    centre_t, mean_g = a_pt.mean(axis=0), table.delta_pg.mean(axis=0)
    a_pt, y_pg = a_pt - centre_t, table.delta_pg - mean_g
    value, vector = np.linalg.eigh(a_pt @ a_pt.T)
    value, rotated = np.maximum(value, 0.0), vector.T @ y_pg
    errors = {}
    for penalty in _PENALTIES:
        # leave-one-out residuals of a linear smoother: (I - H) y / (1 - h), the mean in H too
        left = 1.0 - (vector**2) @ (value / (value + penalty)) - 1.0 / len(table)
        residual = vector @ ((penalty / (value + penalty))[:, None] * rotated)
        errors[penalty] = float(((residual / np.maximum(left, 1e-6)[:, None]) ** 2).sum())
    penalty = min(errors, key=errors.__getitem__)
    dual = vector @ (rotated / (value + penalty)[:, None])
    return mean_g + (design(conditions) - centre_t) @ a_pt.T @ dual


def _correlation(profiles: Array, table: PerturbTable) -> Array:
    """Return the correlation of control profiles, (all contexts, known ones).

    Contexts without a measured condition get the lowest value of all.
    """
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    r = unit @ unit[: len(table.controls_cg)].T
    measured = np.isin(np.arange(r.shape[1]), table.contexts)
    return np.where(measured, r, -1.0)


RULES: dict[str, Callable[..., Array]] = {
    "no_change": _no_change,
    "mean": _mean,
    "additive": _additive,
    "matching_mean": _matching_mean,
    "scaled_additive": _scaled_additive,
    "bilinear": _bilinear,
    "nearest": _nearest,
    "context_mean": _context_mean,
    "context_similar": _context_similar,
    "ridge": _ridge,
}
