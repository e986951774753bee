"""Fetch a model folder from a web server."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit, urlunsplit

import pooch

from sctabnet._errors import InputError
from sctabnet._settings import settings
from sctabnet.data.resuming_download import ResumingDownload
from sctabnet.model.folder import MANIFEST, read_folder, read_manifest


def fetch_from_url(url: str, *, sha256: str | None = None) -> dict[str, bytes]:
    """Return the files of a model folder at ``url``, each as its manifest says.

    They are kept in ``settings.cache_dir / "models"``, by the digest of the manifest: what is there
    already is not fetched again.

    Parameters
    ----------
    url
        Address of the folder or of its ``manifest.json``.
    sha256
        Digest that the manifest must have, or None for any.

    Raises
    ------
    ValueError
        If the server cannot be reached, what is there is no model, or the manifest is another one.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise InputError(
            f"A model is fetched from an address that begins with https:// or http://. Found "
            f"{url!r}. Give one, or load a folder of this machine with sctabnet.Model.load."
        )
    base = parts.path.removesuffix(MANIFEST).rstrip("/")

    def address(name: str) -> str:
        return urlunsplit(parts._replace(path=f"{base}/{name}"))

    models = settings.cache_dir / "models"
    models.mkdir(parents=True, exist_ok=True)
    at = hashlib.sha256(address("").encode()).hexdigest()[:16]
    manifest = models / f"{at}.json"
    download = ResumingDownload(models / f"{at}.json.part", resume=False)
    download(address(MANIFEST), str(manifest), None)  # always anew: a model may be replaced
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        manifest.unlink()
        raise InputError(
            f"{url} is not the model that was asked for. Found a manifest of SHA-256 {digest}, "
            f"wanted {sha256}. Ask whoever gave you the address which of them is right."
        )
    folder = models / digest
    folder.mkdir(exist_ok=True)
    manifest.replace(folder / MANIFEST)
    for name, entry in read_manifest(folder).items():
        part = models / f"{digest}-{name}.part"
        try:
            pooch.retrieve(
                address(name),
                known_hash=f"sha256:{entry['sha256']}",
                fname=name,
                path=folder,
                downloader=ResumingDownload(part, resume=True),
            )
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{name} at {url} was refused: {error}") from error
    return read_folder(folder)
