"""Learn two label columns with one network."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sctabnet.tabular import TabNetMultiTaskClassifier

images, digit = load_digits(return_X_y=True)
labels = pd.DataFrame({"digit": digit, "parity": np.where(digit % 2, "odd", "even")})
train, test, y_train, y_test = train_test_split(images, labels, random_state=0, stratify=digit)

classifier = TabNetMultiTaskClassifier(random_state=0, max_epochs=12).fit(train, y_train)
predicted = classifier.predict(test)
accuracy = (predicted == y_test.to_numpy()).mean(0)
print(dict(zip(labels.columns, accuracy.astype(float).round(3), strict=True)))
digit_probability, parity_probability = classifier.predict_proba(test[:1])
print(digit_probability.round(2), parity_probability.round(2))
assert accuracy.min() > 0.8
