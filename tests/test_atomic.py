from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from sctabnet._atomic import atomic_path, atomic_text


def test_success_replaces_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "a.h5ad"
    target.write_text("old")
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".h5ad"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5ad"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_keeps_the_old_file(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_writing_nothing_is_an_error(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_keeps_the_old_file(tmp_path, monkeypatch, step):
    target = tmp_path / "a"
    target.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        atomic_text(target, "new")
    monkeypatch.undo()
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_writer_keeps_the_old_file(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    code = (
        "import os, signal, sys\n"
        "from sctabnet._atomic import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    done = subprocess.run([sys.executable, "-c", code, str(target)], cwd=root)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"


def test_text_is_utf8_with_unix_line_ends(tmp_path):
    atomic_text(tmp_path / "a.txt", "γ\n2\n")
    assert (tmp_path / "a.txt").read_bytes() == "γ\n2\n".encode()
