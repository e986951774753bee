from __future__ import annotations

import numpy as np
import torch

from sctabnet.data.corpus import Corpus


def test_record_has_the_promised_types_and_shapes(make_adata):
    corpus = Corpus.open(make_adata(), labels_key="cell_type", covariate_keys=["donor"])
    minibatch = corpus.take(np.array([5, 3, 3]))
    assert len(minibatch) == 3
    assert minibatch.values.dtype == torch.float32
    assert minibatch.indices.dtype == torch.int32
    assert minibatch.offsets.tolist()[0] == 0 and len(minibatch.offsets) == 4
    assert minibatch.offsets[-1] == len(minibatch.values) == len(minibatch.indices)
    assert minibatch.labels.dtype == torch.int64 and minibatch.labels.shape == (3,)
    assert minibatch.covariates.dtype == torch.int64 and minibatch.covariates.shape == (3, 1)
    assert minibatch.weights.tolist() == [1, 1, 1] and minibatch.weights.dtype == torch.float32
    assert minibatch.row_ids.tolist() == [5, 3, 3]
    assert minibatch.source_ids.tolist() == [0, 0, 0]
    assert minibatch.measured.shape == (1, 40) and minibatch.measured.dtype == torch.bool
    assert minibatch.is_log1p.tolist() == [False]


def test_to_moves_every_tensor(make_adata):
    minibatch = Corpus.open(make_adata()).take(np.arange(4)).to("meta")
    assert all(getattr(minibatch, name).device.type == "meta" for name in type(minibatch).__slots__)
