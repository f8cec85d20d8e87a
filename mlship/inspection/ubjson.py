"""Lazy UBJSON, as XGBoost writes it: a few values are read, all others are stepped over.

Source: https://ubjson.org/ and UBJReader in xgboost's src/common/json.cc: lengths are always
int64 (``L``), numbers are big-endian, arrays may be typed (``[$d#L``), counted (``[#L``) or open.
"""

from __future__ import annotations

import struct
from typing import Any

from mlship.inspection.facts import Buffer, FormatError, release
from mlship.inspection.jsonscan import MAX_VALUE, Wanted

_NUMBERS = {
    ord(marker): struct.Struct(f">{code}")
    for marker, code in zip("dDiUIlLC", "fdbBhiqB", strict=True)
}
_CONSTANTS: dict[int, Any] = {ord("Z"): None, ord("T"): True, ord("F"): False}
_SIZES = {marker: number.size for marker, number in _NUMBERS.items()} | dict.fromkeys(_CONSTANTS, 0)
_TEXT, _ARRAY, _ARRAY_END, _OBJECT_START, _OBJECT_END = b"S[]{}"
_LENGTH = struct.Struct(">q")
_MAX_DEPTH = 64
_WINDOW = 16 << 20
# Keys are sorted: the trees are the last in their model, and the model is followed by its name.
_AFTER_TREES = b"}" + b"L" + _LENGTH.pack(4) + b"name" + b"SL"
# In place of a count: an array that ends with a mark, an object.
_OPEN, _OBJECT = -1, -2
_ENDS = {_OPEN: _ARRAY_END, _OBJECT: _OBJECT_END}


def extract(data: Buffer, wanted: Wanted) -> dict[str, Any]:
    """Return the wanted part of a document, as plain values.

    Raises:
        FormatError: the document is no UBJSON object, or a wanted value is larger than 4 MB.
    """
    if data[:1] != b"{":
        raise FormatError("it does not begin with an object")
    return _object(data, 1, wanted)[0]


def _object(data: Buffer, at: int, wanted: Wanted) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while _marker(data, at) != _OBJECT_END:
        start, at = _string(data, at)
        key = _text(data, start, at)
        below = wanted.get(key, _NOTHING)
        if below is None:
            end = _skip(data, at)
            if end - at > MAX_VALUE:
                raise FormatError(f"the value at byte {at} has {end - at} bytes")
            found[key], at = _value(data, at)
        elif below and _marker(data, at) == _OBJECT_START:
            found[key], at = _object(data, at + 1, below)
        elif key == "trees" and len(data) - at > 2 * _WINDOW:
            at = _after_trees(data, at)
        else:
            at = _skip(data, at)
    return found, at + 1


def _after_trees(data: Buffer, at: int) -> int:
    """Return the position after the trees of a large model.

    By what follows them near the end of the file: a million trees would take a minute to walk.
    """
    end = data.find(_AFTER_TREES, len(data) - _WINDOW)
    return end if end > 0 else _skip(data, at)


_NOTHING: Wanted = {}


def _value(data: Buffer, at: int) -> tuple[Any, int]:
    """Return the value at ``at`` and the position after it; ``_skip`` found it whole and flat."""
    marker = data[at]
    at += 1
    if marker in _CONSTANTS:
        return _CONSTANTS[marker], at
    if marker in _NUMBERS:
        return _NUMBERS[marker].unpack_from(data, at)[0], at + _SIZES[marker]
    if marker == _TEXT:
        start, at = _string(data, at)
        return _text(data, start, at), at
    if marker == _OBJECT_START:
        pairs: dict[str, Any] = {}
        while data[at] != _OBJECT_END:
            start, at = _string(data, at)
            pairs[_text(data, start, at)], at = _value(data, at)
        return pairs, at + 1
    number, count, at = _array(data, at)
    if number:
        end = at + count * number.size
        return [item for (item,) in number.iter_unpack(data[at:end])], end
    items: list[Any] = []
    while data[at] != _ARRAY_END if count == _OPEN else len(items) < count:
        item, at = _value(data, at)
        items.append(item)
    return items, at + (count == _OPEN)


def _skip(data: Buffer, at: int) -> int:
    """Return the position after the value at ``at``; a loop, for there may be millions inside."""
    open_values: list[int] = []  # _OBJECT, _OPEN, or how many items are still to come
    released = at
    while True:
        marker = _marker(data, at)
        if open_values and open_values[-1] == _OBJECT and marker != _OBJECT_END:
            at = _string(data, at)[1]
            marker = _marker(data, at)
            if marker == _OBJECT_END:
                raise FormatError(f"byte {at} is no value")
        at += 1
        if marker == _ARRAY:
            number, count, at = _array(data, at)
            if number:
                at += count * number.size
            elif count:
                _open(open_values, count, at)
                continue
        elif marker in _SIZES:
            at += _SIZES[marker]
        elif marker == _TEXT:
            at = _string(data, at)[1]
        elif marker == _OBJECT_START:
            _open(open_values, _OBJECT, at)
            continue
        elif open_values and marker == _ENDS.get(open_values[-1]):
            open_values.pop()
        else:
            raise FormatError(f"byte {at - 1} is no value")
        while open_values and open_values[-1] > 0:
            open_values[-1] -= 1
            if open_values[-1]:
                break
            open_values.pop()
        if not open_values:
            if at > len(data):
                raise FormatError("it ends inside a value")
            return at
        if at - released > _WINDOW:
            release(data, at)
            released = at


def _open(open_values: list[int], kind: int, at: int) -> None:
    if len(open_values) == _MAX_DEPTH:
        raise FormatError(f"byte {at} lies {_MAX_DEPTH} levels deep")
    open_values.append(kind)


def _array(data: Buffer, at: int) -> tuple[struct.Struct | None, int, int]:
    """Return an array's type (None: each item has its own), its count, and where it begins."""
    number = None
    if data[at : at + 1] == b"$":
        number = _NUMBERS.get(_marker(data, at + 1))
        at += 2
        if not number or data[at : at + 1] != b"#":
            raise FormatError(f"byte {at} begins an array of no known type")
    if data[at : at + 1] != b"#":
        return None, _OPEN, at
    count, at = _length(data, at + 1)
    if count * (number.size if number else 1) > len(data) - at:
        raise FormatError(f"the array at byte {at} is longer than the file")
    return number, count, at


def _string(data: Buffer, at: int) -> tuple[int, int]:
    """Return where a string with its length before it begins and ends."""
    length, at = _length(data, at)
    if length > len(data) - at:
        raise FormatError(f"the text at byte {at} is longer than the file")
    return at, at + length


def _length(data: Buffer, at: int) -> tuple[int, int]:
    if data[at : at + 1] != b"L" or at + 9 > len(data):
        raise FormatError(f"there is no length at byte {at}")
    length: int = _LENGTH.unpack_from(data, at + 1)[0]
    if length < 0:
        raise FormatError(f"the length at byte {at} is negative")
    return length, at + 9


def _marker(data: Buffer, at: int) -> int:
    if at >= len(data):
        raise FormatError("it ends inside a value")
    return data[at]


def _text(data: Buffer, start: int, end: int) -> str:
    if end - start > MAX_VALUE:
        raise FormatError(f"the text at byte {start} has {end - start} bytes")
    return bytes(data[start:end]).decode()
