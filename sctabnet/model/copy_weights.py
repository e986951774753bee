"""Start a model from another one that may know other genes, batches and labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sctabnet.model.model import Model
from sctabnet.nn.gene_table import GeneTable


@torch.no_grad()
def copy_weights(source: Model, target: Model) -> None:
    """Copy what two models share: gene rows by gene id, covariate rows by level name.

    Rows that only ``target`` has keep their own initial values. The label head is copied only
    where the label lists are the same.

    Parameters
    ----------
    source
        Model to copy from; unchanged.
    target
        Model to write into. Its encoder must have the sizes of the source's.

    Raises
    ------
    ValueError
        If the encoders differ in size.
    """
    mine, theirs = target.network.state_dict(), source.network.state_dict()
    buffers = ("mean", "std", "attention", "importance", "log_prior", "loadings")
    per_gene = {f"encoder.{name}" for name in buffers} | {
        f"{name}.weight"
        for name, module in target.network.named_modules()
        if isinstance(module, GeneTable)
    }
    absent = (len(target.vocabulary), len(source.vocabulary))
    gene_rows = _pairs(target.vocabulary.ids, source.vocabulary.ids)
    covariate_rows = {}
    for i, (key, levels) in enumerate(target.covariates.items()):
        if key in source.covariates:
            j = list(source.covariates).index(key)
            pairs = _pairs(levels, source.covariates[key])
            rows = torch.cat([torch.zeros(1, 2, dtype=torch.int64), pairs + 1])
            covariate_rows[f"covariates.tables.{i}.weight"] = (
                f"covariates.tables.{j}.weight",
                rows,
            )
    for name, tensor in mine.items():
        if name.startswith("labels.") and target.labels != source.labels:
            continue
        if name.startswith("covariates."):
            if name in covariate_rows:
                other, rows = covariate_rows[name]
                tensor[rows[:, 0]] = theirs[other][rows[:, 1]]
            continue
        given = theirs.get(name)
        if given is None:
            continue
        if name in per_gene:
            rows = gene_rows
            if name.endswith(".weight"):
                rows = torch.cat([gene_rows, torch.tensor([absent])])
            if given.shape[1:] == tensor.shape[1:]:
                tensor[rows[:, 0]] = given[rows[:, 1]]
                continue
        elif given.shape == tensor.shape:
            tensor.copy_(given)
            continue
        if name.startswith("encoder."):
            msg = (
                f"The encoders differ in size: {name} is {tuple(given.shape)} in the model to "
                f"start from and {tuple(tensor.shape)} here. Leave the encoder's sizes at those "
                "of the pretrained model."
            )
            raise ValueError(msg)


def _pairs(mine: Sequence[str], theirs: Sequence[str]) -> torch.Tensor:
    """Return int64 (m, 2): position here and position there of the names in both lists."""
    there = {name: position for position, name in enumerate(theirs)}
    pairs = [(i, there[name]) for i, name in enumerate(mine) if name in there]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
