# /// script
# requires-python = ">=3.11"
# dependencies = ["scikit-learn", "joblib", "pandas"]
# ///
"""A classifier and a regressor by whichever scikit-learn this is run with."""

import json
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

out = Path(sys.argv[1])
random = np.random.default_rng(0)
X = pd.DataFrame(random.normal(5, 2, size=(80, 3)).astype(np.float32), columns=["a", "b", "c"])
Y = np.array(["no", "yes", "perhaps"])[np.arange(80) % 3]
classifier = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(X, Y)
regressor = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, X["a"] * 2)
joblib.dump(classifier, out / "classifier.joblib")
(out / "regressor.pkl").write_bytes(pickle.dumps(regressor))
card = {
    "framework": "scikit-learn",
    "framework_version": sklearn.__version__,
    "features": [["a", "float64"], ["b", "float64"], ["c", "float64"]],
}
rows = X.head(10).astype(float).values.tolist()
truth = {
    "classifier.joblib": {
        "card": {
            **card,
            "format": "joblib",
            "task": "classification",
            "classes": ["no", "perhaps", "yes"],
            "probabilities": True,
        },
        "rows": rows,
        "predictions": classifier.predict(X.head(10)).tolist(),
        "probabilities": classifier.predict_proba(X.head(10)).tolist(),
    },
    "regressor.pkl": {
        "card": {**card, "format": "pickle", "task": "regression", "classes": []},
        "rows": rows,
        "predictions": regressor.predict(X.head(10)).tolist(),
    },
}
(out / "truth.json").write_text(json.dumps(truth))
