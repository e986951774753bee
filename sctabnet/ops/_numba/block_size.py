from __future__ import annotations

# Table rows of one block should stay in a core's second-level cache (1 MiB and more today), and
# leave room in it for the lists that pass by.
_BLOCK_BYTES = 768 * 1024


def block_size(n_genes: int, width: int, itemsize: int, n_listed: int, n_rows: int) -> int:
    """Choose how many neighbouring genes to treat before going on to the next ones.

    All rows are served from one block of the table before the next is touched, which pays once
    a row lists several genes of a block; short lists take the table whole.
    """
    size = max(1, _BLOCK_BYTES // (max(width, 1) * itemsize))
    n_blocks = -(-n_genes // size)
    return size if n_listed > 2 * n_rows * n_blocks else max(n_genes, 1)
