# /// script
# requires-python = ">=3.11"
# dependencies = ["xgboost==1.5.2", "scikit-learn<1.3", "numpy<2", "scipy<1.14", "setuptools<80"]
# ///
"""A classifier by an XGBoost that still kept text labels in its file."""

import json
import sys
from pathlib import Path

import numpy as np
import xgboost as xgb

out = Path(sys.argv[1])
random = np.random.default_rng(0)
X = random.normal(5, 2, size=(80, 3)).round(3)
LABELS = ["high", "low", "mid"]
model = xgb.XGBClassifier(n_estimators=4, max_depth=3)
model.fit(X, np.array(LABELS)[np.arange(80) % 3])
model.save_model(out / "classifier.json")
truth = {
    "classifier.json": {
        "card": {
            "framework": "xgboost",
            "framework_version": "1.5.2",
            "format": "json",
            "task": "classification",
            "features": [["x0", "float32"], ["x1", "float32"], ["x2", "float32"]],
            "classes": LABELS,
            "probabilities": True,
        },
        "rows": X[:10].tolist(),
        "predictions": model.predict(X[:10]).tolist(),
        "probabilities": model.predict_proba(X[:10]).astype(float).tolist(),
    }
}
(out / "truth.json").write_text(json.dumps(truth))
