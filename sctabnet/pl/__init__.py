"""Results as pictures: every function takes ``ax`` and returns Axes."""

from sctabnet.pl._calibration import calibration
from sctabnet.pl._confusion import confusion
from sctabnet.pl._coverage import coverage
from sctabnet.pl._deletion_curve import deletion_curve
from sctabnet.pl._importance_dotplot import importance_dotplot
from sctabnet.pl._importance_heatmap import importance_heatmap
from sctabnet.pl._label_flow import label_flow
from sctabnet.pl._perturbation_heatmap import perturbation_heatmap
from sctabnet.pl._perturbation_scatter import perturbation_scatter
from sctabnet.pl._stability import stability
from sctabnet.pl._step_masks import step_masks
from sctabnet.pl._training_curves import training_curves
from sctabnet.pl._umap import umap

__all__ = [
    "calibration",
    "confusion",
    "coverage",
    "deletion_curve",
    "importance_dotplot",
    "importance_heatmap",
    "label_flow",
    "perturbation_heatmap",
    "perturbation_scatter",
    "stability",
    "step_masks",
    "training_curves",
    "umap",
]
