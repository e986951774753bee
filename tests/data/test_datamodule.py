from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from sctabnet.data.corpus import Corpus
from sctabnet.data.datamodule import CorpusDataModule

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # inside Lightning


class Recorder(LightningModule):
    """Writes down which cells it was given."""

    def __init__(self, stop_after=None):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(()))
        self.seen, self.validated, self.stop_after = [], [], stop_after

    def training_step(self, minibatch, index):
        self.seen.append((self.current_epoch, minibatch.row_ids.tolist()))
        if len(self.seen) == self.stop_after:
            raise KeyboardInterrupt
        return (self.bias * minibatch.weights).sum()

    def validation_step(self, minibatch, index):
        self.validated.extend(minibatch.row_ids[minibatch.weights > 0].tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer(tmp_path, **options):
    return Trainer(
        accelerator="cpu",
        devices=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=CSVLogger(tmp_path),
        default_root_dir=tmp_path,
        **{"enable_checkpointing": False, "max_epochs": 2, **options},
    )


@pytest.fixture(scope="module")
def corpus(make_adata):
    return Corpus.open(make_adata(500), labels_key="cell_type")


def module(corpus):
    rows = np.arange(500)
    return CorpusDataModule(
        corpus,
        train_rows=rows[rows % 5 > 0],
        valid_rows=rows[rows % 5 == 0],
        minibatch_size=32,
        seed=4,
    )


def test_epochs_of_a_trainer(corpus, tmp_path):
    recorder, data = Recorder(), module(corpus)
    trainer(tmp_path, num_sanity_val_steps=0).fit(recorder, data)
    train = sorted(set(range(500)) - set(range(0, 500, 5)))
    for epoch in (0, 1):
        cells = [r for e, step in recorder.seen if e == epoch for r in step if r >= 0]
        assert sorted(cells) == train
    assert recorder.seen[0][1] != recorder.seen[13][1]
    assert sorted(recorder.validated) == sorted([*range(0, 500, 5)] * 2)
    assert data.throughput()["cells_per_s"] > 0


def test_resume_within_an_epoch_gives_the_remaining_cells(corpus, tmp_path):
    whole = Recorder()
    trainer(tmp_path, num_sanity_val_steps=0).fit(whole, module(corpus))

    from lightning.pytorch.callbacks import ModelCheckpoint

    stopped = Recorder(stop_after=8)
    keep = ModelCheckpoint(tmp_path / "kept", every_n_train_steps=7, save_top_k=-1)
    first = trainer(tmp_path, num_sanity_val_steps=0, callbacks=[keep], enable_checkpointing=True)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        first.fit(stopped, module(corpus))
    (checkpoint,) = (tmp_path / "kept").glob("*step=7.ckpt")

    resumed = Recorder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Lightning's advice about stateful loaders
        trainer(tmp_path, num_sanity_val_steps=0).fit(
            resumed, module(corpus), ckpt_path=checkpoint, weights_only=False
        )
    assert stopped.seen[:7] + resumed.seen == whole.seen


def test_throughput_is_logged(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("sctabnet.data.datamodule._LOG_EVERY", 5)
    run = trainer(tmp_path, num_sanity_val_steps=0, max_epochs=1)
    run.fit(Recorder(), module(corpus))
    run.logger.save()
    (metrics,) = tmp_path.rglob("metrics.csv")
    assert "data/cells_per_s" in metrics.read_text() and "data/wait_share" in metrics.read_text()


def test_no_validation(corpus):
    assert CorpusDataModule(corpus).val_dataloader() == []
