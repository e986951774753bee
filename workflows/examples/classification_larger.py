"""Classify more rows, watching two evaluation sets and stopping on one of them."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sctabnet.tabular import TabNetClassifier

images, digit = load_digits(return_X_y=True)
images, test, digit, digit_test = train_test_split(images, digit, random_state=0, stratify=digit)
train, valid, digit_train, digit_valid = train_test_split(images, digit, random_state=0)

classifier = TabNetClassifier(
    random_state=0, max_epochs=8, patience=4, eval_metric=["accuracy", "logloss"]
).fit(
    train,
    digit_train,
    eval_set={"valid": (valid, digit_valid), "train": (train, digit_train)},
    early_stopping_on="valid",
)
for record in classifier.history_[::4]:
    print({name: round(value, 3) for name, value in record.items()})
accuracy = classifier.score(test, digit_test)
print(f"accuracy on new images {accuracy:.3f}")

# which pixels did each of the three decision steps look at, for one image?
explanation, masks = classifier.explain(test[:1])
print(explanation.shape, masks.shape, (masks > 0).sum(2).ravel())
assert accuracy > 0.85
