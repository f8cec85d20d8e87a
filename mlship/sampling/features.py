"""One feature of the model and one column of the sample: what both say together.

The model is never contradicted: a sample only adds what the file does not know.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

from mlship.card import Dtype, Feature, Takes
from mlship.errors import UsageError
from mlship.sampling.columns import Column, Kind, is_number, shown, sides

_FRAME_DTYPES: dict[Kind, Dtype] = {
    "int": "int64",
    "float": "float64",
    "bool": "bool",
    "text": "string",
}
# The kinds of column that stand for a value of a dtype, by its first letter.
_FITTING: dict[str, tuple[Kind, ...]] = {
    "f": ("int", "float", "bool"),
    "i": ("int", "bool"),
    "u": ("int", "bool"),
    "b": ("bool", "int"),
    "s": ("int", "float", "bool", "text"),
}
_MOST_VALUES = 1000  # a longer tensor is no example that anyone reads
_MOST_TEXT = 1000  # characters of a text


def refine(
    feature: Feature, column: Column, cell: Any, takes: Takes
) -> tuple[Feature, tuple[str, ...]]:
    """Return the feature with what the column says, and warnings.

    ``cell`` is the column's cell in the row that serves as the example, None when no row is
    complete. In a DataFrame the dtype becomes the column's, unless the model is known to take
    text, or only certain categories; anywhere else the dtype stays. Nulls are taken where the
    model file says so, and in a DataFrame also where the sample has some. Categories are
    those of the file; in a DataFrame those of the column, unless the model takes other texts.

    Raises:
        UsageError: the column holds what the model can't take.
    """
    if column.kind == "empty":
        return _empty(feature, column, takes)
    if column.kind == "object":
        raise _unfit(feature, column, "holds objects, or lists beside other values", "flatten it")
    if feature.shape or column.kind == "list":
        return _tensor(feature, column, cell), ()
    frame = takes == "frame"
    refined = feature
    if frame and not feature.categories and feature.dtype != "string":
        refined = _as_column(feature, column)
    elif not feature.categories:
        _check(feature, column)
    refined = replace(refined, description=_description(refined, column))
    warnings: tuple[str, ...] = ()
    if column.nulls and not feature.nullable:
        if frame and not feature.categories:
            refined = replace(refined, nullable=True)
        else:
            name = shown(column.name)
            warnings = (f"The sample has empty cells in {name}; the model does not take them.",)
    example, strange = _example(refined, column, cell)
    return replace(refined, example=example), warnings + strange


def _as_column(feature: Feature, column: Column) -> Feature:
    """Take the column's type and categories. Whole numbers with nulls are floats, as in pandas."""
    dtype = _FRAME_DTYPES[column.kind]
    categories = column.categories()
    if dtype == "int64" and column.nulls and not categories:
        dtype = "float64"
    return replace(feature, dtype=dtype, categories=categories)


def _check(feature: Feature, column: Column) -> None:
    """Raise UsageError when the column's values are no values of the feature's dtype."""
    dtype, text = feature.dtype, column.kind == "text"
    problem = ""
    if column.kind not in _FITTING[dtype[0]]:
        problem = _sight(column) + ("; the model takes numbers" if text else "")
    elif dtype[0] in "iu":
        bits = int(dtype.lstrip("uint"))
        low, high = (
            (0, 2**bits - 1) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        )
        if column.low < low or column.high > high:
            problem = f"values {column.describe().lower()}"
    if problem:
        raise _unfit(
            feature, column, f"holds {problem}",
            "encode the column as the training did, or pass the whole pipeline as the model",
        )  # fmt: skip


def _empty(feature: Feature, column: Column, takes: Takes) -> tuple[Feature, tuple[str, ...]]:
    nullable = feature.nullable or (takes == "frame" and not feature.categories)
    warning = f"The column {shown(column.name)} of the sample is empty and says nothing."
    return replace(feature, nullable=nullable), (warning,)


def _description(feature: Feature, column: Column) -> str:
    """Add a range to what the file says; values only where it says nothing."""
    said = "" if feature.categories else column.describe()
    if not feature.description or not said:
        return feature.description or said
    return (
        f"{feature.description}; {said[:1].lower()}{said[1:]}"
        if column.kind != "text"
        else feature.description
    )


def _example(feature: Feature, column: Column, cell: Any) -> tuple[Any, tuple[str, ...]]:
    """Return a value of the sample, of the feature's type, and a warning about strange ones."""
    if not feature.categories:
        return _plain(feature, column, cell), ()
    by_text = {str(category): category for category in feature.categories}
    by_value = {category: category for category in feature.categories}
    seen = list(column.counts or column.head)
    strange = []
    for value in filter(lambda v: v is not None, map(column.value, seen)):
        if value not in by_value and str(value) not in by_text:
            strange.append(shown(str(value)))
    values = (column.value(each) for each in itertools.chain((cell,), seen))
    matches = (by_value.get(value, by_text.get(str(value))) for value in values)
    example = next((match for match in matches if match is not None), feature.example)
    if not strange:
        return example, ()
    listed = ", ".join(sorted(set(strange))[:5])
    return example, (
        f"The sample's {shown(column.name)} has values that the model does not take: {listed}.",
    )


def _plain(feature: Feature, column: Column, cell: Any) -> Any:
    """Return the cell as JSON has it: whole numbers stay whole also where a float is computed."""
    value = column.value(column.first if cell is None else cell)
    if value is None:
        return feature.example
    if feature.dtype == "string":
        text = str(column.first if cell is None else cell)  # "007" stays so
        return text[:_MOST_TEXT]
    if feature.dtype == "bool":
        return bool(value)
    return int(value) if isinstance(value, bool) else value


def _tensor(feature: Feature, column: Column, cell: Any) -> Feature:
    """Take an example of a tensor; nothing else can be told of one.

    Raises:
        UsageError: it has other sides than the model's.
    """
    value = column.value(column.first if cell is None else cell)
    found = sides(value)
    fits = found is not None and len(found) == len(feature.shape)
    if not fits or any(s not in (None, n) for s, n in zip(feature.shape, found or (), strict=True)):
        held = "lists of unequal length" if found is None else f"values of shape {list(found)}"
        wanted = ["any" if side is None else side for side in feature.shape]
        raise _unfit(
            feature, column, f"holds {held}; the model takes {wanted or 'single values'}",
            "pass a sample as JSON, with nested lists of that shape",
        )  # fmt: skip
    leaves = [value]
    for _ in feature.shape:
        leaves = [each for item in leaves for each in item]
    few = len(leaves) <= _MOST_VALUES
    return replace(feature, example=value) if few and _are(leaves, feature.dtype) else feature


def _are(leaves: list[Any], dtype: Dtype) -> bool:
    types = {"f": (int, float), "b": (bool,), "s": (str,)}.get(dtype[0], (int,))
    finite = all(math.isfinite(leaf) for leaf in leaves if isinstance(leaf, float))
    return finite and all(type(leaf) in types for leaf in leaves)


def _sight(column: Column) -> str:
    if column.kind != "text":
        return "numbers with a fraction" if column.kind == "float" else f"{column.kind} values"
    texts = (str(column.value(cell) or "") for cell in (*column.head, column.first))
    return f"text such as {shown(next((t for t in texts if t and not is_number(t)), '...'))!r}"


def _unfit(feature: Feature, column: Column, problem: str, next: str) -> UsageError:
    known = f"{feature.dtype} is the type of {shown(feature.name)} in the model file"
    return UsageError(f"The sample's {shown(column.name)} {problem}", why=known, next=next)
