"""The model card: everything mlship knows about a model, as one plain value.

``mlship.inspection.inspect`` makes it from a file; the scaffold uses nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Task = Literal["classification", "regression", "clustering", "outlier-detection"]
Label = str | int | float | bool


@dataclass(frozen=True)
class Feature:
    """One input column, in the order the model takes them."""

    name: str
    dtype: Literal["float32", "float64", "int32", "int64"]


@dataclass(frozen=True)
class ModelCard:
    """What a model file says about itself.

    Attributes:
        path: the file that was read.
        sha256: hex digest of the whole file.
        size: length of the file in bytes.
        framework: the library that loads the file in the generated project.
        format: how the file is written: ``onnx``, ``joblib`` or ``pickle``.
        framework_version: the version it was trained with, or None when the file has none.
        description: the model in a few words, such as ``Pipeline(StandardScaler, SVC)``.
        task: what the model answers.
        features: the input columns, in order.
        classes: the labels in the order of the probabilities; empty unless a classifier.
        probabilities: whether the model gives class probabilities.
        example: one plausible instance, in feature order.
        requirements: what the generated project must install to load the file.
        python_range: the lowest and highest CPython minor (of 3) those requirements run on.
        input_name: ONNX only: the graph's input.
        output_names: ONNX only: the label (or value) output, then the scores when there are any.
        warnings: what the user should know, one sentence each.
    """

    path: Path
    sha256: str
    size: int
    framework: Literal["onnx", "scikit-learn"]
    format: Literal["onnx", "joblib", "pickle"]
    framework_version: str | None
    description: str
    task: Task
    features: tuple[Feature, ...]
    classes: tuple[Label, ...] = ()
    probabilities: bool = False
    example: tuple[float, ...] = ()
    requirements: tuple[str, ...] = ()
    python_range: tuple[int, int] = (10, 14)
    input_name: str = ""
    output_names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
