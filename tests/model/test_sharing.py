from __future__ import annotations

import functools
import hashlib
import http.server
import inspect
import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import sctabnet as sct


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_):
        self.asked.append(self.path)


@pytest.fixture
def site(tmp_path, model_folder, monkeypatch):
    """A web server on this machine with a model at /models/blood."""
    monkeypatch.setattr(sct.settings, "cache_dir", tmp_path / "cache")
    root = tmp_path / "site"
    shutil.copytree(model_folder, root / "models" / "blood")
    asked: list[str] = []
    handler = type("Handler", (Quiet,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(root))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield SimpleNamespace(
        url=f"http://127.0.0.1:{server.server_port}/models/blood",
        folder=root / "models" / "blood",
        asked=asked,
    )
    server.shutdown()
    server.server_close()
    thread.join()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("ending", ["", "/", "/manifest.json"])
def test_a_model_comes_from_a_web_server(site, model, ending):
    fetched = sct.Model.from_url(site.url + ending, sha256=sha256(site.folder / "manifest.json"))
    assert fetched.digest() == model.digest() and fetched.labels == model.labels


def test_what_was_fetched_is_not_fetched_again_but_a_new_model_is(site, model, pretrained):
    sct.Model.from_url(site.url)
    del site.asked[:]
    sct.Model.from_url(site.url)
    assert site.asked == ["/models/blood/manifest.json"]
    shutil.rmtree(site.folder)
    pretrained.save(site.folder)
    assert sct.Model.from_url(site.url).digest() == pretrained.digest()


def test_another_model_than_was_meant_is_refused(site):
    with pytest.raises(ValueError, match="not the model that was asked for.*Found.*wanted 00"):
        sct.Model.from_url(site.url, sha256="00")
    assert site.asked == ["/models/blood/manifest.json"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_changed_file_is_refused(site, name):
    (site.folder / name).write_bytes((site.folder / name).read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=f"{name} at http.*refused"):
        sct.Model.from_url(site.url)


def test_what_is_no_model_is_refused(site):
    (site.folder / "manifest.json").write_text("<html>")
    with pytest.raises(ValueError, match="is no manifest of a model"):
        sct.Model.from_url(site.url)
    with pytest.raises(ValueError, match="404"):
        sct.Model.from_url(f"{site.url}/nothing")
    for url in ("file:///etc/passwd", "model", "ftp://host/model"):
        with pytest.raises(ValueError, match=r"begins with https://.*Model\.load"):
            sct.Model.from_url(url)


def test_a_file_that_names_a_path_is_no_part_of_a_model(site):
    manifest = site.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("README.md", "../README.md"))
    with pytest.raises(ValueError, match=r"'README.md' is missing"):
        sct.Model.from_url(site.url)
    assert len(site.asked) == 1


# the hub


class FakeHub:
    """Repositories as folders: links into a store, as the hub's cache has them."""

    def __init__(self, root: Path):
        self.root, self.private = root, {}

    def create_repo(self, repo_id, *, private=None, exist_ok=False):
        assert exist_ok
        self.private.setdefault(repo_id, private)

    def upload_folder(self, *, repo_id, folder_path, revision=None, commit_message=None):
        if repo_id not in self.private:
            raise OSError("404 Client Error")
        place = self.root / "blobs" / repo_id
        shutil.copytree(folder_path, place, dirs_exist_ok=True)
        (place / ".gitattributes").write_text("*.safetensors filter=lfs")
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/abc")

    def snapshot_download(self, repo_id, *, revision=None, token=None, allow_patterns, **_):
        place = self.root / "blobs" / repo_id
        if not place.is_dir():
            raise OSError(f"404 Client Error: {repo_id}")
        links = self.root / "snapshots" / repo_id
        links.mkdir(parents=True, exist_ok=True)
        for path in place.iterdir():
            if path.name in allow_patterns and not (links / path.name).exists():
                (links / path.name).symlink_to(path)
        return str(links)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    library = pytest.importorskip("huggingface_hub")
    fake = FakeHub(tmp_path)

    def checked(real, stand_in, *bound):
        """Refuse arguments that the installed library would refuse."""

        def call(*args, **options):
            inspect.signature(real).bind(*bound, *args, **options)
            return stand_in(*args, **options)

        return call

    api = library.HfApi
    monkeypatch.setattr(fake, "create_repo", checked(api.create_repo, fake.create_repo, None))
    monkeypatch.setattr(fake, "upload_folder", checked(api.upload_folder, fake.upload_folder, None))
    monkeypatch.setattr(library, "HfApi", checked(api, lambda **_: fake))
    download = checked(library.snapshot_download, fake.snapshot_download)
    monkeypatch.setattr(library, "snapshot_download", download)
    return fake


def test_a_model_goes_to_the_hub_and_comes_back(hub, model):
    where = model.push_to_hub("someone/blood")
    assert where == "https://hub/someone/blood/commit/abc" and hub.private["someone/blood"]
    fetched = sct.Model.from_hub("someone/blood")
    assert fetched.digest() == model.digest() and fetched.labels == model.labels
    card = (hub.root / "blobs" / "someone/blood" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: sctabnet\n")


def test_a_repository_that_was_edited_is_refused(hub, model):
    model.push_to_hub("someone/blood", private=False)
    (hub.root / "blobs" / "someone/blood" / "labels.json").write_text("{}")
    with pytest.raises(ValueError, match=r"blood is not as it was written: labels\.json"):
        sct.Model.from_hub("someone/blood")


def test_what_the_hub_says_is_passed_on(hub, model, monkeypatch):
    with pytest.raises(ValueError, match="other could not be fetched.*404.*hf auth login"):
        sct.Model.from_hub("someone/other")
    (hub.root / "blobs" / "someone/data").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds no sctabnet model.*push_to_hub"):
        sct.Model.from_hub("someone/data")
    monkeypatch.setattr(hub, "create_repo", lambda *_, **__: None)
    with pytest.raises(ValueError, match="did not take the model as x/y.*404"):
        model.push_to_hub("x/y")


def test_without_huggingface_hub_the_extra_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: model.push_to_hub("x/y"), lambda: sct.Model.from_hub("x/y")):
        with pytest.raises(ImportError, match=r"needs huggingface_hub.*'sctabnet\[hub\]'"):
            call()
