from __future__ import annotations

from sctabnet.model.folder import check_replaceable
from sctabnet.train.export_run import export_run


def export(run: str, out: str, overwrite: bool = False) -> None:
    """Write the model of a pretraining job, finished or not, as a model folder.

    Args:
        run: Folder of the job.
        out: Folder to write the model to.
        overwrite: Replace a model that is already there.
    """
    check_replaceable(out, overwrite=overwrite)
    model = export_run(run)
    model.save(out, overwrite=overwrite)
    print(f"{model}")
    print(f"wrote {out} ({model.history[-1].get('state', 'finished')})")
