"""From example instances, dicts of plain values, to features: types, shapes, missing values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mlship.card import Dtype, Feature
from mlship.errors import ModelError

_DTYPES: dict[type, Dtype] = {bool: "bool", int: "int64", float: "float64", str: "string"}
_MAX_SIDES = 8


def features_of(file: Path, examples: list[Any]) -> tuple[Feature, ...]:
    """Return one feature per name, its type seen in all examples, its example from the first.

    A null in one of them makes it nullable; a list's side is free where two lengths are seen.

    Raises:
        ModelError: they are no dicts with the same names, or a value has no type of its own.
    """
    if not examples or not all(isinstance(e, dict) and e for e in examples):
        raise _unfit(file, "is no dict of names and values", "Every instance has named values.")
    first = examples[0]
    if not all(isinstance(name, str) and name for name in first):
        raise _unfit(file, "has a name that is no text", "Names become those of JSON.")
    if any(example.keys() != first.keys() for example in examples):
        raise _unfit(file, "has instances of different names", "All take the same values.")
    return tuple(_feature(file, name, [example[name] for example in examples]) for name in first)


def _feature(file: Path, name: str, values: list[Any]) -> Feature:
    there = [value for value in values if value is not None]
    seen = [_typed(value) for value in there]
    dtypes = {dtype for dtype, _ in seen if dtype}
    sides = {len(shape) for _, shape in seen}
    if dtypes == {"int64", "float64"}:
        dtypes = {"float64"}
    if len(dtypes) != 1 or len(sides) != 1 or None in (dtype for dtype, _ in seen):
        raise _unfit(
            file,
            f"shows no single type for {name[:80]!r}",
            "A value is a number, a text, a truth value, or (nested) lists of one of them; "
            f"here it is {', '.join(repr(value)[:40] for value in values[:3])}.",
        )
    shapes = [shape for _, shape in seen]
    shape = tuple(
        lengths[0] if len(set(lengths)) == 1 else None for lengths in zip(*shapes, strict=True)
    )
    return Feature(name, dtypes.pop(), shape, nullable=len(there) < len(values), example=there[0])


def _typed(value: Any, depth: int = 0) -> tuple[Dtype | None, tuple[int | None, ...]]:
    """Return the type and shape of a value; no type where it has none that a request can have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None, ()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return None, ()
    if not isinstance(value, list | tuple):
        return _DTYPES.get(type(value)), ()
    if not value or depth == _MAX_SIDES:
        return None, ()
    inner = [_typed(item, depth + 1) for item in value]
    dtypes = {dtype for dtype, _ in inner}
    if dtypes == {"int64", "float64"}:
        dtypes = {"float64"}
    shapes = {shape for _, shape in inner}
    if len(dtypes) != 1 or len({len(shape) for shape in shapes}) != 1:
        return None, ()
    shape = tuple(
        lengths[0] if len(set(lengths)) == 1 else None for lengths in zip(*shapes, strict=True)
    )
    return dtypes.pop(), (len(value), *shape)


def _unfit(file: Path, what: str, why: str) -> ModelError:
    return ModelError(
        f"The EXAMPLE in {file.name} {what}",
        why=why,
        next='write one instance: EXAMPLE = {"age": 39, "city": "Paris"}',
    )
