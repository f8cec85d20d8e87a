"""Reads the rows of a JSON file value by value, however long the file is.

Kinds of files: a list of rows, ``{"instances": [rows]}``, JSON lines, and the columns that
``pandas.DataFrame.to_json`` writes: ``{"column": {"index": value}}`` or ``{"column": [values]}``.
A row is an object, a list of values, or one value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

# Of one row, or of a file of columns: in memory it takes up to 20 times as much.
LONGEST_VALUE = 4_000_000
MOST_CHARACTERS = 80_000_000  # a stop for endless spaces; tables.py stops earlier
_SPACE = re.compile(r"[ \t\r\n]*")
_INSTANCES = re.compile(r'\{\s*"instances"\s*:\s*\[')


class _Cut(Exception):
    """What is wanted lies after the part of the file that is read."""


class _Source:
    """A file of JSON, of which only the part around the next value is in memory."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._decoder = json.JSONDecoder()
        self.text, self.at, self.read = "", 0, 0
        self.ended = self.cut = False

    def _more(self) -> bool:
        rest = len(self.text) - self.at
        piece = "" if self.ended else self._file.read(max(1 << 18, rest))
        self.cut = self.read + len(piece) > MOST_CHARACTERS
        self.ended = self.cut or not piece
        self.read += len(piece)
        self.text, self.at = self.text[self.at :] + piece, 0
        return bool(piece)

    def next(self) -> str:
        """Return the next character that is no space, and stay before it; "" at the end."""
        while True:
            space = _SPACE.match(self.text, self.at)
            self.at = space.end() if space else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def value(self) -> Any:
        """Return the next value and go past it."""
        while True:
            problem: json.JSONDecodeError | None = None
            try:
                value, end = self._decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                problem, end = error, len(self.text)
            if end < len(self.text) or (self.ended and not problem):
                if "\\u" in self.text[self.at : end]:
                    json.dumps(value, ensure_ascii=False).encode()  # half a pair is no text
                self.at = end
                return value
            if self.cut:
                raise _Cut
            if self.ended or len(self.text) - self.at > LONGEST_VALUE:
                raise self._wrong(problem.msg if problem else "")
            self._more()

    def _wrong(self, problem: str) -> ValueError:
        if not self.ended:
            problem = f"a row of more than {LONGEST_VALUE:,} characters, or wrong JSON: {problem}"
        return ValueError(f"after {self.position:,} characters: {problem}")

    @property
    def position(self) -> int:
        """How many characters of the file lie before the next value."""
        return self.read - len(self.text) + self.at


def rows(path: Path, tensors: bool = False) -> Iterator[tuple[Any, int]]:
    """Yield each row and the characters it took.

    With ``tensors``, an object of lists is one row, not a table of columns. What lies after
    the first 80 MB is not read.

    Raises:
        OSError, ValueError, RecursionError: the file can't be read so.
    """
    with path.open(encoding="utf-8-sig") as file:
        source = _Source(file)
        try:
            yield from _rows(source, tensors)
        except _Cut:
            return


def _rows(source: _Source, tensors: bool) -> Iterator[tuple[Any, int]]:
    first = source.next()
    instances = _INSTANCES.match(source.text, source.at)
    if first == "[" or instances:
        source.at = instances.end() if instances else source.at + 1
        yield from _items(source)
    elif first:
        yield from _lines(source, tensors)


def _items(source: _Source) -> Iterator[tuple[Any, int]]:
    """Yield the values of a list whose bracket was passed; what follows the list is not read."""
    if source.next() == "]":
        return
    while True:
        source.next()
        yield _measured(source)
        after = source.next()
        if after == "]" or (not after and source.cut):
            return
        if after != ",":
            found = f"is {after!r}, not a comma" if after else "is nothing, not even a bracket"
            raise ValueError(f"after a row there {found}")
        source.at += 1


def _lines(source: _Source, tensors: bool) -> Iterator[tuple[Any, int]]:
    row, size = _measured(source)
    if source.next():
        yield row, size
    else:
        yield from ((each, 0) for each in _unfold(row, tensors))
    while source.next():
        yield _measured(source)


def _measured(source: _Source) -> tuple[Any, int]:
    before = source.position
    return source.value(), source.position - before


def _unfold(value: Any, tensors: bool) -> Iterator[Any]:
    """Yield the rows of a document that is one value."""
    columns = list(value.values()) if isinstance(value, dict) else []
    if isinstance(value, dict) and isinstance(value.get("instances"), list):
        yield from value["instances"]
    elif columns and all(isinstance(column, dict) for column in columns):
        for index in dict.fromkeys(key for column in columns for key in column):
            yield {name: column.get(index) for name, column in value.items()}
    elif columns and not tensors and all(isinstance(column, list) for column in columns):
        if len({len(column) for column in columns}) > 1:
            raise ValueError("its columns are not equally long")
        for cells in zip(*columns, strict=True):
            yield dict(zip(value, cells, strict=True))
    else:
        yield value
