"""Reads a sample to columns, by the kind of its file: CSV, JSON or Parquet.

Looked at are the first 100,000 rows, 64 MB of text or 5 million cells, whichever comes first;
a longer file is never in memory as a whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlship.card import Feature, Label
from mlship.errors import UsageError
from mlship.sampling import delimited, documents
from mlship.sampling.columns import HEAD, Column

MOST_ROWS, MOST_CHARACTERS, MOST_CELLS = 100_000, 64_000_000, 5_000_000
MOST_COLUMNS = 20_000
_DELIMITED = (".csv", ".tsv", ".txt")
_DOCUMENTS = (".json", ".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
# Rows wait until there are so many, or so many characters: a column takes many at once faster.
_PIECE_ROWS, _PIECE_CHARACTERS = 1000, 1_000_000


@dataclass
class Table:
    """The columns of a sample.

    Attributes:
        columns: by name, in the file's order; by position ("0", "1", ...) without ``named``.
        named: False when neither a header nor the rows have names.
        lists: whether rows are lists of cells; else objects.
        rows: how many were looked at.
        cut: whether the file has more.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    named: bool = True
    lists: bool = False
    rows: int = 0
    cut: bool = False

    def add(self, rows: list[Any]) -> None:
        """Take the next rows: objects, or lists with a cell for each column.

        Raises:
            ValueError: they are of another form, or have too many columns.
        """
        if self.lists:
            self._add_lists(rows)
        elif not all(isinstance(row, dict) for row in rows):
            raise ValueError("some of its rows are objects and some are not")
        else:
            for name in dict.fromkeys(name for row in rows for name in row):
                self._column(name)
            for name, column in self.columns.items():
                column.add([row.get(name) for row in rows])
        self.rows += len(rows)

    def _add_lists(self, rows: list[Any]) -> None:
        for row in rows:
            if not isinstance(row, list) or len(row) != len(self.columns):
                raise ValueError("its rows are not lists of equally many values")
        for column, cells in zip(self.columns.values(), zip(*rows, strict=True), strict=True):
            column.add(cells)

    def _column(self, name: str) -> None:
        if name in self.columns:
            return
        if len(self.columns) == MOST_COLUMNS:
            raise ValueError(f"it has more than {MOST_COLUMNS:,} columns")
        # It begins late: the rows before have no value.
        empty = [None] * min(self.rows, HEAD)
        self.columns[name] = Column(name, rows=self.rows, nulls=self.rows, head=empty)


def read(path: Path, features: tuple[Feature, ...]) -> Table:
    """Return the columns of the file, for a model of these features.

    The kind is told by the suffix: .csv (.tsv, .txt), .json (.jsonl, .ndjson) or .parquet.

    Raises:
        UsageError: the file is missing, damaged, empty or of another kind.
        ToolFailed: what reads Parquet could not be installed.
    """
    tensors = any(feature.shape for feature in features)
    suffix = path.suffix.lower()
    try:
        if not path.is_file():
            raise ValueError("it is no file" if path.exists() else "there is no such file")
        if suffix in _DELIMITED:
            table = _delimited(path)
        elif suffix in _DOCUMENTS:
            table = _gather(_shaped(documents.rows(path, tensors), features))
        elif suffix in _PARQUET:
            # Imported here: it brings what runs other programs.
            from mlship.sampling import parquet

            with parquet.converted(path) as (rows, names, declared):
                table = _gather(rows, _header(names, declared))
        else:
            raise ValueError(f"its name ends in {suffix or 'nothing'!r}")
        if not table.rows:
            raise ValueError("it holds no rows")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8 text") from None
    except RecursionError:
        raise _unreadable(path, "its lists are nested too deeply") from None
    except (OSError, ValueError, csv.Error, MemoryError) as error:
        raise _unreadable(path, str(error) or type(error).__name__) from None
    return table


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} can't be read as a sample",
        why=why,
        next="--sample takes a CSV with a header (UTF-8), JSON (a list of objects) or Parquet",
    )


def _header(
    names: Iterable[str], declared: dict[str, tuple[Label, ...]], parsed: bool = False
) -> Table:
    columns: dict[str, Column] = {}
    for name in names:
        if name in columns:
            raise ValueError(f"two columns are named {name[:80]!r}")
        columns[name] = Column(name, parsed, declared.get(name, ()))
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"it has more than {MOST_COLUMNS:,} columns")
    return Table(columns, lists=True)


def _delimited(path: Path) -> Table:
    rows = delimited.rows(path)
    names, _ = next(rows, ([], 0))
    return _gather(rows, _header(names, {}, parsed=True))


def _shaped(
    rows: Iterator[tuple[Any, int]], features: tuple[Feature, ...]
) -> Iterator[tuple[Any, int]]:
    """Make a list of each row that is one value, also a list that is the only tensor."""
    whole = len(features) == 1 and bool(features[0].shape)
    for row, size in rows:
        single = not isinstance(row, dict) and (whole or not isinstance(row, list))
        yield ([row] if single else row), size


def _gather(rows: Iterator[tuple[Any, int]], table: Table | None = None) -> Table:
    """Return the columns of rows, of which each comes with the characters it took."""
    piece: list[Any] = []
    size = read = cells = 0
    for row, characters in rows:
        if table is None:
            table = Table()
            if isinstance(row, list):
                table = replace(_header(map(str, range(len(row))), {}), named=False)
        if len(piece) == _PIECE_ROWS or size > _PIECE_CHARACTERS:
            table.add(piece)
            piece, size = [], 0
        if table.rows + len(piece) == MOST_ROWS or read > MOST_CHARACTERS or cells > MOST_CELLS:
            table.cut = True
            break
        piece.append(row)
        size += characters
        read += characters
        cells += max(len(table.columns), 1)
    table = table or Table()
    if piece:
        table.add(piece)
    return table
