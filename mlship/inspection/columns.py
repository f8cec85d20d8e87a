"""What a fitted scikit-learn estimator takes, column by column.

Read from its first steps: encoders remember their categories, imputers that they take missing
values, scalers the means, vectorizers that they take text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mlship.card import Feature, Label
from mlship.inspection.arrays import as_list
from mlship.inspection.estimators import children, members, named
from mlship.inspection.facts import shorten
from mlship.inspection.inert import Inert

_VECTORIZERS = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}
_ENCODERS = {"OneHotEncoder", "OrdinalEncoder", "TargetEncoder"}
_IMPUTERS = {"SimpleImputer", "KNNImputer", "IterativeImputer"}
# Each column comes out in its place, and missing values pass through.
_ELEMENTWISE = {
    "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PowerTransformer",
    "QuantileTransformer", "FunctionTransformer",
}  # fmt: skip
# They learn from missing values.
_TAKES_MISSING = (
    "HistGradientBoosting", "XGB", "LGBM", "CatBoost",
)  # fmt: skip
_MAX_DEPTH, _MAX_ASKED = 30, 1000


@dataclass(frozen=True)
class Column:
    """What is known of one column; ``used`` is False where the model drops it."""

    dtype: str = "float64"
    nullable: bool = False
    categories: tuple[Label, ...] = ()
    open: bool = False
    example: Any = None
    used: bool = True

    def feature(self, name: str) -> Feature:
        """Return it as a feature; categories that are only known ones become documentation."""
        known = ", ".join(map(str, self.categories[:10])) if self.open and self.categories else ""
        example = self.example
        if example is None and self.categories:
            example = self.categories[0]
        return Feature(
            name,
            self.dtype,  # type: ignore[arg-type]
            nullable=self.nullable,
            categories=() if self.open else self.categories,
            example=example,
            description=f"Such as {known}; other values are taken too" if known else "",
        )


def takes_text(value: Inert) -> Inert | None:
    """Return the vectorizer that an estimator hands its whole input to, None when there is none."""
    for _ in range(_MAX_DEPTH):
        if value.name in _VECTORIZERS:
            return value
        union = value.get("transformer_list")
        inner = named(union) if isinstance(union, list) else children(value) or members(value)
        if not inner:
            return None
        value = inner[0]
    return None


def has_column_transformer(value: Inert) -> bool:
    """Tell whether the input is taken apart by column, which needs a DataFrame."""
    return any(step.name == "ColumnTransformer" for step in _path(value))


def columns(value: Inert, count: int, budget: list[int] | None = None) -> list[Column]:
    """Return what each of the ``count`` columns of an estimator's input is.

    ``budget`` holds how many estimators may still be asked; a hostile file nests without end.
    """
    budget = budget if budget is not None else [_MAX_ASKED]
    found = [Column()] * count
    budget[0] -= 1
    for step in _path(value) if budget[0] > 0 else []:
        if step.name == "ColumnTransformer":
            return _by_column(step, found, budget)
        if step.name in _ENCODERS:
            return _encoded(step, found)
        if step.name in _IMPUTERS:
            found = _imputed(step, found)
            if step.get("add_indicator") is True:
                return found
        elif step.name in _ELEMENTWISE:
            found = _scaled(step, found)
        else:
            takes_missing = step.name.startswith(_TAKES_MISSING)
            found = [replace(c, nullable=c.nullable or takes_missing) for c in found]
            inner = step.get("_preprocessor")  # HistGradientBoosting's own, for categories
            return _by_column(inner, found, budget) if isinstance(inner, Inert) else found
    return found


def _path(value: Inert) -> list[Inert]:
    """Return the estimators that the input passes, wrappers looked through."""
    path: list[Inert] = []
    todo = [value]
    for _ in range(10 * _MAX_DEPTH):  # a hostile file nests a pipeline in itself
        if not todo:
            break
        step = todo.pop(0)
        inner = children(step) or ([] if step.name in _IMPUTERS else members(step))
        if inner and step.name not in ("ColumnTransformer", "FunctionTransformer"):
            todo = [*inner, *todo]
        else:
            path.append(step)
    return path


def _by_column(step: Inert, found: list[Column], budget: list[int]) -> list[Column]:
    """Ask each transformer of a ColumnTransformer about the columns that it gets."""
    indices = step.get("_transformer_to_input_indices")
    fitted = step.get("transformers_")
    if not isinstance(indices, dict) or not isinstance(fitted, list):
        return found
    result = [replace(column, used=False) for column in found]
    for part in fitted:
        if not isinstance(part, tuple) or len(part) < 3:
            continue
        name, transformer = part[:2]
        where = indices.get(name) if isinstance(name, str) else None
        where = [i for i in as_list(where) or [] if isinstance(i, int) and 0 <= i < len(found)]
        if transformer == "drop":
            continue
        below = [found[i] for i in where]
        if isinstance(transformer, Inert):
            if takes_text(transformer):
                below = [Column("string") for _ in where]
            else:
                inner = columns(transformer, len(where), budget)
                below = [replace(new, nullable=new.nullable or old.nullable)
                         for new, old in zip(inner, below, strict=True)]  # fmt: skip
        for i, column in zip(where, below, strict=True):
            result[i] = _merge(result[i], column)
    return result


def _merge(one: Column, other: Column) -> Column:
    """Return what a column is that two transformers get; the first keeps its word."""
    if not one.used:
        return other
    return replace(
        one if one.dtype != "float64" else other, nullable=one.nullable and other.nullable
    )


def _encoded(step: Inert, found: list[Column]) -> list[Column]:
    """Read the categories of each column from a fitted encoder."""
    lists = step.get("categories_")
    if not isinstance(lists, list) or len(lists) != len(found):
        return found
    is_open = step.name == "TargetEncoder" or step.get("handle_unknown") not in (None, "error")
    result = []
    for column, values in zip(found, lists, strict=True):
        known = as_list(values) or []
        given = [v for v in known if v is not None and v == v]
        nullable = column.nullable or len(given) < len(known) or is_open
        kinds = {type(v) for v in given}
        if kinds <= {str}:
            dtype = "string"
        elif kinds <= {bool}:
            dtype = "bool"
        elif kinds <= {int}:
            dtype = "int64"
        else:
            dtype, given = "float64", []  # equality of fractions is no category
        result.append(replace(column, dtype=dtype, nullable=nullable, open=is_open,
                              categories=tuple(given[:1000])))  # fmt: skip
        if len(given) > 1000:
            result[-1] = replace(result[-1], open=True)
    return result


def _imputed(step: Inert, found: list[Column]) -> list[Column]:
    """Missing values are taken; what stands in for them is a good example."""
    result = [replace(column, nullable=True) for column in found]
    fills = as_list(step.get("statistics_"))
    if fills is None or len(fills) != len(found):
        return result
    return [
        replace(c, dtype="string", example=fill) if isinstance(fill, str) else _shown(c, fill)
        for c, fill in zip(result, fills, strict=True)
    ]


def _scaled(step: Inert, found: list[Column]) -> list[Column]:
    """Return the columns with the training means that a scaler remembers as examples."""
    for attribute in ("mean_", "center_", "data_min_"):
        means = as_list(step.get(attribute))
        if means and len(means) == len(found):
            return [_shown(c, m) for c, m in zip(found, means, strict=True)]
    return found


def _shown(column: Column, value: Any) -> Column:
    if column.example is not None or not isinstance(value, float) or value != value:
        return column
    # A centred column has a mean of 1e-18 or so; a person would type 0.
    return replace(column, example=0.0 if abs(value) < 1e-9 else shorten(value))
