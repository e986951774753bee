from __future__ import annotations

import anndata as ad
import numpy as np
import scipy.sparse as sp

from sctabnet.data.corpus import Corpus
from sctabnet.train.gene_statistics import STD_FLOOR, gene_statistics


def test_means_run_over_the_cells_that_measured_a_gene():
    rng = np.random.default_rng(0)
    names = [f"g{i:02}" for i in range(20)]
    first = ad.AnnData(sp.csr_matrix(rng.poisson(2.0, (30, 12)).astype(np.float32)))
    second = ad.AnnData(sp.csr_matrix(rng.poisson(0.5, (50, 14)).astype(np.float32)))
    first.var_names, second.var_names = names[:12], names[6:]
    corpus = Corpus.open([first, second])
    mean, std = gene_statistics(corpus.minibatches(minibatch_size=16), 20)
    values = np.full((80, 20), np.nan)
    for adata, rows, columns in (
        (first, slice(0, 30), slice(0, 12)),
        (second, slice(30, 80), slice(6, 20)),
    ):
        counts = adata.X.toarray().astype(float)
        values[rows, columns] = np.log1p(counts / counts.sum(1, keepdims=True) * 1e4)
    np.testing.assert_allclose(mean, np.nanmean(values, 0), rtol=1e-4)
    np.testing.assert_allclose(std, np.nanstd(values, 0).clip(STD_FLOOR), rtol=1e-3)


def test_genes_that_no_cell_measured_and_genes_that_are_always_silent():
    adata = ad.AnnData(sp.csr_matrix(np.tile([4.0, 0.0, 6.0], (9, 1)).astype(np.float32)))
    adata.var_names = ["a", "b", "c"]
    from sctabnet.genes.gene_vocabulary import GeneVocabulary

    corpus = Corpus.open(adata, vocabulary=GeneVocabulary(["a", "b", "c", "d"]))
    mean, std = gene_statistics(corpus.minibatches(), 4)
    np.testing.assert_allclose(mean, [np.log1p(4000), 0, np.log1p(6000), 0], rtol=1e-6)
    np.testing.assert_allclose(std, [STD_FLOOR, STD_FLOOR, STD_FLOOR, 1])
