"""One column of a sample: its type, range, distinct values and empty cells.

A column is fed in pieces and keeps only this summary, so that a long file needs little memory.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mlship.card import Label

Kind = Literal["int", "float", "bool", "text", "list", "object", "empty"]

# What pandas and R write, or read, for a missing value in a CSV; JSON has its null.
NULLS = frozenset(("", "NA", "N/A", "<NA>", "NaN", "nan", "null", "NULL"))
BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
MOST_CATEGORIES, FEWEST_ROWS = 20, 20
HEAD = 20  # rows kept as they are, to take an example from
_INT64 = range(-(2**63), 2**63)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.{0,24})?")
_TYPED: dict[type, Kind] = {int: "int", float: "float", bool: "bool", str: "text", list: "list"}


@dataclass(slots=True)
class Column:
    """A column as far as it was read.

    Attributes:
        name: as the file has it, without spaces around it.
        parsed: whether cells are texts that stand for a value (CSV), not values (JSON, Parquet).
        declared: the categories that a Parquet file declares, in its order.
        rows: how many cells there were, ``nulls`` of them without a value.
        kinds: the types of the cells seen.
        low, high: the range of finite numbers.
        counts: how often each value occurs; None once there are more than ``MOST_CATEGORIES``.
        head: the first cells.
        first: the first cell with a value.
    """

    name: str
    parsed: bool = False
    declared: tuple[Label, ...] = ()
    rows: int = 0
    nulls: int = 0
    kinds: set[Kind] = field(default_factory=set)
    low: float = math.inf
    high: float = -math.inf
    counts: Counter[Any] | None = field(default_factory=Counter)
    head: list[Any] = field(default_factory=list)
    first: Any = None

    def add(self, cells: Sequence[Any]) -> None:
        """Take the next cells: texts when ``parsed``, else values as JSON has them."""
        if self.parsed:
            present = [cell for cell in cells if cell not in NULLS]
        else:
            present = [cell for cell in cells if cell is not None and cell == cell]  # no NaN
        self.head.extend(cells[: HEAD - len(self.head)])
        self.rows += len(cells)
        self.nulls += len(cells) - len(present)
        if not present:
            return
        if self.first is None:
            self.first = present[0]
        kind: Kind
        numbers: Sequence[float] = ()
        if self.parsed and "text" in self.kinds:
            kind = "text"  # whatever follows
        else:
            kind, numbers = (_parse if self.parsed else _look)(present)
        self.kinds.add(kind)
        self._widen(numbers)
        if kind in ("list", "object"):
            self.counts = None
        if self.counts is not None:
            self.counts.update(present)
            if len(self.counts) > MOST_CATEGORIES:
                self.counts = None

    def _is_null(self, cell: Any) -> bool:
        if self.parsed:
            return cell in NULLS
        return cell is None or (isinstance(cell, float) and math.isnan(cell))

    def _widen(self, numbers: Sequence[float]) -> None:
        if not math.isfinite(sum(numbers)):
            self.nulls += sum(map(math.isnan, numbers))  # another spelling, such as +nan
            numbers = [number for number in numbers if math.isfinite(number)]
        if numbers:
            self.low = min(self.low, min(numbers))
            self.high = max(self.high, max(numbers))

    @property
    def kind(self) -> Kind:
        """The one type of all cells: numbers widen to float, other mixtures are text."""
        if not self.kinds:
            return "empty"
        if len(self.kinds) == 1:
            return next(iter(self.kinds))
        if self.kinds <= {"int", "float"}:
            return "float"
        return "object" if self.kinds & {"list", "object"} else "text"

    @property
    def dates(self) -> bool:
        """Whether the first cells are all dates like 2024-01-31, with or without a time."""
        texts = [cell for cell in self.head if not self._is_null(cell)]
        return bool(texts) and all(isinstance(t, str) and _DATE.fullmatch(t) for t in texts)

    def value(self, cell: Any) -> Any:
        """Return a cell as JSON has it, of the column's type; None for an empty or infinite one."""
        if self._is_null(cell):
            return None
        kind = self.kind
        if kind == "text":
            return str(cell)
        if kind == "bool":
            return BOOLS[cell] if self.parsed else cell
        if kind == "int":
            return int(cell)
        if kind == "float":
            number = _float(cell)
            return number if math.isfinite(number) else None
        return cell

    def categories(self) -> tuple[Label, ...]:
        """Return the closed list that the column seems to have; empty when there is none.

        Those that a Parquet file declares; else the sorted texts, when there are at most 20
        different ones in at least 20 rows, each occurs twice or more, and they are no dates.
        """
        if self.declared:
            return self.declared
        few = self.kind == "text" and self.counts and min(self.counts.values()) >= 2
        if not few or self.rows < FEWEST_ROWS or self.dates:
            return ()
        return tuple(sorted(set(map(str, self.counts or ()))))

    def describe(self) -> str:
        """Return a sentence for the documentation, never a rule: a range or some values."""
        if self.kind in ("int", "float") and self.low <= self.high:
            return f"From {_number(self.low)} to {_number(self.high)} in the sample"
        if self.kind != "text":
            return ""
        known: list[Any] = sorted(map(str, self.counts)) if self.counts else []
        seen = (cell for cell in self.head if not self._is_null(cell))
        texts = list(dict.fromkeys(shown(str(t)) for t in known or seen))
        most = 1 if self.dates else 5
        return ("Dates such as " if self.dates else "Such as ") + ", ".join(texts[:most])


def shown(text: str, length: int = 40) -> str:
    """Return text from a file for a sentence: on one line, printable and short."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * length]).split())
    return line if len(line) <= length else line[: length - 3] + "..."


def sides(value: Any) -> tuple[int, ...] | None:
    """Return the shape of nested lists, by their first items; None when items differ."""
    shape: list[int] = []
    level = [value]
    while level and all(isinstance(item, list) for item in level):
        lengths = {len(item) for item in level}
        if len(lengths) > 1:
            return None
        shape.append(lengths.pop())
        level = [each for item in level for each in item]
    return None if any(isinstance(item, list) for item in level) else tuple(shape)


def is_number(text: str) -> bool:
    """Tell whether a text stands for a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _float(cell: Any) -> float:
    try:
        return float(cell)
    except OverflowError:
        return math.inf


def _parse(texts: Sequence[str]) -> tuple[Kind, Sequence[float]]:
    """Return the type of texts and their numbers, by the rules of ``mlship predict --file``."""
    try:
        return _whole(list(map(int, texts)))
    except ValueError:
        pass
    try:
        return "float", list(map(float, texts))
    except ValueError:
        return ("bool" if all(text in BOOLS for text in texts) else "text"), ()


def _look(values: Sequence[Any]) -> tuple[Kind, Sequence[float]]:
    """Return the type of JSON values and their numbers."""
    kinds: set[Kind] = {_TYPED.get(kind, "object") for kind in set(map(type, values))}
    if kinds == {"int"}:
        return _whole(values)
    if kinds <= {"int", "float"}:
        return "float", list(map(_float, values))
    if len(kinds) == 1:
        return kinds.pop(), ()
    return ("object" if kinds & {"list", "object"} else "text"), ()


def _whole(numbers: Sequence[int]) -> tuple[Kind, Sequence[float]]:
    """Whole numbers that int64 can't hold are floats, as NumPy has them."""
    if min(numbers) in _INT64 and max(numbers) in _INT64:
        return "int", numbers
    return "float", list(map(_float, numbers))
