"""The command ``sctabnet``: one verb, one function."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import jsonargparse

from sctabnet._settings import settings
from sctabnet.cli.annotate import annotate
from sctabnet.cli.demo import demo
from sctabnet.cli.explain import explain
from sctabnet.cli.finetune import finetune
from sctabnet.cli.prepare import prepare
from sctabnet.cli.pretrain import pretrain
from sctabnet.cli.validate import validate

VERBS: dict[str, Any] = {
    "demo": demo,
    "prepare": prepare,
    "validate": validate,
    "pretrain": pretrain,
    "finetune": finetune,
    "annotate": annotate,
    "explain": explain,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0, or 2 with one line about what was wrong.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process if None.
    """
    settings.verbosity = "info"
    try:
        jsonargparse.auto_cli(
            VERBS,
            args=None if argv is None else list(argv),
            prog="sctabnet",
            description="Gene-token TabNet for single-cell RNA data.",
        )
    except (ValueError, KeyError, OSError) as error:
        line = " ".join(str(error).split())
        print(f"sctabnet: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
