"""Results as pictures: every function takes ``ax`` and returns Axes."""

from sctabnet.pl._confusion import confusion
from sctabnet.pl._importance_heatmap import importance_heatmap

__all__ = ["confusion", "importance_heatmap"]
