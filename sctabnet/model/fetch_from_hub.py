"""Fetch a model folder from the Hugging Face Hub."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from sctabnet._errors import InputError
from sctabnet._extras import extra
from sctabnet.model.folder import FILES, MANIFEST, read_folder


def fetch_from_hub(
    repo_id: str, *, revision: str | None = None, token: str | None = None
) -> dict[str, bytes]:
    """Return the files of the model in a repository of the hub, each as its manifest says.

    The hub's own cache keeps them. It holds links, and a repository holds more files than a model:
    the model's are copied out and read as any other folder is.

    Raises
    ------
    ImportError
        If huggingface-hub is not installed.
    ValueError
        If it cannot be fetched, or the repository holds no model as it was written.
    """
    hub: Any = extra("huggingface_hub", "hub", "sctabnet.Model.from_hub")
    errors: Any = extra("huggingface_hub.errors", "hub", "sctabnet.Model.from_hub")
    wanted = sorted({*FILES, MANIFEST})
    try:
        snapshot = Path(
            hub.snapshot_download(
                repo_id, revision=revision, token=token, allow_patterns=wanted,
                library_name="sctabnet",
            )
        )  # fmt: skip
    except (OSError, ValueError, errors.HTTPError) as error:
        raise InputError(
            f"{repo_id} could not be fetched from the hub. Found: {error}. Check the name and the "
            "revision; a private model needs `hf auth login` or token=..."
        ) from error
    found = [name for name in wanted if (snapshot / name).is_file()]
    if MANIFEST not in found:
        raise InputError(
            f"{repo_id} holds no sctabnet model: there is no manifest.json. Found {found}. "
            "Give a repository written by model.push_to_hub."
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, *repo_id.split("/"))  # its name is what an error speaks of
        folder.mkdir(parents=True)
        for name in found:
            shutil.copyfile(snapshot / name, folder / name)
        return read_folder(folder)
