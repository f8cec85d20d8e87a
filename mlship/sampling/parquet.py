"""Reads Parquet by a child process that has pyarrow, so that mlship itself needs no such library.

``uv`` installs pyarrow for that process, in its cache, by what ``read_parquet.py`` says of itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlship.card import Label
from mlship.commands import uv
from mlship.errors import ToolFailed
from mlship.runner import Command, Runner
from mlship.sampling import documents

SCRIPT = Path(__file__).parent / "read_parquet.py"
_MAGIC = b"PAR1"  # first and last: https://parquet.apache.org/docs/file-format/
_SMALLEST = 12
_DATA_ERROR = 65
_SECONDS = 300  # the first time, pyarrow is downloaded
# One more than tables.py looks at: so it knows that there are more.
_ROWS, _CHARACTERS = 100_001, 65_000_000

Converted = tuple[Iterator[tuple[Any, int]], list[str], dict[str, tuple[Label, ...]]]


def convert(program: str, sample: Path, out: Path) -> Command:
    """Return the command that writes the first rows of ``sample`` to ``out`` as JSON lines."""
    argv = (program, "run", "--no-project", "--quiet", "--script", str(SCRIPT))
    limits = (str(_ROWS), str(_CHARACTERS))
    return Command((*argv, str(sample.absolute()), str(out.absolute()), *limits))


@contextmanager
def converted(path: Path, runner: Runner | None = None) -> Iterator[Converted]:
    """Give the rows of a Parquet file (lists), the names of its columns, and their categories.

    Raises:
        ValueError: the file is no Parquet file.
        ToolFailed: uv could not install or run the reader.
    """
    _check(path)
    with tempfile.TemporaryDirectory(prefix="mlship-") as folder:
        out = Path(folder) / "rows.jsonl"
        done = (runner or Runner()).ask(convert(uv.program(), path, out), _SECONDS)
        if done.code == _DATA_ERROR:
            raise ValueError(done.stderr.strip() or "pyarrow can't read it")
        if done.code:
            raise ToolFailed(
                "The reader of Parquet files did not run",
                why="\n".join(done.stderr.strip().splitlines()[-8:]),
                next="check the network (uv installs pyarrow for it), or pass --sample as CSV",
            )
        rows = documents.rows(out, tensors=True)
        nothing: tuple[Any, int] = ({"names": [], "declared": {}}, 0)  # no rows, no first line
        head, _ = next(rows, nothing)
        declared = {name: _scalars(values) for name, values in head["declared"].items()}
        yield rows, head["names"], declared


def _scalars(values: list[Any]) -> tuple[Label, ...]:
    """Return categories that JSON has as scalars; none when some are anything else."""
    plain = all(isinstance(value, str | int | float | bool) for value in values)
    return tuple(values) if plain else ()


def _check(path: Path) -> None:
    with path.open("rb") as file:
        first = file.read(len(_MAGIC))
        size = file.seek(0, 2)
        file.seek(max(size - len(_MAGIC), 0))
        if size < _SMALLEST or first != _MAGIC or file.read() != _MAGIC:
            raise ValueError("it is not Parquet, or is cut short")
