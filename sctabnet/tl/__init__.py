"""AnnData in, AnnData out: apply a trained model."""

from sctabnet.tl._embed import embed
from sctabnet.tl._gene_importance import gene_importance
from sctabnet.tl._predict_perturbation import predict_perturbation
from sctabnet.tl._resolve_genes import resolve_genes
from sctabnet.tl._transfer_labels import transfer_labels

__all__ = ["embed", "gene_importance", "predict_perturbation", "resolve_genes", "transfer_labels"]
