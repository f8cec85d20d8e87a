"""The rows of a sample as the service takes them: one value per feature, in the model's order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from mlship.card import Feature
from mlship.sampling import delimited, documents
from mlship.sampling.columns import BOOLS, NULLS


def read(path: Path, features: tuple[Feature, ...], most: int) -> list[list[Any]]:
    """Return the first rows; none where the columns can't be told apart by name or number.

    ``refine`` has read the same file before, so it is one that can be read. Cells that are no
    value of their feature are None or as they are: whoever asks a model sorts them out.
    """
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        from mlship.sampling import parquet

        with parquet.converted(path) as (rows, names, _):
            return _pick(names, (row for row, _ in rows), features, most)
    if suffix in (".csv", ".tsv", ".txt"):
        rows = delimited.rows(path)
        names, _ = next(rows, ([], 0))
        return _pick(names, (row for row, _ in rows), features, most)
    found = (row for row, _ in documents.rows(path))
    first = next(found, None)
    if isinstance(first, dict):
        names = list(first)
        every = (first, *islice(found, most - 1))
        return _pick(names, ([row.get(n) for n in names] for row in every if isinstance(row, dict)),
                     features, most)  # fmt: skip
    every = (first, *islice(found, most - 1))
    lists = (row for row in every if isinstance(row, list) and len(row) == len(features))
    return _pick([feature.name for feature in features], lists, features, most)


def _pick(
    names: list[str], rows: Iterator[list[Any]], features: tuple[Feature, ...], most: int
) -> list[list[Any]]:
    loose = {name.strip().casefold(): index for index, name in enumerate(names)}
    places = [
        names.index(f.name) if f.name in names else loose.get(f.name.strip().casefold())
        for f in features
    ]
    if None in places:
        return []
    pairs = [(feature, place) for feature, place in zip(features, places, strict=True)]
    return [[_value(feature, row[place or 0]) for feature, place in pairs]
            for row in islice(rows, most)]  # fmt: skip


def _value(feature: Feature, cell: Any) -> Any:
    """Return a cell as JSON has a value of the feature's type."""
    if cell is None or cell in NULLS:
        return None
    kind = feature.dtype[0]
    try:
        if kind == "s":
            return str(cell)
        if kind == "b":
            return BOOLS.get(cell, cell) if isinstance(cell, str) else bool(cell)
        return float(cell) if kind == "f" else int(cell)
    except (TypeError, ValueError, OverflowError):
        return None
