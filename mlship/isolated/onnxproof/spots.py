"""Where a fitted estimator changes its mind: the values of each raw column worth asking.

Means and spreads come from scalers, imputers and encoders of bins; thresholds from trees, taken
back through the scalers before them. The attributes read are scikit-learn's documented ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# From a value that an estimator sees in one of its columns to the raw value that leads to it.
Back = Callable[[Any], Any]
# One column of an estimator's input: the raw feature it is made of, and the way back.
Seen = tuple[int, Back] | None
_MOST_TREES, _DEPTH = 300, 12


@dataclass
class Spots:
    """What is known of one raw column.

    Attributes:
        centers, spreads: means and standard deviations, or what stands for them.
        edges: thresholds of trees and of bins, numbers that are categories.
        known: texts that are categories.
    """

    centers: list[float] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    edges: list[float] = field(default_factory=list)
    known: list[str] = field(default_factory=list)


def of(model: Any, count: int, names: list[str]) -> list[Spots]:
    """Return the spots of each of ``count`` raw columns; empty ones where nothing is known."""
    found = [Spots() for _ in range(count)]
    raw: list[Seen] = [(index, _same) for index in range(count)]
    _visit(model, raw, names, found, 0)
    return found


def _same(value: Any) -> Any:
    return value


def _visit(model: Any, seen: list[Seen], names: list[str], found: list[Spots], depth: int) -> None:
    """Note what an estimator and those inside it say of the columns that they see."""
    if depth > _DEPTH:
        return
    if hasattr(model, "steps"):
        for _, step in model.steps:
            _visit(step, seen, names, found, depth + 1)
            seen, names = _after(step, seen, names), []
        return
    if hasattr(model, "transformers_"):
        for _, part, columns in model.transformers_:
            _visit(part, _picked(columns, seen, names), [], found, depth + 1)
        return
    inner = [getattr(model, name, None) for name in ("best_estimator_", "regressor_", "estimator")]
    calibrated = getattr(model, "calibrated_classifiers_", None) or []
    inner += [getattr(each, "estimator", None) for each in calibrated]
    for each in filter(None, inner):
        _visit(each, seen, names, found, depth + 1)
    _note(model, seen, found)
    for tree in _trees(model):
        for column, value in tree:
            _add(found, seen, int(column), "edges", [value])


def _note(model: Any, seen: list[Seen], found: list[Spots]) -> None:
    spread = getattr(model, "scale_", None)
    for name in ("mean_", "center_", "statistics_", "data_min_", "data_max_", "cluster_centers_"):
        value = _numbers(getattr(model, name, None), len(seen))
        for row in value:
            for column, each in enumerate(row):
                _add(found, seen, column, "centers", [each])
    for row in _numbers(spread, len(seen)) if hasattr(model, "mean_") else []:
        for column, each in enumerate(row):
            _add(found, seen, column, "spreads", [each], moved=False)
    bins = getattr(model, "bin_edges_", None)
    if bins is not None and len(bins) == len(seen):
        for column, edges in enumerate(bins):
            _add(found, seen, column, "edges", np.asarray(edges, dtype=float).tolist())
    categories = getattr(model, "categories_", None)
    if categories is not None and len(categories) == len(seen):
        for place, values in zip(seen, categories, strict=True):
            for value in np.asarray(values).tolist() if place else []:
                if isinstance(value, str):
                    found[place[0]].known.append(value)  # type: ignore[index]
                elif isinstance(value, int | float) and np.isfinite(value):
                    found[place[0]].edges.append(float(value))  # type: ignore[index]


def _numbers(value: Any, count: int) -> list[list[float]]:
    """Return an array of one number per column, or rows of them, as lists."""
    try:
        rows = np.atleast_2d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        return []
    return rows.tolist() if rows.ndim == 2 and rows.shape[1] == count else []


def _add(
    found: list[Spots], seen: list[Seen], column: int, kind: str, values: list[float],
    *, moved: bool = True,
) -> None:  # fmt: skip
    place = seen[column] if 0 <= column < len(seen) else None
    if place is None:
        return
    feature, back = place
    values = [value for value in values if np.isfinite(value)]
    if not values:
        return
    raw = np.asarray(back(np.asarray(values, dtype=float)) if moved else values).tolist()
    getattr(found[feature], kind).extend(float(each) for each in raw if np.isfinite(each))


def _trees(model: Any) -> Iterable[list[tuple[int, float]]]:
    """Yield the (column, threshold) pairs of each tree of a tree or an ensemble of them."""
    members = getattr(model, "estimators_", None)
    if members is not None:
        members = [m for m in np.asarray(members, dtype=object).ravel() if hasattr(m, "tree_")]
    for each in [model, *(members or [])][:_MOST_TREES]:
        tree = getattr(each, "tree_", None)
        if tree is not None:
            inside = tree.feature >= 0
            yield list(zip(tree.feature[inside].tolist(), tree.threshold[inside].tolist(),
                           strict=True))  # fmt: skip
    for stage in getattr(model, "_predictors", None) or []:
        for each in stage:
            nodes = getattr(each, "nodes", None)
            if nodes is not None:
                nodes = nodes[nodes["is_leaf"] == 0]
                yield list(zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(),
                               strict=True))  # fmt: skip


def _picked(columns: Any, seen: list[Seen], names: list[str]) -> list[Seen]:
    """Return what a part of a ColumnTransformer sees of what the whole sees."""
    try:
        if isinstance(columns, slice):
            return seen[columns]
        listed = [columns] if isinstance(columns, str | int) else list(columns)
        if listed and all(isinstance(each, bool | np.bool_) for each in listed):
            return [each for each, taken in zip(seen, listed, strict=True) if taken]
        return [seen[names.index(c) if isinstance(c, str) else int(c)] for c in listed]
    except (ValueError, IndexError, TypeError):
        return []


def _after(step: Any, seen: list[Seen], names: list[str]) -> list[Seen]:
    """Return what the next step of a pipeline sees; None for a column that has no way back."""
    if step is None or step == "passthrough":
        return seen
    parts = getattr(step, "transformers_", None)
    if parts is None:
        return _through(step, seen)
    slices = getattr(step, "output_indices_", {})
    width = max((part.stop for part in slices.values()), default=0)
    made: list[Seen] = [None] * width
    for name, part, columns in parts:
        inner = _picked(columns, seen, names)
        steps = [each for _, each in part.steps] if hasattr(part, "steps") else [part]
        for each in steps if part != "drop" else []:
            inner = _after(each, inner, [])
        place = slices.get(name)
        if place is not None and len(inner) == place.stop - place.start:
            made[place] = inner
    return made


def _through(step: Any, seen: list[Seen]) -> list[Seen]:
    """Return columns after a transformer that keeps each in its place and can be inverted."""
    name = type(step).__name__
    if name == "SimpleImputer":
        kept = len(getattr(step, "statistics_", ())) == len(seen)
        return seen if kept and not step.add_indicator else []
    inverse = getattr(step, "inverse_transform", None)
    if inverse is None or name not in _ELEMENTWISE:
        return []

    def back(column: int, before: Back) -> Back:
        def apply(values: Any) -> Any:
            table = np.zeros((len(values), len(seen)))
            table[:, column] = values
            return before(np.asarray(inverse(table))[:, column])

        return apply

    return [place and (place[0], back(i, place[1])) for i, place in enumerate(seen)]


_ELEMENTWISE = {"StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"}
