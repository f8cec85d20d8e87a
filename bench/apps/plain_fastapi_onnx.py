"""The same tutorial with ONNX Runtime in scikit-learn's place."""

from typing import Any

import predictor
from fastapi import FastAPI
from pydantic import BaseModel

model = predictor.load()
app = FastAPI()


class Request(BaseModel):
    """Rows of numbers, or images: the type as deep as one instance is."""

    instances: list[list[float]] if len(predictor.SHAPE) == 1 else list[list[list[list[float]]]]


class Answer(BaseModel):
    """A label and its probabilities for each row."""

    predictions: list[int]
    probabilities: list[list[float]]


@app.post("/predict")
def predict(request: Request) -> Answer:
    """Predict every row."""
    found: Any = predictor.answer(*model(request.instances))
    return Answer(**found)
