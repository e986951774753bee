"""Results as data frames."""

from sctabnet.get._importance_df import importance_df
from sctabnet.get._labels_df import labels_df
from sctabnet.get._perturbation_df import perturbation_df
from sctabnet.get._shap_explanation import shap_explanation

__all__ = ["importance_df", "labels_df", "perturbation_df", "shap_explanation"]
