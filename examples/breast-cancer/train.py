"""Train a scikit-learn pipeline on the breast-cancer data (30 named features): tumor.joblib."""

import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

data = load_breast_cancer(as_frame=True)
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=0))
# Fitted on a table with column names, so the file has them, and the service too.
model.fit(data.data, data.target_names[data.target])

path = Path(sys.argv[1] if len(sys.argv) > 1 else "tumor.joblib")
joblib.dump(model, path)
print(f"wrote {path}: {path.stat().st_size} bytes")
