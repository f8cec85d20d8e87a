"""Reads a CatBoost model (.cbm): the features and the settings; the trees are not read.

Source: catboost/libs/model/model.cpp (``CBM1``, the length of the core, the core) and, for the
numbers of the fields, model.fbs and features.fbs in catboost/libs/model/flatbuffers.
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

from mlship.card import Feature, Label, ModelCard
from mlship.errors import ModelError
from mlship.inspection.facts import (
    MAX_FEATURES,
    Buffer,
    Facts,
    FormatError,
    facts_of,
    label_dtype,
    names_or_numbers,
    shorten,
)
from mlship.inspection.flatbuffers import Table, root

_VERSION = re.compile(r"(?:tags/v|[Rr]elease )([0-9]+(?:\.[0-9]+){1,3})")
# The last CPython minor that a release has wheels for, from the release on (PyPI's files).
_LAST_PYTHON = [((1, 2, 9), 14), ((1, 2, 8), 13), ((1, 2, 3), 12), ((1, 2), 11)]
# The first whose wheels run beside numpy 2; the first with a wheel for a Python of today.
_NUMPY_2 = (1, 2, 8)
_OLDEST = (1, 2)
_MULTILABEL = {"MultiLogloss", "MultiCrossEntropy"}
# The border between missing values and all others (the lowest or highest float32).
_MISSING = 3e38


def read(path: Path) -> ModelCard:
    """Return the card of a file that ``CatBoost.save_model`` wrote.

    Raises:
        ModelError: it is damaged, or no such file.
    """
    return facts_of(path, facts, "a CatBoost model", "model.save_model('model.cbm')").card(
        path, "cbm"
    )


def facts(data: Buffer) -> Facts:
    """Return what a model says about itself: a file, or the bytes inside a pickled CatBoost.

    Raises:
        FormatError: the bytes are no CatBoost model.
        ModelError: it takes embeddings.
    """
    if data[:4] != b"CBM1" or len(data) < 12:
        raise FormatError("it does not begin with CBM1")
    length = struct.unpack_from("<I", data, 4)[0]
    if length > len(data) - 8:
        raise FormatError(f"it ends at byte {len(data)} of {length + 8}")
    core = root(data, 8, 8 + length)
    if core.count(3) and len(data) == 8 + length:
        raise FormatError("the parts that follow its trees are missing")
    trees = core.table(1)
    if trees is None:
        raise FormatError("it has no trees")
    settings = {pair.text(0): pair.text(1) for pair in core.tables(2)}
    loss = _loss(settings)
    version = _version(settings.get("catboost_version_info", ""))
    answers, warnings = _answers(settings, loss, trees.scalar(0, "i", 1))
    requirements, last_python, notes = _requirements(version)
    return Facts(
        framework="catboost",
        version=version,
        description=f"CatBoost of {trees.count(2)} trees, {loss or 'an unknown loss'}",
        features=_features(trees),
        requirements=requirements,
        python_range=(8, last_python),
        python_reason=requirements[0],
        warnings=(*notes, *warnings),
        **answers,
    )


def _features(trees: Table) -> tuple[Feature, ...]:
    """Return the features of all kinds in the order of the columns (FlatIndex)."""
    found: dict[int, Feature] = {}
    for feature in trees.tables(5):  # TFloatFeature
        middle = feature.middle(3)
        example = None if middle is None or abs(middle) > _MISSING else shorten(middle)
        note = "" if feature.scalar(0, "?", False) else "Never missing in the training data."
        _put(found, feature, 2, 4, "float32", example=example, nullable=True, description=note)
    seen = {one_hot.scalar(0, "i", -1): one_hot.texts(2) for one_hot in trees.tables(6)}
    for feature in trees.tables(4):  # TCatFeature
        values = seen.get(feature.scalar(0, "i", -1))
        note = "Any category; a whole number is sent as text."
        _put(
            found, feature, 1, 2, "string", example=values[0] if values else None, description=note
        )
    for feature in trees.tables(12):  # TTextFeature
        _put(found, feature, 1, 2, "string", description="A text.")
    for feature in trees.tables(18):  # TEmbeddingFeature
        raise ModelError(
            f"The CatBoost model has an embedding as a feature ({feature.text(2)[:80]!r})",
            why="A .cbm file does not say how many numbers an embedding has, and CatBoost "
            "answers wrongly, without an error, when it is given another number of them.",
            next="wrap it: write a predictor.py with load() and predict(model, instances)",
        )
    count = max(found, default=-1) + 1
    unnamed = all(feature.name in ("", str(index)) for index, feature in found.items())
    names = names_or_numbers([], count)
    unused = "The model does not look at it."
    return tuple(
        Feature(**{**vars(found[index]), "name": name if unnamed else found[index].name or name})
        if index in found
        else Feature(name, "float32", nullable=True, description=unused)
        for index, name in enumerate(names)
    )


def _put(
    found: dict[int, Feature], feature: Table, flat: int, name: int, dtype: Any, **more: Any
) -> None:
    index = feature.scalar(flat, "i", -1)
    if not 0 <= index < MAX_FEATURES or index in found:
        raise FormatError(f"a feature claims the column {index}")
    found[index] = Feature(feature.text(name), dtype, **more)


def _loss(settings: dict[str, str]) -> str:
    """Return the name of the loss function, empty when the model was not made by training."""
    loss = _json(settings.get("params", "{}")).get("loss_function")
    name = loss.get("type", "") if isinstance(loss, dict) else ""
    if not isinstance(name, str) or not re.fullmatch(r"\w{0,40}", name, re.ASCII):
        raise FormatError("its loss function has no name")
    return name


def _answers(
    settings: dict[str, str], loss: str, dimension: int
) -> tuple[dict[str, Any], list[str]]:
    """Return the task with its classes (``class_params``), and what is to be said about it."""
    if "class_params" not in settings:
        return {"task": "regression"}, []
    if loss in _MULTILABEL:
        if not 0 < dimension <= MAX_FEATURES:
            raise FormatError(f"it claims {dimension} answers")
        return {"task": "classification", "output_classes": ((0, 1),) * dimension}, []
    parameters = _json(settings["class_params"])
    names = parameters.get("class_names") or parameters.get("class_to_label") or []
    if not isinstance(names, list) or not label_dtype(names):
        raise FormatError("its classes are no list of labels")
    labels = tuple(_label(name, parameters.get("class_label_type")) for name in names)
    return {"task": "classification", "classes": labels, "probabilities": True}, []


def _label(name: Any, kind: Any) -> Label:
    """Return a label as the model answers it (TClassLabelOptions: how they were given)."""
    if kind == "Integer" and isinstance(name, float) and name.is_integer():
        return int(name)
    label: Label = name
    return label


def _version(info: str) -> str | None:
    """Return the release that ``catboost_version_info`` names; some builds name only a commit."""
    match = _VERSION.search(info[:4096])
    return match[1] if match else None


def _requirements(version: str | None) -> tuple[tuple[str, ...], int, list[str]]:
    """Return the requirements, the last CPython minor for them, and what is to be said."""
    parts = tuple(map(int, version.split("."))) if version else ()
    if parts < _OLDEST:
        pin = "catboost>=1.2.8"
        if version:
            why = f"CatBoost {version}, which wrote the file, doesn't run on a Python of today"
        else:
            why = "The file does not name the CatBoost that wrote it"
        return (pin,), 14, [f"{why}; the project takes the newest, which reads older files."]
    pins = (f"catboost=={version}", *(("numpy<2",) if parts < _NUMPY_2 else ()))
    return pins, next(last for first, last in _LAST_PYTHON if parts >= first), []


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise FormatError("a setting in it is no JSON") from None
    if not isinstance(value, dict):
        raise FormatError("a setting in it is no JSON object")
    return value
