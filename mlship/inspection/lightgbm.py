"""Reads a LightGBM model: the head of its text, and the last lines; the trees are not read.

Source: GBDT::SaveModelToString in src/boosting/gbdt_model_text.cpp for the head and the
parameters; ``pandas_categorical`` is added by python-package/lightgbm/basic.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlship.card import Feature, ModelCard
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

_MAX_HEAD = 16 << 20
_MAX_CATEGORIES = 4 << 20
# The importances and parameters after the trees.
_MAX_TAIL = 64 << 20
_NUMBER = r"[-+]?(?:[0-9.]+(?:e[-+]?[0-9]+)?|inf|nan)"
_RANGE = re.compile(rf"\[({_NUMBER}):({_NUMBER})\]")
_CODES = re.compile(r"-?[0-9]{1,9}(?::-?[0-9]{1,9})*")
# Objectives whose answers are the probabilities of classes (src/objective).
_CLASSIFIERS = {"binary", "multiclass", "multiclassova"}
# Text models of version 2 to 4 were tried with it; its wheel is for any CPython 3.
_REQUIREMENT = "lightgbm>=4.6"


def read(path: Path) -> ModelCard:
    """Return the card of a file that ``Booster.save_model`` wrote.

    Raises:
        ModelError: it is damaged, or no such file.
    """
    again = "model.booster_.save_model('model.txt')"
    return facts_of(path, facts, "a LightGBM model", again).card(path, "txt")


def facts(data: Buffer) -> Facts:
    """Return what a model says about itself: a file, or the text inside a pickled Booster.

    Raises:
        FormatError: the bytes are no LightGBM model.
    """
    head = _head(data)
    count = _number(head, "max_feature_idx") + 1
    names = names_or_numbers(head.get("feature_names", "").split(" "), count)
    infos = head.get("feature_infos", "").split(" ")
    if len(infos) != count:
        raise FormatError(f"it describes {len(infos)} of {count} features")
    features = tuple(map(_feature, _readable(names), infos))
    categories = _pandas_categories(data)
    features, warnings = _with_categories(features, infos, categories)
    objective = head.get("objective", "").split(" ")[0]
    if not re.fullmatch(r"[a-z0-9_]{0,40}", objective):
        raise FormatError(f"its objective is {objective[:40]!r}")
    answers, notes = _answers(objective, _number(head, "num_class"))
    trees = len(head.get("tree_sizes", "").split())
    return Facts(
        framework="lightgbm",
        version=None,
        description=f"LightGBM of {trees} trees, {objective or 'an objective of its own'}",
        features=features,
        takes="frame" if any(feature.categories for feature in features) else "matrix",
        requirements=(_REQUIREMENT,),
        python_range=(10, 14),
        python_reason=_REQUIREMENT,
        warnings=(
            "The file does not name the LightGBM that wrote it; the project takes the newest.",
            *warnings,
            *notes,
        ),
        **answers,
    )


def _head(data: Buffer) -> dict[str, str]:
    """Return the settings before the first tree, by name."""
    if data[:5].rstrip() != b"tree":
        raise FormatError("its first line is not 'tree'")
    ends = [data.find(mark, 0, _MAX_HEAD) for mark in (b"\nTree=", b"\nend of trees")]
    end = min((at for at in ends if at >= 0), default=-1)
    if end < 0:
        raise FormatError("no tree follows its head")
    if data.rfind(b"\nend of trees", max(0, len(data) - _MAX_TAIL)) < 0:
        raise FormatError("it ends before its last tree")
    lines = bytes(data[:end]).decode().splitlines()
    head = dict(line.partition("=")[::2] for line in lines)
    if not re.fullmatch(r"v[0-9]+", head.get("version", "")):
        raise FormatError("its head has no version")
    return head


def _number(head: dict[str, str], name: str) -> int:
    text = head.get(name, "")
    if not text.isdecimal() or len(text) > 9:
        raise FormatError(f"its {name} is {text[:20]!r}")
    return int(text)


def _readable(names: list[str]) -> list[str]:
    """Return the names; Column_0, Column_1, ... stand for none and become x0, x1, ..."""
    if all(name == f"Column_{index}" for index, name in enumerate(names)):
        return [f"x{index}" for index in range(len(names))]
    return names


def _feature(name: str, info: str) -> Feature:
    """Return a feature from what was seen in training: a range, category codes, or nothing new."""
    bounds = _RANGE.fullmatch(info)
    if bounds:
        low, high = (shorten(float(bound)) for bound in bounds.groups())
        middle = shorten(low / 2 + high / 2)
        note = f"From {low:g} to {high:g} in the training data."
        known = abs(middle) < float("inf")
        example = middle if known else None
        return Feature(name, "float64", nullable=True, example=example, description=note)
    if info == "none":
        note = "The same in all of the training data, so the model does not look at it."
        return Feature(name, "float64", nullable=True, description=note)
    if _CODES.fullmatch(info):
        codes = sorted(code for code in map(int, info.split(":")) if code >= 0)
        seen = ", ".join(map(str, codes[:20])) + (", ..." if len(codes) > 20 else "")
        note = f"The code of a category: {seen} in the training data."
        example = codes[0] if codes else None
        return Feature(name, "int32", nullable=True, example=example, description=note)
    raise FormatError(f"a feature is described as {info[:40]!r}")


def _pandas_categories(data: Buffer) -> list[list[Any]]:
    """Return the categories of each pandas column of such a type, in the order of their codes."""
    start = max(0, len(data) - _MAX_CATEGORIES)
    at = data.rfind(b"\npandas_categorical:", start)
    if at < 0:
        return []
    line = bytes(data[at + 1 :]).decode().partition("\n")[0]
    try:
        lists = json.loads(line.partition(":")[2]) or []
    except (ValueError, RecursionError):
        raise FormatError("its pandas_categorical is no JSON") from None
    if not isinstance(lists, list) or not all(isinstance(labels, list) for labels in lists):
        raise FormatError("its pandas_categorical is no list of lists")
    return lists


def _with_categories(
    features: tuple[Feature, ...], infos: list[str], lists: list[list[Any]]
) -> tuple[tuple[Feature, ...], list[str]]:
    """Return the features with their categories, and what is to be said about them.

    The file has the lists in column order and does not say whose they are: those of the columns
    with codes, if there are as many. (LightGBM itself takes a value outside of the list for
    missing; here the list is closed, so that a slip is refused, and null says missing.)
    """
    places = [index for index, info in enumerate(infos) if _CODES.fullmatch(info)]
    fits = len(places) == len(lists) and all(
        label_dtype(labels) and _codes_below(infos[index], len(labels))
        for index, labels in zip(places, lists, strict=True)
    )
    if lists and not fits:
        return features, [
            "The file does not say which columns its pandas categories belong to, so the service "
            "takes their codes: 0 for the first category, and so on."
        ]
    found = list(features)
    for index, labels in zip(places, lists, strict=False):
        found[index] = replace(
            features[index], dtype=label_dtype(labels), categories=tuple(labels), example=None,
            description="",
        )  # fmt: skip
    return tuple(found), []


def _codes_below(info: str, count: int) -> bool:
    return all(code < count for code in map(int, info.split(":")))


def _answers(objective: str, count: int) -> tuple[dict[str, Any], list[str]]:
    """Return the task with its classes, and what is to be said about it."""
    if not objective:
        return {"task": "regression"}, [
            "The model was trained with an objective of its own; the service answers raw scores."
        ]
    if objective not in _CLASSIFIERS:
        return {"task": "regression"}, []
    count = max(count, 2)
    if count > MAX_FEATURES:
        raise FormatError(f"it claims {count} classes")
    answers = {"task": "classification", "classes": tuple(range(count)), "probabilities": True}
    return answers, [
        f"LightGBM numbers classes from 0 and keeps no labels, so the answers are 0 to {count - 1}."
    ]
