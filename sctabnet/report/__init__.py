"""One page about one annotated file, to send to a colleague."""

from sctabnet.report.write_report import write_report

__all__ = ["write_report"]


def __dir__() -> list[str]:
    return sorted(__all__)
