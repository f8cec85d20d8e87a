"""Reads an XGBoost model in JSON or UBJSON; both hold one document, and its trees are stepped over.

Schema: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html (xgboost's
doc/model.schema) and, for categories, CatContainer::Save in src/data/cat_container.cc.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from mlship.card import Feature, Label, ModelCard, Takes
from mlship.inspection import jsonscan, ubjson
from mlship.inspection.facts import (
    MAX_FEATURES,
    Buffer,
    Facts,
    FormatError,
    facts_of,
    label_dtype,
    names_or_numbers,
)
from mlship.text import plain

_MODEL: jsonscan.Wanted = {"cats": {"enc": None}, "gbtree_model_param": None}
_DOCUMENT: jsonscan.Wanted = {
    "learner": {
        "attributes": None,
        "feature_names": None,
        "feature_types": None,
        "gradient_booster": {"gbtree": {"model": _MODEL}, "model": _MODEL, "name": None},
        "learner_model_param": None,
        "objective": {"name": None},
    },
    "version": None,
}
# A pickled Booster wraps the document (Learner::Save in src/learner.cc).
_WANTED: jsonscan.Wanted = {**_DOCUMENT, "Model": _DOCUMENT}

# Before, texts outside ASCII were written with offsets in letters, not bytes (xgboost's #12371).
_WHOLE_CATEGORIES = (3, 4, 0)

# What Booster.predict answers (src/objective); the names before the colon that mean a number.
_PROBABILITIES = {"binary:logistic", "multi:softprob"}
_LABELS = {"binary:hinge", "multi:softmax"}
_NUMBERS = ("reg", "count", "survival", "rank")

# xgboost-cpu, without the 300 MB of NCCL: https://pypi.org/project/xgboost-cpu/ begins with 2.1.1,
# its wheels for Linux with 2.1.2.
_FIRST_CPU_WHEEL = (2, 1, 2)
# Older releases import pkg_resources, which no new environment has; this one reads their files
# and runs beside numpy 2 (both tried on CPython 3.11 and 3.13, with files of 1.0.2 and 1.5.2).
_OLDEST = (1, 7, 6)


def read(path: Path) -> ModelCard:
    """Return the card of a file that ``Booster.save_model`` wrote.

    Raises:
        ModelError: it is damaged, or no such file.
    """
    facts_found = facts_of(path, facts, "an XGBoost model", "model.save_model('model.ubj')")
    with path.open("rb") as file:
        binary = _is_binary(file.read(2))
    return facts_found.card(path, "ubj" if binary else "json")


def facts(data: Buffer) -> Facts:
    """Return what a model says about itself: a file, or a pickled Booster's ``handle``.

    Raises:
        FormatError: the bytes are no XGBoost model in JSON or UBJSON.
    """
    extract = ubjson.extract if _is_binary(data[:2]) else jsonscan.extract
    document = extract(data, _WANTED)
    document = _dict(document.get("Model", document))
    learner = _dict(document.get("learner"))
    parameters = _dict(learner.get("learner_model_param"))
    booster = _dict(learner.get("gradient_booster"))
    trees = _dict(booster.get("gbtree", booster)).get("model", {})
    attributes = _dict(learner.get("attributes", {}))
    objective = _identifier(_dict(learner.get("objective")).get("name"))
    version = _version(document.get("version"))
    requirements, oldest = _requirements(version)
    features = _features(learner, _count(parameters, "num_feature"), _dict(trees), version)
    takes: Takes = "frame" if any(feature.categories for feature in features) else "matrix"
    targets, width = _count(parameters, "num_target"), _count(parameters, "num_class")
    answers, warnings = _answers(objective, width, targets, attributes)
    kind = _identifier(booster.get("name"))
    return Facts(
        framework="xgboost",
        version=".".join(map(str, version)),
        description=_description(kind, _dict(trees), objective),
        features=features,
        takes=takes,
        requirements=requirements,
        # Wheels are for any CPython 3; before 3.0 they were tried up to 3.13.
        python_range=(10, 14) if version >= (3,) else (10, 13),
        python_reason=oldest,
        options=(
            ("linear", kind == "gblinear"),
            ("multilabel", bool(answers.get("output_classes"))),
            ("trees", 0 if kind == "gblinear" else _best_trees(attributes)),
        ),
        warnings=(*_about_version(version), *_about_codes(features), *warnings),
        **answers,
    )


def _is_binary(head: bytes) -> bool:
    """Tell UBJSON, whose first key begins with the mark of its length, from JSON."""
    return head[:2] == b"{L"


def _features(
    learner: dict[str, Any], count: int, trees: dict[str, Any], version: tuple[int, ...]
) -> tuple[Feature, ...]:
    names = names_or_numbers(_texts(learner.get("feature_names", [])), count)
    types = _texts(learner.get("feature_types", [])) or ["float"] * count
    encodings = _list(_dict(trees.get("cats", {})).get("enc", [])) or [{}] * count
    if len(types) != count or len(encodings) != count:
        raise FormatError(f"it has {len(types)} types for {count} features")
    categories = (_categories(_dict(encoding), version) for encoding in encodings)
    return tuple(map(_feature, names, types, categories))


def _feature(name: str, kind: str, categories: tuple[Label, ...]) -> Feature:
    """Return a feature of one of the types of DMatrix(feature_types=...); any may be missing."""
    if kind == "c" and categories:
        dtype = label_dtype(list(categories))
        return Feature(name, dtype, nullable=True, categories=categories)
    if kind == "c":
        return Feature(name, "int32", nullable=True, description="The code of a category, from 0.")
    if kind == "i":
        return Feature(name, "bool", nullable=True)
    note = "A whole number in the training data." if kind == "int" else ""
    return Feature(name, "float32", nullable=True, description=note)


def _categories(encoding: dict[str, Any], version: tuple[int, ...]) -> tuple[Label, ...]:
    """Return the categories of a feature in the order of their codes (written since 3.1).

    Texts lie one behind the other, as signed bytes; ``offsets`` says where each begins. Empty
    when the file has none, or has them garbled.
    """
    values = _list(encoding.get("values", []))
    if not all(type(value) is int for value in values):
        raise FormatError("a category is no number")
    if "offsets" not in encoding:
        return tuple(values)
    joined = bytes(value & 0xFF for value in values)
    if not joined.isascii() and version < _WHOLE_CATEGORIES:
        return ()
    offsets = _list(encoding["offsets"])
    if not all(type(at) is int and 0 <= at <= len(joined) for at in offsets):
        raise FormatError("a category lies outside of the texts of all")
    if offsets != sorted(offsets):
        raise FormatError("the texts of two categories overlap")
    return tuple(joined[a:b].decode() for a, b in pairwise(offsets))


def _answers(
    objective: str, width: int, targets: int, attributes: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the task with its classes, and what is to be said about it."""
    family = objective.partition(":")[0]
    if objective not in _PROBABILITIES | _LABELS:
        if family in _NUMBERS:
            return {"task": "regression"}, []
        return {"task": "regression"}, [
            f"The objective {objective} gives a score, which is what the service answers."
        ]
    if targets > 1:
        return {"task": "classification", "output_classes": ((0, 1),) * targets}, []
    count = max(width, 2)
    if count > MAX_FEATURES:
        raise FormatError(f"it claims {count} classes")
    labels = _labels(attributes, count)
    answers = {
        "task": "classification",
        "classes": labels or tuple(range(count)),
        "probabilities": objective in _PROBABILITIES,
    }
    if labels:
        return answers, []
    return answers, [
        f"XGBoost numbers classes from 0 and keeps no labels, so the answers are 0 to {count - 1}."
    ]


def _labels(attributes: dict[str, Any], count: int) -> tuple[Label, ...]:
    """Return the labels that XGBClassifier wrote before 2.0, () if there are none.

    Source: XGBModel.save_model in xgboost 1.x, attribute ``scikit_learn``.
    """
    try:
        wrapper = json.loads(_text(attributes.get("scikit_learn", "{}")))
        encoder = _dict(_dict(wrapper).get("_le", {}))
        labels = _list(encoder.get("classes_", wrapper.get("classes_", [])))
    except (ValueError, RecursionError):
        return ()
    return tuple(labels) if len(labels) == count and label_dtype(labels) else ()


def _best_trees(attributes: dict[str, Any]) -> int:
    """Return how many rounds to predict with, 0 for all: early stopping leaves its best round."""
    best = attributes.get("best_iteration", "")
    return int(best) + 1 if isinstance(best, str) and best.isdecimal() and len(best) < 10 else 0


def _description(kind: str, trees: dict[str, Any], objective: str) -> str:
    count = _dict(trees.get("gbtree_model_param", {})).get("num_trees", "")
    size = f" of {count} trees" if isinstance(count, str) and count.isdecimal() else ""
    return f"XGBoost {kind}{size}, {objective}"


def _version(value: Any) -> tuple[int, ...]:
    parts = _list(value)
    if len(parts) != 3 or not all(type(part) is int and 0 <= part < 10_000 for part in parts):
        raise FormatError("it has no version of three numbers")
    return tuple(parts)


def _requirements(version: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """Return the requirements and the one that decides about Python."""
    written = ".".join(map(str, max(version, _OLDEST)))
    pin = f"xgboost=={written}"
    if version < _FIRST_CPU_WHEEL:
        return (pin,), pin
    linux = f"xgboost-cpu=={written}; sys_platform == 'linux'"
    return (linux, f"{pin}; sys_platform != 'linux'"), pin


def _about_version(version: tuple[int, ...]) -> list[str]:
    if version >= _OLDEST:
        return []
    old, oldest = (".".join(map(str, v)) for v in (version, _OLDEST))
    return [
        f"XGBoost {old}, which wrote the file, doesn't run on a Python of today; the project "
        f"takes {oldest}, which reads it."
    ]


def _about_codes(features: tuple[Feature, ...]) -> list[str]:
    names = [plain(feature.name) for feature in features if feature.dtype == "int32"]
    if not names:
        return []
    return [
        f"The file has no whole names of the categories of {', '.join(names[:5])}, so the service "
        "takes their codes: 0 for the first category of the training data, and so on."
    ]


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError("an object that XGBoost writes is missing")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError("a list that XGBoost writes is something else")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise FormatError("a text that XGBoost writes is missing")
    return value


def _identifier(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[a-z0-9:_-]{1,40}", text):
        raise FormatError(f"a name in it is {text[:40]!r}")
    return text


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in _list(value)]


def _count(parameters: dict[str, Any], name: str) -> int:
    """Return a number, which XGBoost writes as text; 0 when it is not there."""
    text = _text(parameters.get(name, "0"))
    if not text.isdecimal() or len(text) > 9:
        raise FormatError(f"its {name} is {text[:20]!r}")
    return int(text)
