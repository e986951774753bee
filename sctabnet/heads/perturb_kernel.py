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
        self.effects_pg, self.n_directions = _denoised(table)
        self._log_delta = replace(table, delta_pg=self.effects_pg).log_delta()
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
        link_weight: float,
    ) -> Array:
        """Return (q, g) effects: those that add up on the log1p scale and those on the log scale.

        ``link_weight`` is the weight of the latter, see :func:`perturb_link`.
        """
        weights, _ = self.weights(conditions, contexts, controls_cg)
        effects = (weights @ self.effects_pg, weights @ self._log_delta)
        return _two_scales(*effects, controls_cg[contexts], link_weight)

    def left_out(
        self, held: NDArray[np.int64], rest_effects: tuple[Array, Array], *, link_weight: float
    ) -> Array:
        """Return predictions for rows that are left out together, (held, g), without a refit.

        ``rest_effects`` are the :meth:`effects` of a table without these rows.
        """
        rest = np.setdiff1d(np.arange(len(self.table)), held)
        block = self.inverse_pp[np.ix_(held, held)]
        weights = -np.linalg.solve(block, self.inverse_pp[np.ix_(held, rest)])
        profiles = self.table.controls_cg[self.table.contexts[held]]
        linear, logged = rest_effects
        return _two_scales(weights @ linear, weights @ logged, profiles, link_weight)

    @staticmethod
    def effects(table: PerturbTable) -> tuple[Array, Array]:
        """Return denoised effects (p, g) on the log1p scale and on the log scale."""
        denoised, _ = _denoised(table)
        return denoised, replace(table, delta_pg=denoised).log_delta()

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


def _two_scales(linear_qg: Array, logged_qg: Array, control_qg: Array, weight: float) -> Array:
    moved = perturb_link(perturb_link(control_qg) + logged_qg, inverse=True)
    control_qg = np.maximum(control_qg, 0.0)
    return (1 - weight) * np.maximum(linear_qg, -control_qg) + weight * (moved - control_qg)


def _mean_square_distance(controls_cg: Array) -> float:
    """Return the mean squared distance of two contexts; 1 where there is only one."""
    n = len(controls_cg)
    square = cdist(controls_cg, controls_cg, "sqeuclidean").sum() / max(1, n * (n - 1))
    return float(square) or 1.0
