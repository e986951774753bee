"""Which of several processes writes files and speaks."""

from __future__ import annotations

import os


def is_first_process() -> bool:
    """Return False in all processes of a distributed job but one.

    Works before there is a process group: torchrun, SLURM and Lightning's own launcher number the
    processes in the environment.
    """
    ranks = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    rank = next((os.environ[name] for name in ranks if os.environ.get(name)), "0")
    return int(rank) == 0 and int(os.environ.get("NODE_RANK", "0") or 0) == 0
