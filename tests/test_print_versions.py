from __future__ import annotations

import sctabnet as sct


def test_prints_one_line_per_package(capsys):
    sct.print_versions()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["sctabnet", sct.__version__]
    assert {"torch", "anndata", "python", "device"} <= {line.split()[0] for line in lines}
