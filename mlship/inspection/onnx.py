"""Reads an ONNX file: inputs, outputs and classes from the graph, names from its metadata.

Field numbers and meanings: onnx/onnx.proto3 and the ai.onnx.ml operator documentation.
"""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from pathlib import Path

from mlship.card import Dtype, Feature, Label, ModelCard, Takes
from mlship.errors import ModelError
from mlship.inspection.onnx_columns import attributes, with_categories, with_means
from mlship.inspection.protobuf import Message, WireError

# TensorProto.DataType
_DTYPES: dict[int, Dtype] = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip
# Operators that ONNX Runtime has; others need a library of their own.
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"}
_FLOATS = {1, 10, 11}
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


def read(path: Path) -> ModelCard:
    """Return the card of an ONNX model.

    Raises:
        ModelError: the file is no ONNX model, or can't answer any number of rows.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _card(path, Message(data, 0, len(data)))
    except WireError as error:
        raise ModelError(
            f"{path.name} is not an ONNX model, or is damaged",
            why=f"Its bytes don't read as one: {error}.",
            next="export the model again, or pass the right file",
        ) from None


def _card(path: Path, model: Message) -> ModelCard:
    graph = model.message(7)
    metadata = {m.text(1): m.text(2) for m in model.messages(14)}
    nodes = graph.messages(1)
    tensors = graph.messages(5)
    initializers = {m.text(8) for m in tensors}
    inputs = [v for v in map(_value, graph.messages(11)) if v.name not in initializers]
    outputs = [_value(m) for m in graph.messages(12)]
    if not inputs or not outputs:
        raise WireError("the graph has no inputs or no outputs")
    _check(path, nodes, tensors)
    takes, features = _features(path, inputs, metadata)
    refine = with_means if takes == "matrix" else with_categories
    features = refine(nodes, features)
    classes = _classes(nodes) or _class_constants(graph)
    label, scores = _pick_outputs(outputs, classes)
    is_classifier = bool(classes) and label.elem_type in _LABELS
    if not is_classifier or not _are_probabilities(nodes):
        scores = None
    wanted = [label, scores] if scores else [label] if is_classifier else outputs
    task = "classification" if is_classifier else "regression"
    is_number = outputs[0].elem_type in _FLOATS and len(outputs[0].shape) <= 2
    if not is_classifier and (len(outputs) > 1 or not is_number):
        task = "inference"
    opset = max((o.integer(2) or 0 for o in model.messages(8) if not o.text(1)), default=0)
    if not opset and not any(o.text(1) for o in model.messages(8)):
        raise WireError("it names no operator set")
    producer = " ".join(filter(None, (model.text(2), model.text(3)))) or "an unknown tool"
    return ModelCard(
        path=path,
        framework="onnx",
        format="onnx",
        framework_version=None,
        description=f"ONNX graph of {len(nodes)} nodes, opset {opset}, made by {producer}",
        task=task,
        features=features,
        takes=takes,
        classes=classes if is_classifier else (),
        probabilities=bool(scores),
        # Runs any older opset: https://onnxruntime.ai/docs/reference/compatibility.html
        requirements=("numpy>=1.26", "onnxruntime>=1.20"),
        python_reason="ONNX Runtime",
        input_names=tuple(value.name for value in inputs),
        output_names=tuple(value.name for value in wanted),
        warnings=_warnings(nodes),
    )


def _warnings(nodes: list[Message]) -> tuple[str, ...]:
    if any(node.text(4) == "StringNormalizer" for node in nodes):
        return (
            "Its StringNormalizer needs the locale en_US.UTF-8, which slim images lack: add it to "
            "the Dockerfile, or serve the model that was converted.",
        )
    return ()


def _check(path: Path, nodes: list[Message], tensors: list[Message]) -> None:
    """Refuse what ONNX Runtime could not run from this one file."""
    domains = {node.text(7) for node in nodes} - _DOMAINS
    if domains:
        raise ModelError(
            f"{path.name} needs operators that ONNX Runtime does not have",
            why=f"They are of {', '.join(sorted(map(ascii, domains)))}.",
            next="export the model without custom operators",
        )
    if any(tensor.integer(14) == 1 for tensor in tensors):  # data_location EXTERNAL
        raise ModelError(
            f"{path.name} keeps its weights in other files",
            why="The project takes one file, and nothing outside it can be checked by its hash.",
            next="onnx.save_model(onnx.load(FILE), 'model.onnx', save_as_external_data=False)",
        )


def _value(info: Message) -> Value:
    kind = info.message(2)
    tensor, sequence = kind.message(1), kind.message(4)
    if sequence.end > sequence.start:
        return Value(info.text(1), 0, (), sequence_of_maps=bool(sequence.message(1).messages(5)))
    sides = (dim.integer(1) for dim in tensor.message(2).messages(1))
    shape = tuple(side if side and side > 0 else None for side in sides)
    return Value(info.text(1), tensor.integer(1) or 0, shape)


def _features(
    path: Path, inputs: list[Value], metadata: dict[str, str]
) -> tuple[Takes, tuple[Feature, ...]]:
    """Return how the graph takes an instance, and its values.

    One table of known width becomes a feature per column; otherwise each input is a feature.
    """
    for value in inputs:
        if value.elem_type not in _DTYPES or not value.shape:
            raise ModelError(
                f"mlship can't serve the inputs of {path.name}",
                why=f"{value.name!a} has type {value.elem_type} and shape {list(value.shape)}; "
                "tensors with a batch dimension are served.",
                next="export the model with inputs shaped [batch, ...]",
            )
        if value.shape[0]:
            raise ModelError(
                f"{path.name} takes batches of exactly {value.shape[0]} row(s)",
                why="A service must answer any number of rows.",
                next="export the model with a dynamic batch dimension (None, or dynamic_axes)",
            )
    only, dtype = inputs[0], _DTYPES[inputs[0].elem_type]
    width = only.shape[1] if len(only.shape) == 2 else None
    if len(inputs) == 1 and width and 0 < width <= 100_000 and (width > 1 or dtype != "string"):
        names = _json_list(metadata.get("feature_names", ""))
        if len(names) != width or len(set(names)) != width:
            names = [f"x{i}" for i in range(width)]
        return "matrix", tuple(Feature(name, dtype) for name in names)
    return "inputs", tuple(
        # [batch, 1] is how tools write a column.
        Feature(v.name, _DTYPES[v.elem_type], () if v.shape[1:] == (1,) else v.shape[1:])
        for v in inputs
    )


def _json_list(text: str) -> list[str]:
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return [str(v) for v in value] if isinstance(value, list) else []


def _classes(nodes: list[Message]) -> tuple[Label, ...]:
    """Return the labels of the last classifier (or ZipMap) in the graph."""
    for node in reversed(nodes):
        if not node.text(7).startswith("ai.onnx.ml"):
            continue
        given = attributes(node)
        for name in _CLASS_ATTRIBUTES:
            attribute = given.get(name)
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
        given = attributes(node)
        if node.text(4) == "SVMClassifier":
            return "prob_a" in given  # Platt's parameters
        transform = given["post_transform"].text(4) if "post_transform" in given else ""
        if transform in _TO_PROBABILITIES:
            return True
        if node.text(4) in _PROBABILITY_NODES:
            return True
    return False
