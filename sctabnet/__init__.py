"""Gene-token TabNet for single-cell RNA data: pretrain, transfer labels, rank genes."""

__version__ = "0.1.0"
