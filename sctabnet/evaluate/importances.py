"""How stable rankings of genes are, and how many known markers they name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from sctabnet._errors import InputError

MARKERS_AT = (10, 20, 50)
FEW_MARKERS = 5


def importances(
    fits: Sequence[pd.DataFrame],
    *,
    markers: Mapping[str, Collection[str]] | None = None,
    modules: Mapping[str, str] | None = None,
    top: Sequence[int] = (20, 50, 200),
) -> dict[str, float]:
    """Return how well several rankings of the same genes agree, and with known markers.

    Parameters
    ----------
    fits
        float (genes, groups) for each fit (seeds, halves of the cells, donors): the larger the
        more important; NaN is least important. Names of genes as index, of groups as columns.
    markers
        Known marker genes of each group. Groups with fewer than five among the genes do not count.
    modules
        Co-expressed group of each gene, such as ``.var["sctabnet_importance_group"]`` of one fit;
        a gene that is not in it stands for itself.
    top
        Numbers of top genes that are compared between fits.

    Returns
    -------
    ``jaccard_K`` for each of ``top``, the mean over pairs of fits and groups of the Jaccard index
    of the K top genes, less what chance gives, 1 at best (Hubert and Arabie 1985, J. Classif.
    2:193, for the adjustment); ``spearman`` likewise; with ``modules``, ``group_jaccard_K``, the
    Jaccard index of the groups that the K top genes belong to, as it is; with ``markers``,
    ``precision_10``, ``_20`` and ``_50``: hits among the top genes, of as many as there could be,
    as a mean over fits and groups. A single fit has no stability: only ``precision_*`` is given.

    Raises
    ------
    ValueError
        If there is no fit, or the fits do not rank the same genes.

    Examples
    --------
    >>> import pandas as pd
    >>> genes = [f"GENE{i}" for i in range(100)]
    >>> one = pd.DataFrame({"B": range(100)}, genes)
    >>> scores = importances([one, one], top=[20])
    >>> {name: round(value, 6) for name, value in scores.items()}
    {'jaccard_20': 1.0, 'spearman': 1.0}
    """
    if not fits or any(set(fit.index) != set(fits[0].index) for fit in fits):
        sizes = [len(fit) for fit in fits]
        raise InputError(
            "Rankings are compared on the same genes. Found "
            f"{f'fits of {sizes} genes that are not the same' if fits else 'no fit'}. "
            "Pass one data frame (genes, groups) for each fit."
        )
    result: dict[str, float] = {}
    pairs = [
        (one[group], other[group])
        for one, other in combinations(fits, 2)
        for group in one.columns.intersection(other.columns)
    ]
    if pairs:
        n_genes = len(fits[0])
        for k in (k for k in top if k < n_genes):
            chance = k / (2 * n_genes - k)
            shared = np.mean([_jaccard(one, other, k) for one, other in pairs])
            result[f"jaccard_{k}"] = float((shared - chance) / (1 - chance))
            if modules is not None:
                grouped = [_jaccard(one, other, k, modules) for one, other in pairs]
                result[f"group_jaccard_{k}"] = float(np.mean(grouped))
        low = [(a.fillna(-np.inf), b.reindex(a.index).fillna(-np.inf)) for a, b in pairs]
        result["spearman"] = float(np.nanmean([spearmanr(a, b).statistic for a, b in low]))
    if markers is not None:
        result |= _against_markers(fits, markers)
    return result


def _top(scores: pd.Series, k: int) -> set[str]:
    """Return the k largest; ties go by the gene's name, so that columns' order does not matter."""
    return set(scores.sort_index().sort_values(ascending=False, kind="stable").index[:k])


def _jaccard(
    one: pd.Series, other: pd.Series, k: int, modules: Mapping[str, str] = MappingProxyType({})
) -> float:
    a, b = ({modules.get(gene, gene) for gene in _top(fit, k)} for fit in (one, other))
    return len(a & b) / len(a | b)


def _against_markers(
    fits: Sequence[pd.DataFrame], markers: Mapping[str, Collection[str]]
) -> dict[str, float]:
    found: dict[int, list[float]] = {k: [] for k in MARKERS_AT}
    for fit in fits:
        for group in fit.columns:
            known = set(markers.get(str(group), ())) & set(fit.index)
            if len(known) >= FEW_MARKERS:
                for k, values in found.items():
                    # no ranking can name more than there are
                    values.append(len(_top(fit[group], k) & known) / min(k, len(known)))
    return {f"precision_{k}": float(np.mean(values)) for k, values in found.items() if values}
