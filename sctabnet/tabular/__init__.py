"""TabNet for any table of numbers and categories, in scikit-learn's style."""

from sctabnet.tabular.metric import Metric
from sctabnet.tabular.tabnet_classifier import TabNetClassifier
from sctabnet.tabular.tabnet_multi_task_classifier import TabNetMultiTaskClassifier
from sctabnet.tabular.tabnet_pretrainer import TabNetPretrainer
from sctabnet.tabular.tabnet_regressor import TabNetRegressor

__all__ = [
    "Metric",
    "TabNetClassifier",
    "TabNetMultiTaskClassifier",
    "TabNetPretrainer",
    "TabNetRegressor",
]


def __dir__() -> list[str]:
    return sorted(__all__)
