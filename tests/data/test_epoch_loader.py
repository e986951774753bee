from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from sctabnet.data.balanced_rows import balanced_rows
from sctabnet.data.corpus import Corpus
from sctabnet.data.epoch_loader import EpochLoader


@pytest.fixture(scope="module")
def corpus(make_adata):
    return Corpus.open(make_adata(1003), labels_key="cell_type")


def rows_of(minibatches):
    return [m.row_ids.tolist() for m in minibatches]


def test_epochs_differ_and_each_holds_every_cell_once(corpus):
    loader = EpochLoader(corpus, minibatch_size=64)
    assert len(loader) == 16
    first, second = rows_of(loader), rows_of(loader)
    assert (loader.epoch, loader.step) == (1, 16)
    assert first != second
    for epoch in (first, second):
        assert all(len(step) == 64 for step in epoch)
        assert sorted(r for step in epoch for r in step if r >= 0) == list(range(1003))


def test_padding_has_no_weight_label_or_genes(corpus):
    last = list(EpochLoader(corpus, minibatch_size=64))[-1]
    padding = last.row_ids < 0
    assert padding.sum() == 16 * 64 - 1003
    assert (last.weights == (~padding).float()).all()
    assert (last.labels[padding] == -1).all()
    assert (last.offsets.diff()[padding] == 0).all()


def test_validation_keeps_its_order(corpus):
    loader = EpochLoader(corpus, np.arange(0, 1003, 3), minibatch_size=64, reshuffle=False)
    assert rows_of(loader) == rows_of(loader)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (4, 2), (1, 4)])
def test_resume_on_another_number_of_processes(corpus, before, after):
    def loaders(world_size):
        return [
            EpochLoader(corpus, minibatch_size=64, seed=5, rank=r, world_size=world_size)
            for r in range(world_size)
        ]

    def joined(parts):
        return [[r for part in step for r in part] for step in zip(*parts, strict=True)]

    whole = EpochLoader(corpus, minibatch_size=64, seed=5)
    expected = rows_of(whole) + rows_of(whole)
    stopped = loaders(before)
    taken = []
    for loader in stopped:
        minibatches = iter(loader)
        taken.append([next(minibatches).row_ids.tolist() for _ in range(7)])
        minibatches.close()
    state = stopped[0].state_dict()
    assert len(json.dumps(state)) < 1024
    resumed = loaders(after)
    for loader in resumed:
        loader.load_state_dict(state)
    rest = joined([rows_of(loader) for loader in resumed])
    again = joined([rows_of(loader) for loader in resumed])
    assert joined(taken) + rest + again == expected


def test_state_of_other_data_or_settings_is_refused(corpus, make_adata):
    state = EpochLoader(corpus, minibatch_size=64).state_dict()
    with pytest.raises(ValueError, match="minibatch_size differs"):
        EpochLoader(corpus, minibatch_size=32).load_state_dict(state)
    with pytest.raises(ValueError, match="fingerprint differs"):
        other = Corpus.open(make_adata(1003, seed=1))
        EpochLoader(other, minibatch_size=64).load_state_dict(state)


CHILD = """
    import json, sys, time
    from sctabnet.data.corpus import Corpus
    from sctabnet.data.epoch_loader import EpochLoader

    corpus = Corpus.open(sys.argv[1])
    loader = EpochLoader(corpus, minibatch_size=64, seed=2)
    for minibatch in loader:
        line = {"rows": minibatch.row_ids.tolist(), "state": loader.state_dict()}
        print(json.dumps(line), flush=True)
        time.sleep(0.01)
"""


def test_killed_process_is_resumed_on_two(make_adata, tmp_path):
    path = tmp_path / "a.h5ad"
    make_adata(3001).write_h5ad(path)
    expected = rows_of(EpochLoader(Corpus.open(path), minibatch_size=64, seed=2))
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(path)], stdout=subprocess.PIPE, text=True
    )
    lines = [child.stdout.readline() for _ in range(11)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    seen = [json.loads(line) for line in lines if line.endswith("\n")]
    assert len(seen) < len(expected)
    parts = []
    for rank in range(2):
        loader = EpochLoader(Corpus.open(path), minibatch_size=64, seed=2, rank=rank, world_size=2)
        loader.load_state_dict(seen[-1]["state"])
        parts.append(rows_of(loader))
    rest = [a + b for a, b in zip(*parts, strict=True)]
    assert [step["rows"] for step in seen] + rest == expected


def test_balanced_classes(corpus):
    labels = corpus.label_codes
    loader = EpochLoader(corpus, minibatch_size=64, balance=labels)
    epochs = []
    for _ in range(2):
        rows = np.concatenate([m.row_ids.numpy() for m in loader])
        epochs.append(rows[rows >= 0])
        shares = np.bincount(labels[epochs[-1]])
        assert np.ptp(shares) <= 1
        assert len(epochs[-1]) == (labels >= 0).sum()
    assert not np.array_equal(*epochs)


def test_balanced_rows_repeat_rare_cells_evenly_and_far_apart():
    classes = np.repeat([0, 1, -1], [900, 30, 70])
    rows = balanced_rows(np.arange(1000), classes, np.zeros(1000, np.int64), seed=0, epoch=0)
    drawn, counts = np.unique(rows, return_counts=True)
    assert len(rows) == 930 and abs((classes[rows] == 1).sum() - 465) <= 1
    assert set(counts[classes[drawn] == 1]) <= {15, 16}
    assert set(counts[classes[drawn] == 0]) == {1}
    assert (np.diff(np.flatnonzero(rows == 905)) >= 29).all()
    with pytest.raises(ValueError, match="No cell has a class"):
        balanced_rows(np.arange(2), np.array([-1, -1]), np.zeros(2), seed=0, epoch=0)


def test_throughput(corpus):
    loader = EpochLoader(corpus, minibatch_size=64)
    list(loader)
    report = loader.throughput()
    assert report["cells_per_s"] > 0 and 0 <= report["wait_share"] <= 1
    loader.reset_throughput()
    assert loader.throughput()["cells_per_s"] == 0
