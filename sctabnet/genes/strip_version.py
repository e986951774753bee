from __future__ import annotations

import re

# ENS + species letters + feature letter(s) + 11 digits; GENCODE marks copies on Y `_PAR_Y`
_VERSIONED = re.compile(r"(ENS[A-Z]*\d{11})\.\d+(_PAR_Y)?")


def strip_version(gene_id: str) -> str:
    """Return an Ensembl id without its version; any other id comes back as it is.

    A dot elsewhere belongs to the name (clones such as ``RP11-34P13.7``), so only ids of Ensembl's
    own shape are touched, and a pseudoautosomal gene's copy on Y stays a gene of its own.

    Examples
    --------
    >>> strip_version("ENSG00000141510.18"), strip_version("RP11-34P13.7")
    ('ENSG00000141510', 'RP11-34P13.7')
    """
    if not gene_id.startswith("ENS"):
        return gene_id
    match = _VERSIONED.fullmatch(gene_id)
    return match[1] + (match[2] or "") if match else gene_id
