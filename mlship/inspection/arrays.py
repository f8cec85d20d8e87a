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


_CODE = re.compile(r"[a-zA-Z](\d{1,9})", re.ASCII)
# More than any model has of features or classes.
_MAX_LIST = 200_000


@dataclass(frozen=True)
class Array:
    """An array of dtype ``code`` (such as ``f8`` or ``U9``); ``data`` is None when skipped.

    ``order`` is ``>`` for big-endian data.
    """

    code: str
    shape: tuple[int, ...]
    data: bytes | None
    order: str = "<"

    def tolist(self) -> list[Any] | None:
        """Return the elements of a one-dimensional array, None when they can't be read."""
        if self.data is None or len(self.shape) != 1 or not 0 <= self.shape[0] <= _MAX_LIST:
            return None
        if not _CODE.fullmatch(self.code):
            return None
        kind, size = self.code[0], itemsize(self.code)
        if len(self.data) != self.shape[0] * size:
            return None
        if kind in "US":
            encoding = (
                ("utf-32-be" if self.order == ">" else "utf-32-le") if kind == "U" else "latin-1"
            )
            cells = [self.data[i : i + size] for i in range(0, len(self.data), size or 1)]
            return [cell.decode(encoding, "replace").rstrip("\0") for cell in cells]
        if self.code in _NUMBERS:
            return list(
                struct.unpack(f"{self.order}{self.shape[0]}{_NUMBERS[self.code]}", self.data)
            )
        return None


def itemsize(code: str) -> int:
    """Return the bytes per element of a dtype code: ``f8`` has 8, ``U9`` 36, ``V56`` 56."""
    match = _CODE.fullmatch(code)
    if not match:
        raise ValueError(f"unknown dtype {code!r}")
    return int(match[1]) * (4 if code[0] == "U" else 1)


def check_dtype(dtype: Any, depth: int = 0) -> None:
    """Refuse a dtype that numpy does not write, or that hides objects among plain bytes.

    Its state is (version, order, subdtype, names, fields, itemsize, alignment, flags, ...).

    Raises:
        ValueError: it is no such dtype.
    """
    code, state = dtype_code(dtype), dtype.state
    if (dtype.origin.module, dtype.origin.name) != ("numpy", "dtype") or depth > 4:
        raise ValueError("a dtype that numpy did not write")
    if state is None:
        return
    if not isinstance(state, tuple) or len(state) < 8 or type(state[5]) is not int:
        raise ValueError("a dtype with a state that numpy did not write")
    subdtype, fields, size = state[2], state[4], state[5]
    if code[0] in "VSU" and size not in (-1, itemsize(code)):
        raise ValueError("a dtype of two sizes")
    if subdtype is not None:
        if not isinstance(subdtype, tuple) or not subdtype:
            raise ValueError("a dtype with a strange element")
        _check_field(subdtype[0], depth)
    if fields is not None:
        if code[0] != "V" or not isinstance(fields, dict):
            raise ValueError("a dtype with strange fields")
        for field in fields.values():
            _check_field(field[0] if isinstance(field, tuple) and field else None, depth)


def _check_field(dtype: Any, depth: int) -> None:
    check_dtype(dtype, depth + 1)
    if dtype_code(dtype).startswith("O"):
        raise ValueError("a dtype that hides objects among plain bytes")


def dtype_code(dtype: Any) -> str:
    """Return the code of an inert ``numpy.dtype``: ``f8``, ``O8``, ``V56``.

    Raises:
        ValueError: it is no dtype.
    """
    code = dtype.args[0] if getattr(dtype, "args", ()) else None
    if not isinstance(code, str):
        raise ValueError("an array without a dtype")
    return code


def _order(dtype: Any) -> str:
    """Return ``>`` for a big-endian dtype: its state is (version, order, ...)."""
    state = dtype.state
    return ">" if isinstance(state, tuple) and len(state) > 1 and state[1] == ">" else "<"


def to_array(value: Any) -> Array | list[Any] | None:
    """Return whatever form an array has in a pickle as an Array, or as the list of its objects.

    None when it is no array, or a damaged one.
    """
    if isinstance(value, Array | list):
        return value
    name = getattr(value, "name", "")
    if name == "_reconstruct" and isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, dtype, _, data = value.state
        if isinstance(data, list):
            return data
    elif name == "_frombuffer" and len(value.args) >= 3:
        data, dtype, shape = value.args[:3]
    else:
        return None
    try:
        code, order = dtype_code(dtype), _order(dtype)
    except (ValueError, AttributeError):
        return None
    sides = shape if isinstance(shape, tuple) else (shape,)
    if not all(isinstance(side, int) for side in sides):
        return None
    return Array(code, sides, _raw(data), order)


def as_list(value: Any) -> list[Any] | None:
    """Return the elements of a one-dimensional array in any form; None when it is no such array."""
    found = [*value] if isinstance(value, tuple) else to_array(value)
    elements = found.tolist() if isinstance(found, Array) else found
    return None if elements is None else [as_scalar(element) for element in elements]


def _raw(data: Any) -> bytes | None:
    """Return the bytes themselves; protocols 0-2 write them as ``_codecs.encode(text, latin1)``."""
    if getattr(data, "name", "") == "encode":
        text = data.args[0] if data.args else None
        return text.encode("latin-1", "replace") if isinstance(text, str) else None
    return data if isinstance(data, bytes) else None


def as_scalar(value: Any) -> Any:
    """Return a Python number or string for ``numpy.core.multiarray.scalar(dtype, bytes)``."""
    if getattr(value, "name", "") == "scalar" and len(value.args) == 2:
        dtype, data = value.args
        code = dtype_code(dtype)
        if code in _NUMBERS and type(data) is bytes and len(data) == int(code[1]):
            return struct.unpack(_order(dtype) + _NUMBERS[code], data)[0]
        if code.startswith("O"):
            return data
        raw = _raw(data)
        cells = Array(code, (1,), raw).tolist() if raw and len(raw) <= 1 << 16 else None
        return cells[0] if cells else None
    return value
