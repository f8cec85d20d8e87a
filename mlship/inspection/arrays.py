"""Numpy arrays as they lie in a pickle, decoded without numpy.

The dtype codes and state tuples are those of ``numpy.dtype.__reduce__`` and
``numpy.ndarray.__reduce__``.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

_NUMBERS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q",
    "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip


@dataclass(frozen=True)
class Array:
    """An array of dtype ``code`` (such as ``f8`` or ``U9``); ``data`` is None when skipped."""

    code: str
    shape: tuple[int, ...]
    data: bytes | None

    def tolist(self) -> list[Any] | None:
        """Return the elements of a one-dimensional array, None when they can't be read."""
        if self.data is None or len(self.shape) != 1:
            return None
        kind, size = self.code[0], itemsize(self.code)
        if kind in "US":
            encoding = "utf-32-le" if kind == "U" else "latin-1"
            cells = [self.data[i : i + size] for i in range(0, len(self.data), size or 1)]
            return [cell.decode(encoding, "replace").rstrip("\0") for cell in cells]
        if self.code in _NUMBERS:
            return list(struct.unpack(f"<{self.shape[0]}{_NUMBERS[self.code]}", self.data))
        return None


def itemsize(code: str) -> int:
    """Return the bytes per element of a dtype code: ``f8`` has 8, ``U9`` 36, ``V56`` 56."""
    match = re.fullmatch(r"[a-zA-Z](\d+)", code)
    if not match:
        raise ValueError(f"unknown dtype {code!r}")
    return int(match[1]) * (4 if code[0] == "U" else 1)


def as_list(value: Any) -> list[Any] | None:
    """Return the elements of whatever form an array has in a pickle; None when it is no array."""
    if isinstance(value, list | tuple):
        return [as_scalar(v) for v in value]
    if isinstance(value, Array):
        return value.tolist()
    name = getattr(value, "name", "")
    if name == "_reconstruct" and isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, dtype, _, data = value.state
        if isinstance(data, list):
            return [as_scalar(v) for v in data]
    elif name == "_frombuffer" and len(value.args) >= 3:
        data, dtype, shape = value.args[:3]
    else:
        return None
    return Array(dtype.args[0], tuple(shape), _raw(data)).tolist()


def _raw(data: Any) -> bytes:
    """Return the bytes themselves; protocols 0-2 write them as ``_codecs.encode(text, latin1)``."""
    if getattr(data, "name", "") == "encode":
        return str(data.args[0]).encode("latin-1")
    return bytes(data)


def as_scalar(value: Any) -> Any:
    """Return a Python number or string for ``numpy.core.multiarray.scalar(dtype, bytes)``."""
    if getattr(value, "name", "") == "scalar" and len(value.args) == 2:
        dtype, data = value.args
        cells = Array(dtype.args[0], (1,), _raw(data)).tolist()
        return cells[0] if cells else None
    return value
