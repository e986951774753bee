from __future__ import annotations

from anndata import AnnData


def pbmc68k() -> AnnData:
    """Return 700 real human blood cells that ship with scanpy; nothing is downloaded.

    A part of the 68,000 PBMC of Zheng et al. (2017), doi:10.1038/ncomms14049, with 765 variable
    genes. ``X`` is scaled and no input for a model; ask for the log-normalised values with
    ``layer="raw"``.

    Returns
    -------
    anndata.AnnData
        ``raw.X``: CSR float32 (700, 765), log1p-normalised, rounded to three decimals, its genes in
        ascending order within each cell. ``obs["bulk_labels"]``: ten cell types.

    Examples
    --------
    >>> adata = pbmc68k()
    >>> adata.raw.shape, adata.obs["bulk_labels"].nunique()
    ((700, 765), 10)
    """
    import scanpy as sc  # slow to import, and only needed here

    adata = sc.datasets.pbmc68k_reduced()
    adata.raw.X.sort_indices()
    return adata
