"""Upload a model folder to the Hugging Face Hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sctabnet._errors import InputError
from sctabnet._extras import extra

if TYPE_CHECKING:
    from sctabnet.model.model import Model


def push_to_hub(
    model: Model,
    repo_id: str,
    *,
    private: bool,
    revision: str | None,
    commit_message: str,
    token: str | None,
) -> str:
    """Write the folder of a model into a repository, as one commit; return its address.

    Raises
    ------
    ImportError
        If huggingface-hub is not installed.
    ValueError
        If the hub refuses it.
    """
    hub: Any = extra("huggingface_hub", "hub", "Model.push_to_hub")
    errors: Any = extra("huggingface_hub.errors", "hub", "Model.push_to_hub")
    api = hub.HfApi(token=token, library_name="sctabnet")
    with tempfile.TemporaryDirectory() as temporary:
        folder = model.save(Path(temporary) / "model")
        try:
            api.create_repo(repo_id, private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=repo_id, folder_path=folder, revision=revision,
                commit_message=commit_message,
            )  # fmt: skip
        except (OSError, ValueError, errors.HTTPError) as error:
            raise InputError(
                f"The hub did not take the model as {repo_id}. Found: {error}. Check the name, and "
                "log in with `hf auth login` or pass token=... of a user who may write there."
            ) from error
    return str(getattr(done, "commit_url", done))
