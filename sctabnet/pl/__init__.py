"""Results as pictures: every function takes ``ax`` and returns Axes."""

from sctabnet.pl._confusion import confusion
from sctabnet.pl._importance_heatmap import importance_heatmap
from sctabnet.pl._perturbation_heatmap import perturbation_heatmap
from sctabnet.pl._perturbation_scatter import perturbation_scatter

__all__ = ["confusion", "importance_heatmap", "perturbation_heatmap", "perturbation_scatter"]
