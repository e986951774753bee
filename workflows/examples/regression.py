"""Predict a number."""

from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from sctabnet.tabular import TabNetRegressor

table, progress = load_diabetes(return_X_y=True, as_frame=True)
train, test, y_train, y_test = train_test_split(table, progress, random_state=0)

regressor = TabNetRegressor(random_state=0, max_epochs=30).fit(train, y_train)
predicted = regressor.predict(test)
print(f"R2 {r2_score(y_test, predicted):.2f}, first predictions {predicted[:3].round(0)}")
share = dict(zip(table.columns, regressor.feature_importances_.round(2), strict=True))
print(share)
assert r2_score(y_test, predicted) > 0.15
