from __future__ import annotations

from sctabnet._settings import settings
from sctabnet.data.corpus import Corpus
from sctabnet.data.validate import validate as scan
from sctabnet.model.model import Model


def validate(
    data: list[str],
    model: str | None = None,
    labels_key: str | None = None,
    layer: str | None = None,
) -> None:
    """Read every value of the files and tell what they hold, before training or annotating.

    Args:
        data: Files (.h5ad, .zarr), patterns, or a prepared corpus.
        model: Folder of a model whose genes the files are compared with.
        labels_key: Column of .obs with labels to count.
        layer: Layer to read; "raw" for .raw; X if not given.
    """
    vocabulary = None if model is None else Model.load(model).vocabulary
    corpus = Corpus.open(data, layer=layer, labels_key=labels_key, vocabulary=vocabulary)
    print(scan(corpus, progress=settings.progress_bar))
