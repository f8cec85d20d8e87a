"""What Flask's tutorials lead to: request.json, predict, predict_proba, a dict."""

import os
from typing import Any

import joblib
import numpy as np
from flask import Flask, request

model = joblib.load(f"{os.environ['BENCH_MODEL']}/model.joblib")
app = Flask(__name__)


@app.post("/predict")
def predict() -> dict[str, Any]:
    """Predict every row."""
    rows = np.asarray(request.get_json()["instances"])
    return {
        "predictions": model.predict(rows).tolist(),
        "probabilities": model.predict_proba(rows).tolist(),
    }
