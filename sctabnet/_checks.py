"""Every message about user input: what was wrong, what was found, what to do.

The functions raise (or warn) and know AnnData only by its attributes. What is said of files
and folders is written in :mod:`sctabnet._file_checks`.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from sctabnet._argument_checks import check_kind as check_kind
from sctabnet._argument_checks import check_labels_can_be_joined as check_labels_can_be_joined
from sctabnet._argument_checks import check_share as check_share
from sctabnet._argument_checks import checked_names as checked_names
from sctabnet._errors import InputError, MissingKeyError, ValueKindError
from sctabnet._file_checks import check_h5ad as check_h5ad
from sctabnet._file_checks import check_model_folder as check_model_folder
from sctabnet._file_checks import check_new_file as check_new_file
from sctabnet._file_checks import check_new_folder as check_new_folder
from sctabnet._file_checks import check_no_links as check_no_links
from sctabnet._file_checks import check_not_there as check_not_there
from sctabnet._file_checks import check_writable as check_writable
from sctabnet._file_checks import damaged_model as damaged_model
from sctabnet._value_kind import detect_value_kind

MIN_SHARED_GENES = 50
_CELLS_LOOKED_AT = 200


def check_layer(adata: Any, layer: str | None) -> None:
    """Raise unless ``layer`` is None, ``"raw"`` (with a raw matrix) or a layer's name."""
    if layer is None or layer in adata.layers or (layer == "raw" and adata.raw is not None):
        return
    if layer == "raw":
        raise MissingKeyError(
            f"layer='raw' asks for adata.raw, which is empty. Found: {_names(adata.layers)}. "
            "Pass layer=None to use adata.X, or one of these layers."
        )
    raw = ', or layer="raw" for adata.raw' if adata.raw is not None else ""
    raise MissingKeyError(
        f"layer={layer!r} is not in adata.layers. Found: {_names(adata.layers)}."
        f"{_closest(layer, adata.layers)} Pass layer=None to use adata.X{raw}."
    )


def matrices_that_look_right(adata: Any) -> list[str]:
    """Return how to ask for each matrix of ``adata`` that holds counts or log1p values.

    Looks at the first 200 cells of ``X``, of each layer and of ``raw``; works on backed data.
    For example ``['layer="counts" (counts)', 'layer="raw" (log1p)']``.
    """
    matrices = {"layer=None": adata.X}
    matrices |= {f'layer="{name}"': adata.layers[name] for name in adata.layers}
    if adata.raw is not None:
        matrices['layer="raw"'] = adata.raw.X
    found = []
    for how, matrix in matrices.items():
        if matrix is None:
            continue
        head = matrix[:_CELLS_LOOKED_AT]
        try:
            kind = detect_value_kind(sp.csr_matrix(head if sp.issparse(head) else np.asarray(head)))
        except ValueError:
            continue
        found.append(f"{how} ({kind})")
    return found


def with_matrices_that_look_right(error: ValueKindError, adata: Any) -> ValueKindError:
    """Return the error with the names of the matrices of ``adata`` that look right added."""
    right = matrices_that_look_right(adata)
    looks = f"These look right: {', '.join(right)}." if right else "No other matrix looks right."
    return ValueKindError(f"{error} {looks}")


def refuse_log1p(adata: Any, layer: str | None) -> None:
    """Raise: the model was trained on counts and got log1p values; names the layers with counts."""
    right = [how for how in matrices_that_look_right(adata) if how.endswith("(counts)")]
    advice = (
        f"Pass {' or '.join(right)}." if right else "No matrix of adata holds counts; restore them."
    )
    raise InputError(
        f"This model was trained on raw counts. Found log1p-normalised values in layer={layer!r}. "
        f"{advice}"
    )


def check_obs_key(columns: Iterable[str], key: str, *, argument: str) -> None:
    """Raise unless ``key`` (given as ``argument``) is a column of ``obs``; suggests the closest."""
    columns = [str(column) for column in columns]
    if key not in columns:
        raise MissingKeyError(
            f"{argument}={key!r} is not a column of adata.obs. Found: {_names(columns)}."
            f"{_closest(key, columns)} Pass {argument}=... with one of these."
        )


def check_has_cells(n_cells: int) -> None:
    """Raise if there is no cell to apply a model to."""
    if n_cells == 0:
        raise InputError(
            "There are no cells to apply the model to. Found adata with 0 rows. "
            "Check the filter that chose the cells."
        )


def check_classes(classes: Sequence[str], labels_key: str | None) -> None:
    """Raise unless there are at least two classes to tell apart."""
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "no label at all"
        raise InputError(
            f"obs[{labels_key!r}] must hold at least two cell types to learn from. Found {found}. "
            "Pass labels_key=... with the column of annotated cell types."
        )


def check_cells_to_train_on(n_cells: int) -> None:
    """Raise unless there are cells to train on and another to validate on."""
    if n_cells < 2:
        raise InputError(
            f"There are too few cells to train on and to hold some out. Found {n_cells}. "
            "Check the filter that chose the cells."
        )


def check_validation_cells(folds: Sequence[Collection[int]]) -> None:
    """Raise unless cells could be held out to validate on."""
    if not folds or not len(folds[0]):
        raise InputError(
            "There are too few labelled cells to hold some out for validation. Found no cell type "
            "with at least two labelled cells. Label more cells, or merge rare types."
        )


def check_has_labels(labels: Collection[str]) -> None:
    """Raise if a model has no label head."""
    if not labels:
        raise InputError(
            "The model names no cell types. Found a pretrained model without labels. "
            "Train one with sctabnet.finetune(..., labels_key=..., init=model)."
        )


def check_labels(wanted: Sequence[str], labels: Collection[str]) -> None:
    """Raise unless the labels that a model is restricted to are at least two of its own."""
    strangers = [label for label in wanted if label not in labels]
    if strangers or isinstance(wanted, str) or len(set(wanted)) < 2:
        odd = strangers[0] if strangers and not isinstance(wanted, str) else str(wanted)
        raise MissingKeyError(
            f"labels must be at least two of the model's labels: {_names(labels)}. "
            f"Found {wanted if isinstance(wanted, str) else list(wanted)}.{_closest(odd, labels)}"
        )


def check_groups(column: Any, groupby: str) -> None:
    """Raise if a column of ``obs`` holds measurements, or nothing, instead of groups."""
    if not column.notna().any():
        raise InputError(f"groupby={groupby!r} must hold groups of cells. Found no value in it.")
    if getattr(column.dtype, "kind", "O") == "f":
        raise InputError(
            f"groupby={groupby!r} must hold groups of cells. Found numbers of type "
            f"{column.dtype}. Pass a categorical column, or bin the numbers first."
        )


def check_certifiable(groups: Sequence[str], labels: Collection[str], *, seen: bool) -> None:
    """Raise unless groups are known labels of a model that was not trained on the cells."""
    if seen or len(set(groups) & set(labels)) < 2:
        found = "the cells it was trained on" if seen else f"the groups {_names(groups)}"
        raise InputError(
            "certify=True compares the model with known labels of cells it has not seen. Found "
            f"{found}. Pass groupby=... with labels among {_names(labels)}, on held-out cells."
        )


def check_computed(existing: Collection[str], name: str, *, call: str) -> None:
    """Raise if a result is asked for that no call has computed yet."""
    if name not in existing:
        raise MissingKeyError(f"{name!r} was not computed yet. Run {call}(adata, model) first.")


def check_group(group: str, groups: Collection[str]) -> None:
    """Raise unless ``group`` was ranked."""
    if group not in groups:
        raise MissingKeyError(
            f"group={group!r} was not ranked. Found: {_names(groups)}.{_closest(group, groups)}"
        )


def check_slots_free(
    existing: Collection[str], names: Iterable[str], *, slot: str, overwrite: bool
) -> None:
    """Raise if a result would replace a slot (``"obs"``, ``"var"`` ...) that is already there."""
    taken = [] if overwrite else [name for name in names if name in existing]
    if taken:
        raise InputError(
            f"adata.{slot} already has {_names(taken)}. Nothing was changed. "
            "Pass overwrite=True to replace, or key_added=... for other names."
        )


def check_choice(value: object, choices: Collection[str], *, argument: str) -> None:
    """Raise unless ``value`` is one of the allowed words."""
    if value not in choices:
        raise InputError(
            f"{argument} must be one of {_names(choices)}. Found {value!r}."
            f"{_closest(str(value), choices)}"
        )


def check_unique_genes(duplicated: Sequence[str], *, name: str = "adata.var_names") -> None:
    """Raise if a gene has more than one column."""
    if duplicated:
        raise InputError(
            f"{name} must be unique. Found {len(duplicated)} genes with more than one column: "
            f"{_names(duplicated)}. Use Ensembl ids, or let `sctabnet prepare` add the columns of "
            "a gene; adata.var_names_make_unique() renames the second, which no model knows."
        )


def check_shared_genes(
    *,
    n_shared: int,
    n_model: int,
    query: Iterable[str],
    model: Iterable[str],
    attention_covered: float | None = None,
    stacklevel: int = 3,
) -> None:
    """Raise below 50 shared genes; warn if any gene of the model is missing.

    ``query`` and ``model`` are gene ids to name in the message, and ``attention_covered`` the share
    of the model's attention on the shared genes; ``stacklevel`` 3 warns the caller of the caller.
    """
    shared = f"{n_shared} of the model's {n_model} genes"
    if n_shared < min(MIN_SHARED_GENES, n_model):
        query, model = [str(gene) for gene in query], list(model)
        has, wants = _id_kind(query), _id_kind(model)
        advice = (
            f"The data have {has}, the model has {wants}: set adata.var_names to {wants}, by "
            f"sctabnet.tl.resolve_genes(adata, table, model=model{_across_species(has, wants)})."
            if has != wants
            else "Give data of the species and gene ids that the model was trained on."
        )
        raise InputError(
            f"Too few genes in common with the model; at least {MIN_SHARED_GENES} are needed. "
            f"Found {shared}; the data have {_names(query, 3)}, the model {_names(model, 3)}. "
            f"{advice}"
        )
    if n_shared < n_model:
        covered = (
            "" if attention_covered is None else f" ({attention_covered:.0%} of its attention)"
        )
        warnings.warn(
            f"The data measured {shared}{covered}; the others are treated as not measured. "
            "The fewer are shared, the less certain the results.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _names(names: Iterable[Any] | Mapping[str, Any], limit: int = 10) -> str:
    listed = [str(name) for name in names]
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return f"{listed[:limit]}{more}"


def _closest(word: object, words: Iterable[str]) -> str:
    by_lower = {str(w).lower(): str(w) for w in words}
    close = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""


def _across_species(has: str, wants: str) -> str:
    """Return the argument that translates between species, where the kinds of ids tell two."""
    species = [next((w for w in ("mouse", "another") if w in kind), "") for kind in (has, wants)]
    return "" if species[0] == species[1] else ", orthologs=table_of_orthologs"


def _id_kind(ids: Sequence[str]) -> str:
    """Name the kind of gene ids that most of a sample are; only ever used to suggest."""
    kinds = {
        "human Ensembl ids": r"ENSG\d{11}.*",
        "mouse Ensembl ids": r"ENSMUSG\d{11}.*",
        "Ensembl ids of another species": r"ENS[A-Z]+\d{11}.*",
        "numbers as names": r"\d+",
        "gene symbols in mouse spelling": r"[A-Z][a-z0-9]*[a-z][a-z0-9.-]*",
    }
    sample = ids[:: max(1, len(ids) // 200)]
    for kind, pattern in kinds.items():
        if 2 * sum(re.fullmatch(pattern, gene_id) is not None for gene_id in sample) > len(sample):
            return kind
    return "gene symbols"
