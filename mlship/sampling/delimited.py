"""Reads the rows of a CSV file, of which only a bounded part is ever in memory."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

DELIMITERS = ",;\t|"
LONGEST_LINE = 4_000_000  # characters; the csv module itself refuses a field above 131,072
_MOST_BLANK = 100_000
_LOOK_LINES, _LOOK_CHARACTERS = 20, 1 << 16


class _Lines:
    """The lines of a file, and how many characters they had so far."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(LONGEST_LINE):
            self.read += len(line)
            if "\0" in line:
                raise ValueError("it holds NUL characters, so it is no text")
            if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
                raise ValueError(f"a line is longer than {LONGEST_LINE:,} characters")
            yield line


def rows(path: Path) -> Iterator[tuple[list[str], int]]:
    """Yield the header, its names stripped, then each row, and the characters read for it.

    Rows have as many cells as the header; blank lines are passed over. UTF-8, with or without
    a byte order mark.

    Raises:
        OSError, ValueError, csv.Error: the file can't be read so.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _Lines(file)
        flow = iter(lines)
        start: list[str] = []
        while len(start) < _LOOK_LINES and lines.read < _LOOK_CHARACTERS:
            line = next(flow, None)
            if line is None:
                break
            start.append(line)
        reader = csv.reader(itertools.chain(start, flow), delimiter=_delimiter(start))
        width, before, blank = 0, 0, 0
        for row in reader:
            if not row:
                blank += 1
                if blank > _MOST_BLANK:
                    raise ValueError(f"it has more than {_MOST_BLANK:,} blank lines")
                continue
            if not width:
                width, row = len(row), [name.strip() for name in row]
            elif len(row) != width:
                raise ValueError(f"line {reader.line_num} has {len(row)} cells, the header {width}")
            yield row, lines.read - before
            before = lines.read


def _delimiter(start: list[str]) -> str:
    """Return what separates the first lines into equally many cells; most cells wins."""
    best, best_score = DELIMITERS[0], (False, 0)
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(start, delimiter=delimiter) if row]
        except csv.Error:
            continue
        widths = widths[:-1] if len(widths) > 2 else widths  # the last one may be cut
        if widths:
            score = (len(set(widths)) == 1 and widths[0] > 1, widths[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best
