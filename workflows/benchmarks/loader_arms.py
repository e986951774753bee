"""Ways to stream shuffled minibatches from disk, for ``loader_speed.py``.

Each takes a path and returns a function of (epoch, cells) that yields the size of each minibatch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

MINIBATCH, WINDOW, BLOCK = 4096, 16_384, 64


def sctabnet_arm(path: str, **options: object) -> Callable[[int, int], Iterator[int]]:
    from contextlib import suppress

    from sctabnet.data.corpus import Corpus

    with suppress(ImportError):
        import hdf5plugin  # noqa: F401 - names of genes may be compressed by zstd too

    corpus = Corpus.open(path, **options)  # type: ignore[arg-type]

    def epoch(number: int, n_cells: int) -> Iterator[int]:
        rows = None if n_cells >= corpus.n_cells else np.arange(n_cells)
        for minibatch in corpus.minibatches(
            rows, minibatch_size=MINIBATCH, shuffle=True, epoch=number
        ):
            yield len(minibatch)

    return epoch


def subset(path: str) -> Callable[[int, int], Iterator[int]]:
    """The model knows 15,000 of the file's genes and 2,000 others."""
    from sctabnet.data.open_sources import open_sources
    from sctabnet.genes import GeneVocabulary

    genes = open_sources(path)[0].gene_ids
    kept = np.random.default_rng(0).permutation(len(genes))[: len(genes) * 3 // 4]
    return sctabnet_arm(
        path, vocabulary=GeneVocabulary([*genes[kept], *(f"X{i}" for i in range(2000))])
    )


def h5py_arm(path: str) -> Callable[[int, int], Iterator[int]]:
    """Blocks read through HDF5 into the same window, rows picked by scipy: the plain way."""
    import h5py
    import scipy.sparse as sp

    matrix = h5py.File(path)["X"]
    indptr = matrix["indptr"][:].astype(np.int64)
    shape = (len(indptr) - 1, int(matrix.attrs["shape"][1]))

    def epoch(number: int, n_cells: int) -> Iterator[int]:
        rng = np.random.default_rng(number)
        blocks = rng.permutation(min(n_cells, shape[0]) // BLOCK)
        for first in range(0, len(blocks), WINDOW // BLOCK):
            parts = []
            for block in blocks[first : first + WINDOW // BLOCK]:
                low, high = block * BLOCK, (block + 1) * BLOCK
                entries = slice(indptr[low], indptr[high])
                parts.append(
                    sp.csr_matrix(
                        (matrix["data"][entries], matrix["indices"][entries],
                         indptr[low : high + 1] - indptr[low]),
                        shape=(BLOCK, shape[1]),
                    )
                )  # fmt: skip
            window = sp.vstack(parts, format="csr")
            order = rng.permutation(window.shape[0])
            for start in range(0, len(order), MINIBATCH):
                yield window[order[start : start + MINIBATCH]].shape[0]

    return epoch


def scipy_arm(path: str) -> Callable[[int, int], Iterator[int]]:
    import anndata

    x = anndata.read_h5ad(path).X[:40_000]

    def epoch(number: int, n_cells: int) -> Iterator[int]:
        order = np.random.default_rng(number).permutation(x.shape[0])[:n_cells]
        for start in range(0, len(order), MINIBATCH):
            yield x[order[start : start + MINIBATCH]].shape[0]

    return epoch


def annloader_arm(path: str) -> Callable[[int, int], Iterator[int]]:
    import anndata
    from anndata.experimental import AnnLoader

    adata = anndata.read_h5ad(path, backed="r")

    def epoch(number: int, n_cells: int) -> Iterator[int]:
        seen = 0
        for minibatch in AnnLoader(adata, batch_size=1024, shuffle=True):
            yield minibatch.X.shape[0]
            seen += minibatch.X.shape[0]
            if seen >= n_cells:
                return

    return epoch


def scdataset_arm(path: str) -> Callable[[int, int], Iterator[int]]:
    """Its best setting for h5ad: blocks of 256, 16 minibatches of 1,024 fetched together."""
    import anndata
    import scipy.sparse as sp
    from scdataset import BlockShuffling, scDataset
    from torch.utils.data import DataLoader

    class Rows:
        matrix = anndata.read_h5ad(path, backed="r").X

        def __len__(self) -> int:
            return int(self.matrix.shape[0])

        def __getitem__(self, rows: np.ndarray) -> sp.csr_matrix:
            return self.matrix[rows]

    def epoch(number: int, n_cells: int) -> Iterator[int]:
        data = scDataset(Rows(), BlockShuffling(block_size=256), batch_size=1024, fetch_factor=16)
        seen = 0
        for minibatch in DataLoader(data, batch_size=None):
            yield minibatch.shape[0]
            seen += minibatch.shape[0]
            if seen >= n_cells:
                return

    return epoch


ARMS = {
    "sctabnet": sctabnet_arm,
    "sctabnet, 15,000 of the genes and 2,000 others": subset,
    "h5py blocks + scipy": h5py_arm,
    "scipy rows in memory": scipy_arm,
    "AnnLoader, backed": annloader_arm,
    "scDataset, backed": scdataset_arm,
}
