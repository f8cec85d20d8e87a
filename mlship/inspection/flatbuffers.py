"""Just enough of flatbuffers to walk tables; every offset is checked before it is followed.

Source: https://flatbuffers.dev/internals/. A table begins with the distance to its vtable, which
holds the place of each field, or 0 where the field has its default. All is little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any

from mlship.inspection.facts import MAX_FEATURES, Buffer, FormatError

_MAX_TEXT = 4 << 20


@dataclass
class _Budget:
    """The bytes of text that may still be read; many offsets can point to one long text."""

    left: int = 32 << 20


@dataclass(frozen=True)
class Table:
    """A table at ``at`` in a buffer, which begins at ``start`` and ends before ``end``."""

    data: Buffer
    start: int
    end: int
    at: int
    budget: _Budget = field(default_factory=_Budget)

    def scalar(self, index: int, code: str, default: Any) -> Any:
        """Return a field of a number; ``code`` is struct's (``i``, ``?``, ``b``)."""
        at = self._field(index)
        return self._unpack(code, at) if at else default

    def text(self, index: int) -> str:
        """Return a field of text, empty when it is absent."""
        at = self._field(index)
        return self._text(self._follow(at)) if at else ""

    def texts(self, index: int) -> list[str]:
        """Return a field of a vector of texts."""
        first, count = self._vector(index, 4)
        return [self._text(self._follow(first + 4 * i)) for i in range(count)]

    def table(self, index: int) -> Table | None:
        """Return a field of a table, None when it is absent."""
        at = self._field(index)
        return replace(self, at=self._follow(at)) if at else None

    def tables(self, index: int) -> list[Table]:
        """Return a field of a vector of tables."""
        first, count = self._vector(index, 4)
        if count > MAX_FEATURES:
            raise FormatError(f"the list at byte {first} has {count} items")
        return [replace(self, at=self._follow(first + 4 * i)) for i in range(count)]

    def count(self, index: int) -> int:
        """Return the length of a vector."""
        return self._vector(index, 1)[1]

    def middle(self, index: int) -> float | None:
        """Return the item in the middle of a vector of floats, None when it is empty."""
        first, count = self._vector(index, 4)
        return float(self._unpack("f", first + count // 2 * 4)) if count else None

    def _field(self, index: int) -> int:
        """Return the position of a field, 0 when it is absent."""
        vtable = self.at - self._unpack("i", self.at)
        place = 4 + 2 * index
        if place + 2 > self._unpack("H", vtable):
            return 0
        offset = self._unpack("H", vtable + place)
        return self.at + int(offset) if offset else 0

    def _follow(self, at: int) -> int:
        return at + int(self._unpack("I", at))

    def _vector(self, index: int, width: int) -> tuple[int, int]:
        """Return where the items of a vector begin and how many there are."""
        at = self._field(index)
        if not at:
            return 0, 0
        at = self._follow(at)
        count = int(self._unpack("I", at))
        if count * width > self.end - at - 4:
            raise FormatError(f"the list at byte {at} is longer than the file")
        return at + 4, count

    def _text(self, at: int) -> str:
        length = int(self._unpack("I", at))
        self.budget.left -= length
        if length > min(_MAX_TEXT, self.end - at - 4) or self.budget.left < 0:
            raise FormatError(f"the text at byte {at} is too long ({length} bytes)")
        return bytes(self.data[at + 4 : at + 4 + length]).decode()

    def _unpack(self, code: str, at: int) -> Any:
        if not self.start <= at <= self.end - struct.calcsize(code):
            raise FormatError(f"an offset leads to byte {at}, outside of it")
        return struct.unpack_from(f"<{code}", self.data, at)[0]


def root(data: Buffer, start: int, end: int) -> Table:
    """Return the outermost table of a buffer.

    Raises:
        FormatError: there is not even room for it. (Its own methods raise the same.)
    """
    table = Table(data, start, end, start)
    return replace(table, at=table._follow(start))
