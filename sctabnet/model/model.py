"""A trained model: network, vocabulary, labels and what is needed to apply them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load, save

from sctabnet._settings import settings
from sctabnet.data.minibatch import Minibatch
from sctabnet.genes.gene_keys import gene_keys
from sctabnet.genes.gene_vocabulary import GeneVocabulary
from sctabnet.heads.integrate import IntegrateHead
from sctabnet.heads.perturb import PerturbHead
from sctabnet.model.calibration import Calibration
from sctabnet.model.card import card
from sctabnet.model.fetch_from_hub import fetch_from_hub
from sctabnet.model.fetch_from_url import fetch_from_url
from sctabnet.model.folder import contradictions_named, read_folder, write_folder
from sctabnet.model.model_config import ModelConfig
from sctabnet.model.model_line import model_line
from sctabnet.model.model_table import model_table
from sctabnet.model.network import Network, Prediction
from sctabnet.model.push_to_hub import push_to_hub
from sctabnet.model.type_distance import TypeDistance


class Model:
    """Encoder and heads with the genes, labels and covariates that they know.

    Parameters
    ----------
    config
        Choices that define the network.
    vocabulary
        Genes that the model knows.
    labels
        Names of the labels in order; empty for a pretrained model without a label head.
    covariates
        Known levels of every covariate, by ``.obs`` column.
    history
        How the model was made, JSON types; one entry per training run.

    Examples
    --------
    >>> import sctabnet as sct, tempfile
    >>> _, model = sct.datasets.example()
    >>> folder = model.save(tempfile.mkdtemp())
    >>> sct.Model.load(folder).digest() == model.digest()
    True
    """

    def __init__(
        self,
        config: ModelConfig,
        vocabulary: GeneVocabulary,
        *,
        labels: Sequence[str] = (),
        covariates: Mapping[str, Sequence[str]] | None = None,
        history: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.labels = tuple(labels)
        self.covariates = {key: tuple(levels) for key, levels in (covariates or {}).items()}
        self.history = [dict(entry) for entry in history]
        self.calibration: Calibration | None = None
        self.type_distance: TypeDistance | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = Network(
                config,
                torch.from_numpy(gene_keys(vocabulary.ids)),
                n_labels=len(self.labels),
                covariate_levels=[len(levels) for levels in self.covariates.values()],
            )
        self.network.eval()

    def __repr__(self) -> str:
        return model_line(self)

    def _repr_html_(self) -> str:
        """Show the model as a table in a notebook."""
        return model_table(self)

    def digest(self) -> str:
        """Return SHA-256 (hexadecimal) of all weights: it names the model."""
        hashed = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            hashed.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return hashed.hexdigest()

    @torch.no_grad()
    def predict(
        self, minibatches: Iterable[Minibatch], *, device: str | None = None
    ) -> Iterator[tuple[Minibatch, Prediction]]:
        """Apply the network in evaluation mode, minibatch by minibatch.

        Parameters
        ----------
        minibatches
            Cells aligned to :attr:`vocabulary`.
        device
            Where to compute; ``settings.device`` if None.

        Yields
        ------
        The minibatch and its :class:`~sctabnet.model.network.Prediction`, on the device.
        """
        device = device or settings.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        network = self.network.to(device).eval()
        for minibatch in minibatches:
            on_device = minibatch.to(device)
            yield on_device, network(on_device)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model folder: configuration, genes, labels, weights, card and digests.

        The folder appears as a whole or not at all; no pickle is involved.

        Parameters
        ----------
        folder
            Where to write; folders above it are made.
        overwrite
            Replace a model that is already there.

        Raises
        ------
        ValueError
            If the folder exists and ``overwrite`` is False, or cannot be written.
        """
        tensors = {k: v.cpu().contiguous() for k, v in self.network.state_dict().items()}
        if self.calibration is not None:
            tensors["calibration.logits"] = self.calibration.logits.contiguous()
            tensors["calibration.labels"] = self.calibration.labels.contiguous()
            if self.calibration.distances is not None:
                tensors["calibration.distances"] = self.calibration.distances.contiguous()
        if self.type_distance is not None:
            tensors |= self.type_distance.to_tensors()
        config = {"model": self.config.to_dict(), "history": self.history}
        labels: dict[str, Any] = {"labels": list(self.labels), "covariates": self.covariates}
        if self.network.perturb is not None:
            labels["perturbation"] = self.network.perturb.spec()
        files = {
            "config.json": _json(config),
            "genes.tsv": self.vocabulary.to_tsv().encode(),
            "labels.json": _json(labels),
            "model.safetensors": save(tensors),
            "README.md": card(self).encode(),
        }
        return write_folder(folder, files, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model folder; every file is checked against its digest first.

        Raises
        ------
        ValueError
            If it is no model, a file was changed, or its format is newer than sctabnet reads.
        """
        with contradictions_named(folder):
            return cls._from_files(read_folder(folder))

    @classmethod
    def from_url(cls, url: str, *, sha256: str | None = None) -> Self:
        """Fetch a model folder that lies on a web server; what was fetched once is kept.

        Every file is checked against the digest that the model's ``manifest.json`` states, so
        that no other one is loaded; a model holds no code that could run.

        Parameters
        ----------
        url
            Address of the folder, or of the ``manifest.json`` in it; ``https://`` or ``http://``.
        sha256
            Digest of ``manifest.json``; only with it is the model certain to be the one that you
            were told of.

        Raises
        ------
        ValueError
            If the server cannot be reached, what is there is no model, or it is another one.
        """
        return cls._from_files(fetch_from_url(url, sha256=sha256))

    @classmethod
    def from_hub(
        cls, repo_id: str, *, revision: str | None = None, token: str | None = None
    ) -> Self:
        """Fetch a model from the Hugging Face Hub; every file is checked against its digest.

        Needs ``pip install 'sctabnet[hub]'``.

        Parameters
        ----------
        repo_id
            Name of the repository, such as ``"someone/blood"``.
        revision
            Branch, tag or commit; a commit always gives the same model.
        token
            Access token; by default the one that ``hf auth login`` has stored.

        Raises
        ------
        ImportError
            If huggingface-hub is not installed.
        ValueError
            If it cannot be fetched, or the repository holds no model as it was written.
        """
        return cls._from_files(fetch_from_hub(repo_id, revision=revision, token=token))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = True,
        revision: str | None = None,
        commit_message: str = "Upload sctabnet model",
        token: str | None = None,
    ) -> str:
        """Upload the model folder, card included, to the Hugging Face Hub.

        Needs ``pip install 'sctabnet[hub]'``. State a licence first:
        ``model.config.license = "CC-BY-4.0"``.

        Parameters
        ----------
        repo_id
            Name of the repository, such as ``"someone/blood"``; made if it does not exist.
        private
            Whether a new repository is to be seen by its owner only.
        revision
            Branch to write to.
        commit_message
            What the repository's history says of it.
        token
            Access token; by default the one that ``hf auth login`` has stored.

        Returns
        -------
        Address of the commit. Its identifier, given to :meth:`from_hub` as ``revision``, always
        gives this very model.

        Raises
        ------
        ImportError
            If huggingface-hub is not installed.
        ValueError
            If the hub refuses it.
        """
        return push_to_hub(
            self,
            repo_id,
            private=private,
            revision=revision,
            commit_message=commit_message,
            token=token,
        )

    @classmethod
    def _from_files(cls, files: Mapping[str, bytes]) -> Self:
        config = json.loads(files["config.json"])
        labels = json.loads(files["labels.json"])
        model = cls(
            ModelConfig.from_dict(config["model"]),
            GeneVocabulary.from_tsv(files["genes.tsv"].decode(), name="genes.tsv"),
            labels=labels["labels"],
            covariates=labels["covariates"],
            history=config["history"],
        )
        tensors = load(files["model.safetensors"])
        if "calibration.logits" in tensors:
            model.calibration = Calibration(
                tensors.pop("calibration.logits"),
                tensors.pop("calibration.labels"),
                tensors.pop("calibration.distances", None),
            )
        model.type_distance = TypeDistance.from_tensors(tensors)
        if "perturbation" in labels:
            model.network.perturb = PerturbHead.from_spec(labels["perturbation"])
        model.network.integrate = IntegrateHead.of_saved(model.network.gene_keys, tensors)
        model.network.load_state_dict(tensors)
        return model


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
