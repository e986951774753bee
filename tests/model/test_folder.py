from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pytest

from sctabnet.model import folder as folder_module
from sctabnet.model.folder import read_folder, write_folder

ROOT = Path(__file__).resolve().parents[2]
OLD = {
    "config.json": b"{}",
    "genes.tsv": b"gene_id\nA\n",
    "labels.json": b"[]",
    "model.safetensors": bytes(range(256)),
    "README.md": "# γ\n".encode(),
}
NEW = OLD | {"labels.json": b'["T"]'}


@pytest.fixture
def model(tmp_path) -> Path:
    return write_folder(tmp_path / "model", OLD)


def edit_manifest(model: Path, change) -> None:
    manifest = json.loads((model / "manifest.json").read_text())
    change(manifest)
    (model / "manifest.json").write_text(json.dumps(manifest))


def test_round_trip_and_contract(model):
    assert read_folder(model) == OLD
    assert {p.name for p in model.iterdir()} == {*OLD, "manifest.json"}
    assert [p.name for p in model.parent.iterdir()] == ["model"]


def test_text_is_utf8_and_folders_above_are_made(tmp_path):
    files = {name: content.decode("latin-1") for name, content in OLD.items()} | {"README.md": "γ"}
    write_folder(tmp_path / "a" / "b", files)
    assert read_folder(tmp_path / "a" / "b")["README.md"] == "γ".encode()


def test_an_empty_folder_may_be_used(tmp_path):
    assert read_folder(write_folder(tmp_path, OLD)) == OLD


def test_an_existing_model_needs_overwrite(model):
    with pytest.raises(ValueError, match="exists already.*overwrite=True"):
        write_folder(model, NEW)
    assert read_folder(model) == OLD
    write_folder(model, NEW, overwrite=True)
    assert read_folder(model) == NEW
    assert [p.name for p in model.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("names", [["notes.txt"], ["manifest.json", "config.json", "mine.csv"]])
def test_a_folder_of_something_else_is_never_replaced(tmp_path, names):
    other = tmp_path / "results"
    other.mkdir()
    for name in names:
        (other / name).write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="results"):
            write_folder(other, OLD, overwrite=overwrite)
    assert {p.name: p.read_text() for p in other.iterdir()} == dict.fromkeys(names, "mine")


def test_a_file_or_link_at_the_place_is_kept(model, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(model)
    for name in ("file", "link"):
        with pytest.raises(ValueError, match="exists already"):
            write_folder(tmp_path / name, NEW, overwrite=True)
    assert (tmp_path / "file").read_text() == "mine" and read_folder(model) == OLD


@pytest.mark.parametrize("name", [*OLD])
def test_one_changed_byte_is_found(model, name):
    data = bytearray((model / name).read_bytes())
    data[len(data) // 2] ^= 1
    (model / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"content of {name} was changed"):
        read_folder(model)


def test_a_truncated_file_is_found(model):
    (model / "model.safetensors").write_bytes(OLD["model.safetensors"][:-8])
    with pytest.raises(ValueError, match="248 bytes, its manifest says 256"):
        read_folder(model)


@pytest.mark.parametrize("name", [*OLD])
def test_a_missing_file_is_found(model, name):
    (model / name).unlink()
    with pytest.raises(ValueError, match=f"{name}' is missing"):
        read_folder(model)


def test_an_extra_file_is_found(model):
    (model / "weights.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match=r"weights\.pkl' does not belong there"):
        read_folder(model)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "C:\\x", "config.json\0"])
def test_a_traversing_name_is_refused(model, name):
    (model.parent / "secret").write_text("secret")
    edit_manifest(model, lambda m: m["files"].update({name: m["files"]["config.json"]}))
    with pytest.raises(ValueError, match="does not belong there"):
        read_folder(model)


@pytest.mark.parametrize("name", [*OLD, "manifest.json"])
def test_a_link_is_refused(model, name):
    (model / name).rename(model.parent / name)
    (model / name).symlink_to(model.parent / name)
    with pytest.raises(ValueError, match="is a link"):
        read_folder(model)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"format": "x", "files": {}}',
        '{"format": 1, "files": 3}',
        "[" * 9999,
        '{"format": 1, "format": 1, "files": {}}',
        '{"format": 1, "files": [1]}',
        "\udcff",
    ],
)
def test_a_broken_manifest_is_refused(model, text):
    (model / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"manifest\.json is no manifest"):
        read_folder(model)


def test_a_manifest_without_digests_is_refused(model):
    edit_manifest(model, lambda m: m["files"].update({"config.json": {"size": 2}}))
    with pytest.raises(ValueError, match=r"no size and sha256 of config\.json"):
        read_folder(model)


def test_a_newer_format_asks_for_an_upgrade(model):
    edit_manifest(model, lambda m: m.update(format=99))
    with pytest.raises(ValueError, match="format 99.*Upgrade"):
        read_folder(model)


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_folder(tmp_path / "nowhere")
    (tmp_path / "data.csv").write_text("1")
    with pytest.raises(ValueError, match=r"not a model folder.*data\.csv"):
        read_folder(tmp_path)
    with pytest.raises(ValueError, match="not a model folder.*a file"):
        read_folder(tmp_path / "data.csv")


_CHILD = """
import os, signal, sys
from sctabnet.model import folder
sys.path.insert(0, "tests/model")
target, step = sys.argv[1], int(sys.argv[2])
OLD = {OLD!r}
def die_at(name, owner):
    plain = getattr(owner, name)
    def hooked(*args, **kwargs):
        global step
        step -= 1
        if step == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*args, **kwargs)
    setattr(owner, name, hooked)
for name in ("fsync", "open"):
    die_at(name, os)
die_at("rename", folder.Path)
die_at("rmtree", folder.shutil)
folder.write_folder(target, OLD, overwrite=True)
print("done")
"""


@pytest.mark.slow
def test_killed_at_any_step_a_whole_model_is_there(tmp_path):
    """SIGKILL before each fsync, rename and removal of an overwriting save."""
    child = _CHILD.replace("{OLD!r}", repr(NEW))
    seen = set()
    for step in range(1, 40):
        target = tmp_path / str(step) / "model"
        write_folder(target, OLD)
        done = subprocess.run(
            [sys.executable, "-c", child, str(target), str(step)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        files = read_folder(target)
        assert files in (OLD, NEW), step
        seen.add(files == NEW)
        write_folder(target, NEW, overwrite=True)  # the next save works and clears up
        assert read_folder(target) == NEW
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.returncode == 0 and step > 8 and seen == {False, True}


@pytest.mark.parametrize("failing", range(1, 9))
def test_a_failing_disk_keeps_the_old_model(model, monkeypatch, failing):
    calls = 0
    plain = os.fsync

    def fsync(descriptor):
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(28, "No space left on device")
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if failing <= 7:  # six files, then the folder; the eighth is after the rename
        with pytest.raises(ValueError, match="No space left on device"):
            write_folder(model, NEW, overwrite=True)
        assert read_folder(model) == OLD
        assert [p.name for p in model.parent.iterdir()] == ["model"]
    else:
        with pytest.raises(OSError, match="No space left"):
            write_folder(model, NEW, overwrite=True)
        assert read_folder(model) == NEW


def test_the_last_rename_failing_brings_the_old_model_back(model, monkeypatch):
    plain = Path.rename

    def rename(self, target):
        if self.name.endswith(".tmp"):
            raise OSError(5, "Input/output error")
        return plain(self, target)

    monkeypatch.setattr(folder_module.Path, "rename", rename)
    with pytest.raises(ValueError, match="Input/output error"):
        write_folder(model, NEW, overwrite=True)
    assert read_folder(model) == OLD
    assert [p.name for p in model.parent.iterdir()] == ["model"]


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
def test_a_read_only_place_is_one_clear_error(model, tmp_path):
    """In a child that is not root, because root may write anywhere."""
    tmp_path.chmod(0o555)
    for parent in tmp_path.parents[: len(tmp_path.parts) - len(Path(gettempdir()).parts) - 1]:
        parent.chmod(0o755)
    try:
        if (pid := os.fork()) == 0:
            code = 1
            try:
                if os.getuid() == 0:
                    os.setuid(65534)
                try:
                    write_folder(tmp_path / "other", OLD)
                except ValueError as error:
                    code = 0 if "cannot be written" in str(error) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        tmp_path.chmod(0o755)
    assert read_folder(model) == OLD and not (tmp_path / "other").exists()
