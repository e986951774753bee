from __future__ import annotations

import hashlib
import http.server
import threading

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
        (("a", "../1", "https://b.invalid/a", "unknown", "train"), "write a number"),
        (("a", "1", "a.h5ad", "0" * 64, "train"), "other digest"),
    ):
        with pytest.raises(ValueError, match=message):
            manifest_files(str(write(tmp_path, row)))


def test_unknown_names_list_the_known_ones():
    with pytest.raises(FileNotFoundError, match="pbmc"):
        open_sources("no-such-manifest")


class Server(http.server.BaseHTTPRequestHandler):
    """Knows ranges, and hangs up after 1,000 bytes as often as ``breaks`` says."""

    content, breaks, asked = bytes(range(256)) * 10, 0, []

    def do_GET(self):
        cls = type(self)
        given = self.headers.get("Range")
        cls.asked.append(given)
        start = int(given[6:-1]) if given else 0
        if start >= len(self.content):
            return self.send_error(416)
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        stop = start + 1000 if cls.breaks else None
        cls.breaks -= cls.breaks > 0
        self.wfile.write(self.content[start:stop])
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def url(tmp_path, monkeypatch):
    from sctabnet import settings

    monkeypatch.setattr(settings, "cache_dir", tmp_path / "cache")
    monkeypatch.setattr(Server, "asked", [])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a.h5ad"
        server.shutdown()


def test_a_broken_download_goes_on_where_it_stopped(tmp_path, url, monkeypatch):
    digest = hashlib.sha256(Server.content).hexdigest()
    path = str(write(tmp_path, ("a", "1", url, digest, "train")))
    monkeypatch.setattr(Server, "breaks", 2)
    for kept in ("1,000", "2,000"):
        with pytest.raises(ValueError, match=f"{kept} bytes are kept and the next attempt goes on"):
            manifest_files(path)
    [file] = manifest_files(path)
    assert file.read_bytes() == Server.content
    assert Server.asked == [None, "bytes=1000-", "bytes=2000-"]
    assert [f.name for f in (tmp_path / "cache").iterdir()] == ["a-1.h5ad"]
    assert manifest_files(path) == [file] and len(Server.asked) == 3


def test_a_file_of_another_digest_is_refused_and_removed(tmp_path, url):
    path = str(write(tmp_path, ("a", "1", url, "0" * 64, "train")))
    with pytest.raises(ValueError, match="a was refused"):
        manifest_files(path)
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_digest_the_download_starts_anew(tmp_path, url, monkeypatch):
    path = str(write(tmp_path, ("a", "1", url, "unknown", "train")))
    monkeypatch.setattr(Server, "breaks", 1)
    with pytest.warns(UserWarning, match="no digest"), pytest.raises(ValueError, match="anew"):
        manifest_files(path)
    with pytest.warns(UserWarning, match="no digest"):
        [file] = manifest_files(path)
    assert file.read_bytes() == Server.content and Server.asked == [None, None]
