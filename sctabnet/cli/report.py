from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt

from sctabnet.cli._files import read_h5ad
from sctabnet.model.model import Model
from sctabnet.report.write_report import write_report


def report(
    data: str,
    model: str,
    out: str,
    labels_key: str | None = None,
    key: str = "sctabnet",
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML page about an annotated file.

    Args:
        data: File (.h5ad) that annotate wrote; after explain it names genes too.
        model: Folder of the model that annotated it.
        out: File (.html) to write.
        labels_key: Column of .obs with known labels, to judge the transferred ones by.
        key: Prefix of the annotations.
        overwrite: Replace the output file.
    """
    plt.switch_backend("agg")  # the pictures go into the page: no screen is needed
    adata, trained = read_h5ad(data), Model.load(model)
    write_report(
        adata, trained, out,
        labels_key=labels_key, name=Path(data).name, key=key, overwrite=overwrite,
    )  # fmt: skip
    print(f"wrote {out}")
