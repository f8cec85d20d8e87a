"""Train a regression forest on the diabetes data (10 features): diabetes.joblib."""

import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

diabetes = load_diabetes(as_frame=True)
model = RandomForestRegressor(n_estimators=50, max_depth=6, random_state=0)
model.fit(diabetes.data, diabetes.target)

path = Path(sys.argv[1] if len(sys.argv) > 1 else "diabetes.joblib")
joblib.dump(model, path, compress=3)
print(f"wrote {path}: {path.stat().st_size} bytes")
