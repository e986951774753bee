from __future__ import annotations

from typing import Any

from sctabnet._settings import settings
from sctabnet.data.check_manifest import check_manifest
from sctabnet.data.corpus import Corpus
from sctabnet.data.validate import validate as scan
from sctabnet.model.model import Model


def validate(
    data: list[str],
    manifest: bool = False,
    model: str | None = None,
    labels_key: str | None = None,
    layer: str | None = None,
) -> None:
    """Read every value of the files and tell what they hold, before training or annotating.

    `sctabnet validate manifest NAME` checks a data manifest against its schema, offline.

    Args:
        data: Files (.h5ad, .zarr), patterns, a prepared corpus; or manifests.
        manifest: Check manifests, by name or path.
        model: Folder of a model whose genes the files are compared with.
        labels_key: Column of .obs with labels to count.
        layer: Layer to read; "raw" for .raw; X if not given.
    """
    if manifest:
        for name in data:
            _print(name, check_manifest(name))
        return
    vocabulary = None if model is None else Model.load(model).vocabulary
    corpus = Corpus.open(data, layer=layer, labels_key=labels_key, vocabulary=vocabulary)
    print(scan(corpus, progress=settings.progress_bar))


def _print(name: str, found: dict[str, Any]) -> None:
    gaps = ", ".join(f"{column} {count}" for column, count in found["unknown"].items())
    print(
        f"{name}: {found['rows']} rows, {found['fetchable']} with an address, "
        f"{found['verified']} with a digest, {found['cells']:,} cells or more"
    )
    print(f"  unknown: {gaps or 'nothing'}")
