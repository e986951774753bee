from __future__ import annotations

from pathlib import Path
from typing import Any

from sctabnet._errors import InputError


def check_csr(matrix: Any, path: str) -> None:
    """Refuse a stored matrix that is not CSR, and say how to convert it.

    Raises
    ------
    ValueError
        If the matrix is dense, CSC, or something else.
    """
    encoding = matrix.attrs.get("encoding-type", "array")
    key = matrix.name.lstrip("/")
    if encoding == "csr_matrix":
        parts = {part: matrix.get(part) for part in ("data", "indices", "indptr")}
        lacking = [part for part, array in parts.items() if array is None]
        if lacking:
            raise InputError(
                f"{path} is damaged: {key} is no whole CSR matrix. Found no "
                f"{' and no '.join(lacking)} in it. Fetch or write the file again."
            )
        if parts["data"].dtype.kind not in "uif":
            raise InputError(
                f"{key} of {path} must hold numbers. Found values of type {parts['data'].dtype}. "
                "Write the file again with numbers, or choose another matrix with layer=...."
            )
        return
    name = key.removeprefix("raw/").removeprefix("layers/")
    place = "a.X" if name == "X" else f"a.layers[{name!r}]"
    read, suffix = ("read_zarr", ".zarr") if Path(path).is_dir() else ("read_h5ad", ".h5ad")
    raw = "a = a.raw.to_adata(); " if key.startswith("raw/") else ""
    raise InputError(
        f"{key} of {path} cannot be streamed cell by cell: it must be a CSR matrix. "
        f"Found {'a dense matrix' if encoding == 'array' else encoding}. Convert it once:\n"
        f'python -c "import anndata, scipy.sparse as sp; a = anndata.{read}({path!r}); {raw}'
        f'{place} = sp.csr_matrix({place}); a.write_{suffix[1:]}({_beside(path, suffix)!r})"'
    )


def _beside(path: str, suffix: str) -> str:
    return path.rstrip("/").removesuffix(suffix) + ".csr" + suffix
