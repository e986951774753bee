"""Results as data frames."""

from sctabnet.get._importance_df import importance_df
from sctabnet.get._labels_df import labels_df

__all__ = ["importance_df", "labels_df"]
