"""Refines a model card by a sample: which column is which feature, and what it says of it."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mlship.card import Feature, ModelCard
from mlship.errors import UsageError
from mlship.sampling import features, tables
from mlship.sampling.columns import MOST_CATEGORIES, Column, shown
from mlship.sampling.matching import Pairs, is_unnamed, listed, match

_INDEX = ("", "Unnamed: 0")  # what pandas' to_csv, and reading it back, call the index


def refine(card: ModelCard, sample: Path, target: str | None = None) -> ModelCard:
    """Return the card with names, types, categories, ranges and examples from a sample.

    Args:
        card: what the model file says; it is never contradicted.
        sample: a CSV, JSON or Parquet file (``tables.py`` says how much of it is looked at).
        target: the column that the model predicts, which is no feature.

    Raises:
        UsageError: the file can't be read, or its columns don't fit the model.
        ToolFailed: what reads Parquet could not be installed.
    """
    table = tables.read(sample, card.features)
    columns = dict(table.columns)
    warnings: list[str] = []
    if table.cut:
        warnings.append(f"Only the first {table.rows:,} rows of the sample were looked at.")
    _leave_out_index(card, columns)
    answer = _take_target(card, columns, target, named=table.named)
    card, pairs = match(card, columns, named=table.named, warnings=warnings)
    if table.named:
        answer = _leave_out_rest(columns, pairs, answer, warnings)
    refined = _refine(card, pairs, warnings)
    if answer:
        _compare_classes(card, answer, warnings)
    return replace(card, features=refined, warnings=(*card.warnings, *warnings))


def _refine(card: ModelCard, pairs: Pairs, warnings: list[str]) -> tuple[Feature, ...]:
    """Refine each feature; the examples are of one row, the first without an empty cell."""
    columns = [column for _, column in pairs]
    heads = zip(*(column.head for column in columns), strict=True)
    complete = (
        row
        for row in heads
        if all(
            column.kind == "empty" or column.value(cell) is not None
            for column, cell in zip(columns, row, strict=True)
        )
    )
    row: tuple[Any, ...] = next(complete, (None,) * len(pairs))
    refined, limited = [], []
    for (feature, column), cell in zip(pairs, row, strict=True):
        found, said = features.refine(feature, column, cell, card.takes)
        refined.append(found)
        warnings.extend(said)
        if found.categories and not feature.categories and not column.declared:
            limited.append(shown(found.name))
    if limited:
        warnings.append(f"Only the values that the sample has are taken for {listed(limited)}.")
    return tuple(refined)


def _leave_out_index(card: ModelCard, columns: dict[str, Column]) -> None:
    """Drop a first column that pandas wrote for its index."""
    first = next(iter(columns), None)
    if first in _INDEX and all(feature.name != first for feature in card.features):
        del columns[first]


def _take_target(
    card: ModelCard, columns: dict[str, Column], target: str | None, *, named: bool
) -> Column | None:
    """Take the target out of the columns."""
    if target is None:
        return None
    if not named:
        raise UsageError(
            f"--target {target} names a column, but the sample has no names",
            next="pass a sample with names: a CSV with a header, or JSON objects",
        )
    if target not in columns:
        close = get_close_matches(target, columns, 3, 0.5)
        raise UsageError(
            f"The sample has no column {shown(target)}",
            why=f"It has {listed(map(shown, columns))}.",
            next=f"did you mean --target {close[0]}?"
            if close
            else "pass --target with one of them",
        )
    if not is_unnamed(card) and any(feature.name == target for feature in card.features):
        raise UsageError(
            f"{target} is a feature of the model, so it is not its target",
            next="pass --target with the column that the model predicts",
        )
    return columns.pop(target)


def _leave_out_rest(
    columns: dict[str, Column], pairs: Pairs, answer: Column | None, warnings: list[str]
) -> Column | None:
    """Leave out what is no feature: one column is taken for the target, if none was named."""
    used = {column.name for _, column in pairs}
    rest = [column for name, column in columns.items() if name not in used]
    if len(rest) == 1 and answer is None:
        name = shown(rest[0].name)
        warnings.append(
            f"The sample's column {name} is no feature: it is taken for the target "
            f"(--target {name} says so)."
        )
        return rest[0]
    if rest:
        names = listed(shown(column.name) for column in rest)
        warnings.append(f"Columns of the sample that are no features are left out: {names}.")
    return answer


def _compare_classes(card: ModelCard, answer: Column, warnings: list[str]) -> None:
    """Warn when the target has other classes. They are never renamed: the order is not known."""
    if not card.classes:
        return
    name, count = shown(answer.name), len(card.classes)
    if answer.counts is None:
        if count <= MOST_CATEGORIES and answer.kind not in ("list", "object"):
            warnings.append(
                f"The target {name} has more than {MOST_CATEGORIES} different values in the "
                f"sample, the model {count} classes."
            )
        return
    values = {answer.value(each) for each in answer.counts} - {None}
    if len(values) != count:
        warnings.append(
            f"The target {name} has {len(values)} different values in the sample, "
            f"the model {count} classes."
        )
    elif card.classes == tuple(range(count)) and answer.kind == "text":
        found = listed(sorted(shown(str(value)) for value in values))
        warnings.append(
            f"The target {name} has the values {found}; the model file only knows "
            f"classes 0 to {count - 1}, which the service answers."
        )
