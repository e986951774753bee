"""Classify rows with text and number columns, missing values and an unseen category."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from sctabnet.tabular import TabNetClassifier

table, kind = load_wine(return_X_y=True, as_frame=True)
# make the table what tables are: a text column, holes in a number column
table["shade"] = pd.cut(table["hue"], 3, labels=["low", "mid", "high"]).astype(str)
table.loc[::7, "alcohol"] = np.nan
train, test, kind_train, kind_test = train_test_split(table, kind, random_state=0, stratify=kind)

classifier = TabNetClassifier(random_state=0, max_epochs=15).fit(train, kind_train)
accuracy = classifier.score(test, kind_test)
print(f"accuracy {accuracy:.2f}")
importances = pd.Series(classifier.feature_importances_, index=table.columns)
print(importances.nlargest(3))

# a category that training never saw takes the trained "unknown" row
strange = test.head(2).assign(shade="never seen")
print(classifier.predict_proba(strange).round(2))
assert accuracy > 0.8
