"""Train with a loss of your own and watch a metric of your own."""

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from sctabnet.tabular import TabNetClassifier
from sctabnet.tabular.metric import Metric

table, benign = load_breast_cancer(return_X_y=True)
train, test, y_train, y_test = train_test_split(table, benign, random_state=0, stratify=benign)


def focal(logits, targets):
    """Count rows less that are already right: one loss per row."""
    log_p = torch.log_softmax(logits, 1).gather(1, targets[:, None]).squeeze(1)
    return -((1 - log_p.exp()) ** 2) * log_p


def missed_tumours(truth, probability):
    """Return the share of malignant rows (code 0) called benign."""
    return float(np.mean(probability[truth == 0].argmax(1) == 1))


classifier = TabNetClassifier(
    random_state=0,
    max_epochs=15,
    loss_fn=focal,
    eval_metric=["accuracy", Metric("missed_tumours", missed_tumours, maximise=False)],
).fit(train, y_train, eval_set={"test": (test, y_test)})
last = classifier.history_[-1]
print({name: round(value, 3) for name, value in last.items()})
assert last["test_missed_tumours"] < 0.3
