"""Perturbation effects: the best closed-form predictor, and what earns its place beyond it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sctabnet.data.conditions import Condition
from sctabnet.heads.perturb_choices import SUPPORTS, TASKS, PerturbChoices
from sctabnet.heads.perturb_kernel import KernelShares, PerturbKernel
from sctabnet.heads.perturb_prediction import PerturbPrediction
from sctabnet.heads.perturb_residual import PerturbResidual
from sctabnet.heads.perturb_rule import perturb_rule
from sctabnet.heads.perturb_table import PerturbEmbedding, PerturbTable

Array = NDArray[np.float64]


class PerturbHead(nn.Module):
    r"""Mean effects of perturbations, known and unknown, on the log1p expression of g genes.

    .. math:: \hat\delta = (1 - a)\,\hat\delta_{rule}
              + a\,\big(\ell^{-1}(\ell(x_c) + W L) - x_c\big) + b\,\Delta

    Rule is the closed-form baseline that did best when measured conditions were left out, W the
    weights of the mixed model (:class:`PerturbKernel`) and L the measured effects on the scale
    :math:`\ell` of :func:`perturb_link`; :math:`\Delta` is :class:`PerturbResidual`, zero at its
    start. With the gates a and b at 0 the head is that baseline. Entities are pooled as a multiset:
    A+B is B+A and the control is no change.

    Parameters
    ----------
    table
        Measured conditions.
    gene_rows
        int64 (g,), rows of the model's vocabulary that the table's genes are.
    about
        Names that :mod:`sctabnet.tl` needs to read data in the same way.
    residual_width
        Width of the gene vectors of the residual network.
    """

    delta: Tensor
    error: Tensor
    controls: Tensor
    detected: Tensor
    gene_rows: Tensor
    gene_scale: Tensor

    @dataclass(kw_only=True)
    class Config:
        """Options of the perturbation head."""

        coverage: float = 0.9
        """Coverage of the intervals per gene."""
        max_folds: int = 60
        """Conditions that are left out for each task to choose by."""

        def __post_init__(self) -> None:
            if not 0 < self.coverage < 1:
                msg = f"coverage must lie between 0 and 1. Found {self.coverage}. Pass e.g. 0.9."
                raise ValueError(msg)

    def __init__(
        self,
        table: PerturbTable,
        gene_rows: NDArray[np.int64],
        about: Mapping[str, Any],
        *,
        residual_width: int = 1,
    ) -> None:
        super().__init__()
        self.conditions, self.contexts = table.conditions, table.contexts
        self.context_names, self.gene_ids = table.context_names, table.gene_ids
        self.about = dict(about)
        self.choices: PerturbChoices | None = None
        self.register_buffer("delta", _single(table.delta_pg))
        self.register_buffer("error", _single(table.error_p))
        self.register_buffer("controls", _single(table.controls_cg))
        self.register_buffer("detected", _single(table.detected_cg))
        self.register_buffer("gene_rows", torch.from_numpy(np.asarray(gene_rows, np.int64)))
        self.register_buffer("gene_scale", torch.ones(len(table.gene_ids)))
        self.residual = PerturbResidual(len(table.gene_ids), residual_width)
        self.embedding_names = [source.names for source in table.embeddings]
        for i, source in enumerate(table.embeddings):
            self.register_buffer(f"embedding_{i}", _single(source.vectors))

    @cached_property
    def table(self) -> PerturbTable:
        """The measured conditions, as stored."""
        return PerturbTable(
            self.conditions,
            self.contexts,
            _double(self.delta),
            _double(self.error),
            _double(self.controls),
            _double(self.detected),
            self.context_names,
            self.gene_ids,
            tuple(
                PerturbEmbedding(names, _double(getattr(self, f"embedding_{i}")))
                for i, names in enumerate(self.embedding_names)
            ),
        )

    @cached_property
    def kernel(self) -> PerturbKernel:
        """The mixed model at the chosen variances."""
        assert self.choices is not None, "choices are made before anything is predicted"
        return PerturbKernel(self.table, KernelShares(**self.choices.shares))

    def forward(
        self,
        conditions: Sequence[Condition],
        contexts: NDArray[np.int64] | None = None,
        controls_cg: Array | None = None,
    ) -> PerturbPrediction:
        """Predict effects.

        Parameters
        ----------
        conditions
            (q,) conditions; those that nothing is known of get the mean effect.
        contexts
            (q,) rows of ``controls_cg``; the first context if None.
        controls_cg
            Control profiles (c, g) on the scale of the table, the known contexts first; those
            alone if None.
        """
        table, choices = self.table, self.choices
        assert choices is not None, "choices are made before anything is predicted"
        at = np.zeros(len(conditions), np.int64) if contexts is None else np.asarray(contexts)
        profiles = table.controls_cg if controls_cg is None else controls_cg
        tasks = [self.task(c, int(k)) for c, k in zip(conditions, at, strict=True)]
        delta = self.closed_form(conditions, at, profiles, tasks)
        added, attention = self._correct(delta, profiles[at], tasks)
        delta = delta + added
        _, variance = self.kernel.weights(conditions, at, profiles)
        # expression cannot fall below zero
        delta = np.maximum(delta, -np.maximum(profiles[at], 0.0))
        control = np.array([c.is_control for c in conditions])
        delta[control], attention[control] = 0.0, 0.0
        spread = np.sqrt(np.where(control, 0.0, variance) + table.error_p.mean())
        quantile = np.array([choices.quantile[task] for task in tasks])
        width = quantile[:, None] * spread[:, None] * _double(self.gene_scale)
        width[control] = 0.0
        support = tuple(self.support(c, int(k)) for c, k in zip(conditions, at, strict=True))
        known = set(table.entities)
        return PerturbPrediction(
            delta_qg=delta,
            half_width_qg=width,
            uncertainty_q=np.where(control, 0.0, spread),
            support=support,
            n_parts_seen=tuple(sum(e in known for e in c.entities) for c in conditions),
            better_than_mean=np.array([choices.better_than_mean[s] for s in support], bool),
            attention_qg=attention,
        )

    @torch.no_grad()
    def _correct(
        self, delta_qg: Array, control_qg: Array, tasks: Sequence[str]
    ) -> tuple[Array, Array]:
        """Return what the residual network adds, and its attention."""
        choices = self.choices
        assert choices is not None, "choices are made before anything is predicted"
        added, attention = np.zeros_like(delta_qg), np.zeros_like(delta_qg)
        device = self.delta.device
        # one at a time: a matrix product rounds by its number of rows, and no prediction may
        # depend on what else is asked for
        for q, name in enumerate(tasks):
            task = torch.tensor([max(TASKS.index(name) - 1, 0)], device=device)
            base, control = (_single(x[q : q + 1]).to(device) for x in (delta_qg, control_qg))
            correction, mask = self.residual(base, control, task)
            attention[q] = _double(mask)[0]
            if choices.residual.get(name, 0.0):
                added[q] = choices.residual[name] * _double(correction)[0]
        return added, attention

    def closed_form(
        self,
        conditions: Sequence[Condition],
        contexts: NDArray[np.int64],
        profiles_cg: Array,
        tasks: Sequence[str],
    ) -> Array:
        """Return (q, g) predictions without the residual network."""
        choices = self.choices
        assert choices is not None, "choices are made before anything is predicted"
        out = np.zeros((len(conditions), self.delta.shape[1]))
        for task in sorted(set(tasks)):
            rows = np.flatnonzero([t == task for t in tasks])
            wanted, at = [conditions[int(i)] for i in rows], contexts[rows]
            gate = choices.gate[task]
            if gate < 1:
                rule = perturb_rule(choices.rule[task], self.table, wanted, at, profiles_cg)
                out[rows] += (1 - gate) * rule
            if gate > 0:
                out[rows] += gate * self.kernel.predict(
                    wanted, at, profiles_cg, keep_total=choices.keep_total[task]
                )
        return out

    def loss(self, prediction: PerturbPrediction, truth_qg: Array) -> float:
        """Return the mean Euclidean distance of predicted from true effects."""
        return float(np.linalg.norm(prediction.delta_qg - truth_qg, axis=1).mean())

    def task(self, condition: Condition, context: int) -> str:
        """Return which kind of question a query is: it decides baseline and gate."""
        measured = self._contexts_of.get(condition.parts, set())
        if context in measured:
            return "seen"
        if measured:
            return "context"
        return "combination" if len(condition.parts) > 1 else "single"

    def support(self, condition: Condition, context: int) -> str:
        """Return what a prediction rests on, one of :data:`SUPPORTS`."""
        task = self.task(condition, context)
        if condition.is_control or task == "seen":
            return SUPPORTS[0]
        if task == "context" or set(condition.entities) & set(self.table.entities):
            return SUPPORTS[1]
        choices = self.choices
        assert choices is not None, "choices are made before anything is predicted"
        uses = choices.gate[task] > 0 and choices.shares.get("embedding", 0.0) > 0
        uses = uses or (choices.gate[task] < 1 and choices.rule[task] == "nearest")
        if uses and any(set(condition.entities) & set(names) for names in self.embedding_names):
            return SUPPORTS[2]
        return SUPPORTS[3]

    @cached_property
    def _contexts_of(self) -> dict[tuple[tuple[str, float], ...], set[int]]:
        found: dict[tuple[tuple[str, float], ...], set[int]] = {}
        for condition, context in zip(self.conditions, self.contexts.tolist(), strict=True):
            found.setdefault(condition.parts, set()).add(context)
        return found

    def spec(self) -> dict[str, Any]:
        """Return everything that is no tensor, as JSON types."""
        assert self.choices is not None, "choices are made before a head is saved"
        return {
            "about": self.about,
            "conditions": [[list(part) for part in c.parts] for c in self.conditions],
            "contexts": self.contexts.tolist(),
            "context_names": list(self.context_names),
            "gene_ids": list(self.gene_ids),
            "embeddings": [list(names) for names in self.embedding_names],
            "dimensions": [
                getattr(self, f"embedding_{i}").shape[1] for i in range(len(self.embedding_names))
            ],
            "residual_width": self.residual.tokens.shape[1],
            "choices": asdict(self.choices),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """Return a head of the shape of a saved one, its tensors still zero."""
        n, g, c = len(spec["conditions"]), len(spec["gene_ids"]), len(spec["context_names"])
        table = PerturbTable(
            tuple(Condition(tuple((e, float(d)) for e, d in p)) for p in spec["conditions"]),
            np.array(spec["contexts"], np.int64),
            np.zeros((n, g)),
            np.zeros(n),
            np.zeros((c, g)),
            np.zeros((c, g)),
            tuple(spec["context_names"]),
            tuple(spec["gene_ids"]),
            tuple(
                PerturbEmbedding(tuple(names), np.zeros((len(names), d)))
                for names, d in zip(spec["embeddings"], spec["dimensions"], strict=True)
            ),
        )
        width = spec["residual_width"]
        head = cls(table, np.zeros(g, np.int64), spec["about"], residual_width=width)
        head.choices = PerturbChoices(**spec["choices"])
        return head


def _single(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _double(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()
