"""Tiny models, trained on the spot."""

import json
from functools import cache
from pathlib import Path

import joblib
import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@cache
def tumor():
    """A classifier with string classes, fitted on 30 named columns; and its data."""
    data = load_breast_cancer(as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(data.data, data.target_names[data.target])
    return model, data.data


@cache
def diabetes():
    """A regressor, fitted on 10 named columns; and its data."""
    data = load_diabetes(as_frame=True)
    model = RandomForestRegressor(n_estimators=10, max_depth=4, random_state=0)
    return model.fit(data.data, data.target), data.data


def to_onnx_bytes(model, columns, *, zipmap=False):
    """Convert an estimator of numeric columns; the names go into the metadata."""
    types = [("X", FloatTensorType([None, len(columns)]))]
    options = {"zipmap": zipmap} if hasattr(model, "predict_proba") else None
    graph = to_onnx(model, initial_types=types, options=options, target_opset=17)
    names = graph.metadata_props.add()
    names.key, names.value = "feature_names", json.dumps(list(columns))
    return graph.SerializeToString()


def save(kind: str, folder: Path) -> Path:
    """Write one of the models: ``tumor.joblib``, ``tumor.onnx``, ``diabetes.joblib``, ...

    ``tumor.converted`` is the joblib file that a project of this kind is made from.
    """
    name, form = kind.split(".")
    model, frame = {"tumor": tumor, "diabetes": diabetes}[name]()
    path = folder / (f"{name}-to-convert.joblib" if form == "converted" else kind)
    if form == "onnx":
        path.write_bytes(to_onnx_bytes(model, frame.columns))
    else:
        joblib.dump(model, path)
    return path


def rows(kind: str, count: int = 100):
    """Rows of the training data, ``float32`` so that every runtime computes with the same."""
    _, frame = {"tumor": tumor, "diabetes": diabetes}[kind.split(".")[0]]()
    return frame.iloc[:count].astype(np.float32).astype(np.float64)


def expected(kind: str, frame):
    """The model's own predictions."""
    model, _ = {"tumor": tumor, "diabetes": diabetes}[kind.split(".")[0]]()
    return model.predict(frame).tolist()
