"""Reads an ONNX file: inputs, outputs and classes from the graph, names from its metadata.

Field numbers and meanings: onnx/onnx.proto3 and the ai.onnx.ml operator documentation.
"""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from pathlib import Path

from mlship.card import Feature, Label, ModelCard
from mlship.errors import ModelError
from mlship.inspection.protobuf import Message, WireError

# TensorProto.DataType, the numeric ones a table of features can have.
_DTYPES = {1: "float32", 11: "float64", 6: "int32", 7: "int64"}
_LABELS = {6, 7, 8}  # int32, int64, string
_TO_PROBABILITIES = {"SOFTMAX", "LOGISTIC", "PROBIT"}
_PROBABILITY_NODES = {"Softmax", "Sigmoid", "Normalizer", "TreeEnsembleClassifier", "Exp", "Div"}
_CLASS_ATTRIBUTES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")


@dataclass(frozen=True)
class Value:
    """One input or output of the graph; ``shape`` holds None where a dimension is free."""

    name: str
    elem_type: int
    shape: tuple[int | None, ...]
    sequence_of_maps: bool = False


def read_onnx(path: Path, sha256: str) -> ModelCard:
    """Return the card of an ONNX model that takes one table of numbers.

    Raises:
        ModelError: the file is no ONNX model, or its inputs are of another kind.
    """
    size = path.stat().st_size
    if size == 0:
        raise ModelError(f"{path.name} is empty", next="export the model again")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _card(path, sha256, size, Message(data, 0, size))
    except WireError as error:
        raise ModelError(
            f"{path.name} is not an ONNX model, or is damaged",
            why=f"Its bytes don't read as one: {error}.",
            next="export the model again, or pass the right file",
        ) from None


def _card(path: Path, sha256: str, size: int, model: Message) -> ModelCard:
    graph = model.message(7)
    metadata = {m.text(1): m.text(2) for m in model.messages(14)}
    nodes = graph.messages(1)
    initializers = {m.text(8) for m in graph.messages(5)}
    inputs = [v for v in map(_value, graph.messages(11)) if v.name not in initializers]
    outputs = [_value(m) for m in graph.messages(12)]
    if not inputs or not outputs:
        raise WireError("the graph has no inputs or no outputs")
    features = _features(path, inputs, metadata)
    classes = _classes(nodes) or _class_constants(graph)
    label, scores = _pick_outputs(outputs, classes)
    is_classifier = bool(classes) and label.elem_type in _LABELS
    if not is_classifier or not _are_probabilities(nodes):
        scores = None
    opset = max((o.integer(2) or 0 for o in model.messages(8) if not o.text(1)), default=0)
    producer = " ".join(filter(None, (model.text(2), model.text(3)))) or "an unknown tool"
    return ModelCard(
        path=path,
        sha256=sha256,
        size=size,
        framework="onnx",
        format="onnx",
        framework_version=None,
        description=f"ONNX graph of {len(nodes)} nodes, opset {opset}, made by {producer}",
        task="classification" if is_classifier else "regression",
        features=features,
        classes=classes if is_classifier else (),
        probabilities=bool(scores),
        example=_example(nodes, features),
        # Runs any older opset: https://onnxruntime.ai/docs/reference/compatibility.html
        requirements=("numpy>=1.26", "onnxruntime>=1.20"),
        input_name=inputs[0].name,
        output_names=(label.name, scores.name) if scores else (label.name,),
    )


def _value(info: Message) -> Value:
    kind = info.message(2)
    tensor, sequence = kind.message(1), kind.message(4)
    if sequence.end > sequence.start:
        return Value(info.text(1), 0, (), sequence_of_maps=bool(sequence.message(1).messages(5)))
    shape = tuple(dim.integer(1) for dim in tensor.message(2).messages(1))
    return Value(info.text(1), tensor.integer(1) or 0, shape)


def _features(path: Path, inputs: list[Value], metadata: dict[str, str]) -> tuple[Feature, ...]:
    only = inputs[0]
    width = only.shape[1] if len(only.shape) == 2 else None
    if len(inputs) != 1 or not width or width < 0 or only.elem_type not in _DTYPES:
        described = "; ".join(
            f"{v.name}: type {_DTYPES.get(v.elem_type, v.elem_type)}, shape "
            f"{[d if d is not None else '?' for d in v.shape]}"
            for v in inputs
        )
        raise ModelError(
            f"mlship can't serve the inputs of {path.name} yet",
            why="It reads ONNX models with one input of numbers, shaped [batch, features]. "
            f"This one takes {described}.",
            next="export the model with one FloatTensorType([None, n_features]) input",
        )
    if only.shape[0]:
        raise ModelError(
            f"{path.name} takes batches of exactly {only.shape[0]} row(s)",
            why="A service must answer any number of rows.",
            next="export the model with a dynamic batch dimension (None, or dynamic_axes)",
        )
    names = _json_list(metadata.get("feature_names", ""))
    if len(names) != width or len(set(names)) != width:
        names = [f"x{i}" for i in range(width)]
    dtype = _DTYPES[only.elem_type]
    return tuple(Feature(name, dtype) for name in names)  # type: ignore[arg-type]


def _json_list(text: str) -> list[str]:
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return [str(v) for v in value] if isinstance(value, list) else []


def _attributes(node: Message) -> dict[str, Message]:
    return {a.text(1): a for a in node.messages(5)}


def _classes(nodes: list[Message]) -> tuple[Label, ...]:
    """Return the labels of the last classifier (or ZipMap) in the graph."""
    for node in reversed(nodes):
        if not node.text(7).startswith("ai.onnx.ml"):
            continue
        attributes = _attributes(node)
        for name in _CLASS_ATTRIBUTES:
            attribute = attributes.get(name)
            if attribute is None:
                continue
            labels: list[Label] = [s.decode() for s in attribute.messages(9)]
            labels = labels or list(attribute.integers(8))
            if labels:
                return tuple(labels)
    return ()


def _class_constants(graph: Message) -> tuple[Label, ...]:
    """Return the labels that skl2onnx picks from a constant, where no node has them."""
    picks = [n for n in graph.messages(1) if n.text(4) == "ArrayFeatureExtractor"]
    constant = picks[-1].messages(1)[0].decode() if picks else ""
    for tensor in graph.messages(5):
        if picks and tensor.text(8) == constant:
            texts = [text.decode() for text in tensor.messages(6)]
            return tuple(texts or tensor.integers(7) or tensor.integers(5))
    return ()


def _pick_outputs(outputs: list[Value], classes: tuple[Label, ...]) -> tuple[Value, Value | None]:
    """Return the label output and the scores output (None when there is none)."""
    labels = [o for o in outputs if o.elem_type in _LABELS]
    scores = [o for o in outputs if o.sequence_of_maps or o.elem_type in (1, 11)]
    if classes and labels:
        return labels[0], scores[0] if scores else None
    return outputs[0], None


def _are_probabilities(nodes: list[Message]) -> bool:
    """Tell whether a classifier's scores add up to one; linear and SVM margins do not.

    By what the converters write: a transform to probabilities, votes of trees, or a division by
    a sum (nearest neighbours, naive Bayes).
    """
    for node in nodes:
        attributes = _attributes(node)
        if node.text(4) == "SVMClassifier":
            return "prob_a" in attributes  # Platt's parameters
        transform = attributes["post_transform"].text(4) if "post_transform" in attributes else ""
        if transform in _TO_PROBABILITIES:
            return True
        if node.text(4) in _PROBABILITY_NODES:
            return True
    return False


def _example(nodes: list[Message], features: tuple[Feature, ...]) -> tuple[float, ...]:
    """Return the training means, when the graph begins with a scaler that knows them."""
    for node in nodes[:3]:
        if node.text(4) == "Scaler":
            offset = _attributes(node).get("offset")
            means = offset.floats(7) if offset else []
            if len(means) == len(features):
                return tuple(_shorten(m) for m in means)
    return (0.0,) * len(features)


def _shorten(value: float) -> float:
    """Return ``value`` to four significant digits, as a person would type it."""
    return float(f"{value:.4g}")
