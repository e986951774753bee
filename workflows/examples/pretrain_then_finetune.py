"""Learn from rows without labels first, then from a few labels."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sctabnet.tabular import TabNetClassifier, TabNetPretrainer

images, digit = load_digits(return_X_y=True)
images, test, digit, digit_test = train_test_split(images, digit, random_state=0, stratify=digit)

pretrainer = TabNetPretrainer(random_state=0, max_epochs=10, pretraining_ratio=0.5).fit(images)
print(f"loss of hidden pixels {pretrainer.history_[0]['loss']:.2f} -> "
      f"{pretrainer.history_[-1]['loss']:.2f}")  # fmt: skip

few = slice(0, 200)
options = {"random_state": 0, "max_epochs": 15}
scratch = TabNetClassifier(**options).fit(images[few], digit[few])
warm = TabNetClassifier(**options).fit(images[few], digit[few], from_unsupervised=pretrainer)
print(f"200 labels: from scratch {scratch.score(test, digit_test):.2f}, "
      f"pretrained {warm.score(test, digit_test):.2f}")  # fmt: skip
assert pretrainer.history_[-1]["loss"] < pretrainer.history_[0]["loss"]
assert warm.score(test, digit_test) > 0.4
