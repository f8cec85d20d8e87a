# /// script
# requires-python = ">=3.11"
# dependencies = ["scikit-learn==1.9.1", "joblib", "skl2onnx>=1.18", "onnx>=1.17"]
# ///
"""The tabular models of the benchmark, and what scikit-learn itself answers for every row.

Writes ``<name>/model.joblib``, ``model.onnx`` and ``truth.json`` into the folder it is given:
iris, forest, linear (1,000 features), and narrower linear models for the growth of cost.
"""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

WIDTHS = (4, 10, 30, 100, 300)
out = Path(sys.argv[1])


def write(name, model, rows, labels):
    """Fit and save a model; its rows have the few digits that people send."""
    rows = np.round(rows, 4)
    model.fit(rows, labels)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    graph = to_onnx(
        model,
        initial_types=[("X", FloatTensorType([None, rows.shape[1]]))],
        options={"zipmap": False},
        target_opset=17,
    )
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    asked = rows[:1000]
    truth = {
        "shape": list(rows.shape[1:]),
        "classes": model.classes_.tolist(),
        "rows": asked.tolist(),
        "predictions": model.predict(asked).tolist(),
        "probabilities": model.predict_proba(asked).tolist(),
    }
    (folder / "truth.json").write_text(json.dumps(truth))


def numbers(features):
    """Rows of two classes in any number of features."""
    informative = min(features, 50) if features > 4 else 4
    return make_classification(
        1500, features, n_informative=informative, n_redundant=0, random_state=0
    )


write("iris", make_pipeline(StandardScaler(), LogisticRegression()), *load_iris(return_X_y=True))
write("forest", RandomForestClassifier(random_state=0), *load_breast_cancer(return_X_y=True))
write("linear", LogisticRegression(max_iter=1000), *numbers(1000))
for width in WIDTHS:
    write(f"linear-{width}", LogisticRegression(max_iter=1000), *numbers(width))
