"""What FastAPI's tutorial leads to: a pydantic model, a ``def`` endpoint, both predictions."""

import os
from typing import Any

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load(f"{os.environ['BENCH_MODEL']}/model.joblib")
app = FastAPI()


class Request(BaseModel):
    """Rows of numbers."""

    instances: list[list[float]]


class Answer(BaseModel):
    """A label and its probabilities for each row."""

    predictions: list[int]
    probabilities: list[list[float]]


@app.post("/predict")
def predict(request: Request) -> Answer:
    """Predict every row."""
    rows = np.asarray(request.instances)
    labels: Any = model.predict(rows)
    return Answer(predictions=labels.tolist(), probabilities=model.predict_proba(rows).tolist())
