"""The mixed model: effects of entities, of the mean, of embeddings and of contexts at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from sctabnet.data.conditions import Condition
from sctabnet.heads.perturb_dose import PerturbDose
from sctabnet.heads.perturb_link import perturb_link
from sctabnet.heads.perturb_table import PerturbTable

Array = NDArray[np.float64]
_ROUNDS = 10  # of scaling to a total; the offset of the link makes one round inexact


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelShares:
    """Variances of the mixed model relative to that of an entity's own effect."""

    noise: float = 0.02
    """What singles and combinations do not explain, per condition, beside measurement error."""
    shared: float = 0.1
    """Effect that all conditions share."""
    identity: float = 0.1
    """What a combination does in every context beyond its entities."""
    context: float = 0.3
    """Share of every effect that differs between contexts, more where controls differ more."""
    embedding: float = 0.0
    """Part of an entity's effect that its embeddings tell, once per source."""


class PerturbKernel:
    r"""Best linear predictor of effects under a mixed model, in closed form.

    The effect of condition p in context c is a draw from a Gaussian whose covariance with that of
    (q, c') is

    .. math:: \big(\tau_0 + \langle z_p, z_q \rangle + \tau_e \sum_s \langle \phi^s_p, \phi^s_q
              \rangle + \tau_u 1[p = q]\big) \cdot \big(1 - \beta + \beta S_{cc'}\big)

    with :math:`z_p` the entities of p at the strength of their doses, :math:`\phi^s_p` the sum of
    their vectors in source s, and S the similarity of the contexts' control profiles. The known
    sampling error of each measured effect is added to the diagonal, so that effects of few cells
    are shrunk most. Combinations share information with all others that have an entity in common
    (Henderson 1975, Biometrics 31:423, for the predictor).

    Parameters
    ----------
    table
        Measured conditions.
    shares
        Variances.
    """

    def __init__(self, table: PerturbTable, shares: KernelShares) -> None:
        # in one context an interaction cannot be told from noise
        several = len(np.unique(table.contexts)) > 1
        self.table, self.shares = table, shares if several else replace(shares, identity=0.0)
        self.dose = PerturbDose(table)
        denoised, self.n_directions = _denoised(table)
        self._factors = _factors(replace(table, delta_pg=denoised))
        self._distance = _mean_square_distance(table.controls_cg)
        signal = float((table.delta_pg**2).mean() - table.error_p.mean())
        parts = float(np.mean([len(c.parts) for c in table.conditions]))
        # a screen whose effects drown in noise still has a finite ratio: everything is shrunk
        floor = 0.01 * float((table.delta_pg**2).mean()) + 1e-12
        self.unit = max(signal, floor) / parts
        # of the sampling error only that in the kept directions is left
        self.noise_p = table.error_p * (self.n_directions / table.delta_pg.shape[1])
        covariance = self._covariance(table.conditions, table.contexts, table.controls_cg)
        covariance[np.diag_indices_from(covariance)] += shares.noise + self.noise_p / self.unit
        self.inverse_pp = np.linalg.inv(covariance)

    def weights(
        self, conditions: Sequence[Condition], contexts: NDArray[np.int64], controls_cg: Array
    ) -> tuple[Array, Array]:
        """Return weights over measured rows, (q, p), and variances of the effects, (q,)."""
        cross = self._covariance(conditions, contexts, controls_cg)
        weights = cross @ self.inverse_pp
        own = self._diagonal(conditions)
        variance = np.maximum(own + self.shares.noise - (weights * cross).sum(axis=1), 0.0)
        return weights, variance * self.unit

    def predict(
        self,
        conditions: Sequence[Condition],
        contexts: NDArray[np.int64],
        controls_cg: Array,
        *,
        keep_total: bool = False,
    ) -> Array:
        """Return (q, g) effects, which are factors, see :func:`perturb_link`.

        With ``keep_total`` every predicted profile is scaled to the total that its relatives have:
        where the panel is the whole of what was counted, one gene's gain is the others' loss, and
        the factors of two perturbations do not just multiply.
        """
        weights, _ = self.weights(conditions, contexts, controls_cg)
        return _act(weights, self._factors, controls_cg[contexts], keep_total)

    def left_out(
        self, held: NDArray[np.int64], rest: tuple[Array, Array], *, keep_total: bool = False
    ) -> Array:
        """Return predictions for rows that are left out together, (held, g), without a refit.

        ``rest`` are the :meth:`factors` of a table without these rows.
        """
        others = np.setdiff1d(np.arange(len(self.table)), held)
        block = self.inverse_pp[np.ix_(held, held)]
        weights = -np.linalg.solve(block, self.inverse_pp[np.ix_(held, others)])
        return _act(weights, rest, self.table.controls_cg[self.table.contexts[held]], keep_total)

    @staticmethod
    def factors(table: PerturbTable) -> tuple[Array, Array]:
        """Return denoised effects on the log scale (p, g), and what they do to log totals (p,)."""
        denoised, _ = _denoised(table)
        return _factors(replace(table, delta_pg=denoised))

    def left_out_variance(self, held: NDArray[np.int64]) -> Array:
        """Return (held,) variances of those predictions, measurement error of the rows left out."""
        block = np.linalg.inv(self.inverse_pp[np.ix_(held, held)])
        error = self.noise_p[held] / self.unit
        return np.maximum(np.diag(block) - error, 0.0) * self.unit

    def _covariance(
        self, conditions: Sequence[Condition], contexts: NDArray[np.int64], controls_cg: Array
    ) -> Array:
        """Return the covariance of queries with measured rows, (q, p)."""
        shares, table = self.shares, self.table
        cross = shares.shared + self._design(conditions) @ self._design(table.conditions).T
        if shares.embedding > 0:
            for source in range(len(table.embeddings)):
                mine = self._vectors(table.conditions, source)
                cross = cross + shares.embedding * self._vectors(conditions, source) @ mine.T
        if shares.identity > 0:
            known = {c: i for i, c in enumerate(dict.fromkeys(table.conditions))}
            codes = np.array([known[c] for c in table.conditions])
            asked = np.array([known.get(c, -1) for c in conditions])
            cross = cross + shares.identity * (asked[:, None] == codes)
        square = cdist(controls_cg, table.controls_cg, "sqeuclidean")
        similar = np.exp(-square / self._distance)[np.ix_(contexts, table.contexts)]
        return cross * (1 - shares.context + shares.context * similar)

    def _diagonal(self, conditions: Sequence[Condition]) -> Array:
        shares = self.shares
        known = (self._design(conditions) ** 2).sum(axis=1)
        # an entity that was never measured has an effect too, of which nothing is known
        unknown = [
            sum(self.dose.strength(e, d) ** 2 for e, d in c.parts if e not in self._place)
            for c in conditions
        ]
        own = shares.shared + shares.identity + known + np.array(unknown, float)
        if shares.embedding > 0:
            for source in range(len(self.table.embeddings)):
                vectors = self._vectors(conditions, source)
                own = own + shares.embedding * (vectors**2).sum(axis=1)
        return own

    @property
    def _place(self) -> dict[str, int]:
        return {entity: i for i, entity in enumerate(self.table.entities)}

    def _design(self, conditions: Sequence[Condition]) -> Array:
        """Return (conditions, entities), strengths at the doses given."""
        place = self._place
        out = np.zeros((len(conditions), len(place)))
        for row, condition in enumerate(conditions):
            for entity, dose in condition.parts:
                if entity in place:
                    out[row, place[entity]] = self.dose.strength(entity, dose)
        return out

    def _vectors(self, conditions: Sequence[Condition], source: int) -> Array:
        embedding = self.table.embeddings[source]
        place = {name: i for i, name in enumerate(embedding.names)}
        out = np.zeros((len(conditions), embedding.vectors.shape[1]))
        for row, condition in enumerate(conditions):
            for entity, dose in condition.parts:
                if entity in place:
                    out[row] += (
                        self.dose.strength(entity, dose) * (embedding.vectors[place[entity]])
                    )
        return out


def _denoised(table: PerturbTable) -> tuple[Array, int]:
    """Return effects with their singular values shrunk for the known noise, and how many are left.

    The optimal shrinkage for white noise of known variance (Gavish and Donoho 2017, IEEE Trans.
    Inf. Theory 63:2137, Frobenius loss): directions that noise alone would give are dropped.
    """
    p, g = table.delta_pg.shape
    left, size, right = np.linalg.svd(table.delta_pg, full_matrices=False)
    aspect = min(p, g) / max(p, g)
    y = size / max(np.sqrt(table.error_p.mean() * max(p, g)), 1e-12)
    square = np.maximum((y**2 - aspect - 1) ** 2 - 4 * aspect, 0.0)
    shrunk = np.where(y > 1 + np.sqrt(aspect), np.sqrt(square) / np.maximum(y, 1e-12) ** 2, 0.0)
    return (left * (size * shrunk)) @ right, int((shrunk > 0).sum())


def _factors(table: PerturbTable) -> tuple[Array, Array]:
    control = np.maximum(table.controls_cg[table.contexts], 0.0)
    perturbed = np.maximum(control + table.delta_pg, 0.0)
    return table.log_delta(), _log_total(perturbed) - _log_total(control)


def _act(
    weights: Array, factors: tuple[Array, Array], control_qg: Array, keep_total: bool
) -> Array:
    """Return the change (q, g) that weighted factors make to control profiles."""
    control_qg = np.maximum(control_qg, 0.0)
    linked = perturb_link(control_qg) + weights @ factors[0]
    moved = perturb_link(linked, inverse=True)
    if keep_total:
        wanted = _log_total(control_qg) + weights @ factors[1]
        for _ in range(_ROUNDS):
            linked = linked + (wanted - _log_total(moved))[:, None]
            moved = perturb_link(linked, inverse=True)
    return moved - control_qg


def _log_total(x: Array) -> Array:
    return np.log(np.maximum(np.expm1(x).sum(axis=1), 1e-12))


def _mean_square_distance(controls_cg: Array) -> float:
    """Return the mean squared distance of two contexts; 1 where there is only one."""
    n = len(controls_cg)
    square = cdist(controls_cg, controls_cg, "sqeuclidean").sum() / max(1, n * (n - 1))
    return float(square) or 1.0
