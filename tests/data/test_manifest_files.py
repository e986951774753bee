from __future__ import annotations

import hashlib

import pytest

from sctabnet.data.manifest_files import manifest_files
from sctabnet.data.open_sources import open_sources


def write(folder, *rows):
    path = folder / "mine.tsv"
    lines = ["id\tversion\turl\tsha256\tsplit", *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_local_files_by_split_and_digest(tmp_path):
    (tmp_path / "a.h5ad").write_bytes(b"cells")
    digest = hashlib.sha256(b"cells").hexdigest()
    path = write(
        tmp_path, ("a", "1", "a.h5ad", digest, "train"), ("b", "1", "a.h5ad", "unknown", "test")
    )
    assert manifest_files(str(path)) == [tmp_path / "a.h5ad"] * 2
    assert manifest_files(str(path), split="test") == [tmp_path / "a.h5ad"]


def test_a_download_is_fetched_once_and_checked(tmp_path, monkeypatch):
    from sctabnet import settings

    monkeypatch.setattr(settings, "cache_dir", tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "a-1.h5ad").write_bytes(b"cells")
    digest = hashlib.sha256(b"cells").hexdigest()
    url = "https://example.invalid/a.h5ad"
    fetched = manifest_files(str(write(tmp_path, ("a", "1", url, digest, "train"))))
    assert fetched == [tmp_path / "cache" / "a-1.h5ad"]


def test_refused_rows(tmp_path):
    (tmp_path / "a.h5ad").write_bytes(b"cells")
    for row, message in (
        (("../a", "1", "a.h5ad", "unknown", "train"), "id may hold"),
        (("a", "1", "b.h5ad", "unknown", "train"), "does not exist"),
        (("a", "1", "a.h5ad", "0" * 64, "train"), "other digest"),
    ):
        with pytest.raises(ValueError, match=message):
            manifest_files(str(write(tmp_path, row)))


def test_unknown_names_list_the_known_ones():
    with pytest.raises(FileNotFoundError, match="pbmc"):
        open_sources("no-such-manifest")
