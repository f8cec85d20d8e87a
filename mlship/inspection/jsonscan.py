"""Lazy JSON: takes a few values out of a large document and steps over all others.

The grammar is that of RFC 8259. Values that are stepped over are only matched bracket by bracket:
the library that loads the file judges them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mlship.inspection.facts import Buffer, FormatError, release

# The wanted keys of an object and, below each, the wanted keys of its value; None: all of it.
Wanted = Mapping[str, "Wanted | None"]

# Names, classes and settings; never weights.
MAX_VALUE = 4 << 20
_FIRST_STEP = 64 << 10
_WINDOW, _LONGEST = 4 << 20, 64 << 20
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))

_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(rb'[^][{}",:\s]{1,512}+')
# All that leaves the depth as it is: text between brackets, strings, arrays without arrays. The
# outer group is not possessive: before Python 3.11.5 such a group ends too late where an
# alternative fails half-way (gh-106052). It remembers each turn, so it is given little at a time.
_LEVEL = re.compile(rb'(?:[^][{}"]++|"(?:[^"\\]++|\\.)*+"|\[[^][{}"]*+\])*', re.DOTALL)


def extract(data: Buffer, wanted: Wanted) -> dict[str, Any]:
    """Return the wanted part of a document, as plain values.

    Raises:
        FormatError: the document is no JSON object, or a wanted value is larger than 4 MB.
    """
    return _object(data, _after_space(data, 0), wanted)[0]


def _object(data: Buffer, at: int, wanted: Wanted) -> tuple[dict[str, Any], int]:
    at = _after_space(data, _expect(data, at, b"{"))
    found: dict[str, Any] = {}
    while data[at : at + 1] != b"}":
        if data[at : at + 1] == b",":
            at = _after_space(data, at + 1)
        end = _end_of(_STRING, data, at)
        key = _load(data, at, end)
        at = _after_space(data, _expect(data, _after_space(data, end), b":"))
        below = wanted.get(key, _NOTHING)
        if below is None:
            end = _skip(data, at)
            found[key] = _load(data, at, end)
        elif below and data[at : at + 1] == b"{":
            found[key], end = _object(data, at, below)
        else:
            end = _skip(data, at)
        at = _after_space(data, end)
    return found, at + 1


_NOTHING: Wanted = {}


def _skip(data: Buffer, at: int) -> int:
    """Return the position after the value that begins at ``at``."""
    opening = data[at : at + 1]
    if opening not in (b"{", b"["):
        return _end_of(_STRING if opening == b'"' else _SCALAR, data, at)
    depth, at = _walk(data, at, at + _FIRST_STEP, 0)
    while depth:
        if at >= len(data):
            raise FormatError("it ends inside a value")
        window = data[at : at + _WINDOW]
        leap = _leap(window, depth)
        if leap:
            depth, at = leap[0], at + leap[1]
        else:
            depth, at = _walk(data, at, at + len(window), depth)
        release(data, at)
    return at


def _walk(data: Buffer, at: int, end: int, depth: int) -> tuple[int, int]:
    """Return the depth at ``end``, or 0 and the position where the value ended before that."""
    end = min(end, len(data))
    while at < end:
        character = data[at : at + 1]
        if character in (b"{", b"["):
            depth, at = depth + 1, at + 1
        elif character in (b"}", b"]"):
            depth, at = depth - 1, at + 1
            if not depth:
                break
        elif character == b'"':  # it ends after ``end``
            at = _end_of(_STRING, data, at)
        level = _LEVEL.match(data, at, min(at + _FIRST_STEP, end))
        at = level.end() if level else at
    return depth, at


def _leap(window: bytes, depth: int) -> tuple[int, int] | None:
    """Return the depth after a window and its length, by deleting all that cancels out.

    Five times as fast as a walk. None when the value ends in the window, or when a text in it
    could hold brackets: that takes a walk.
    """
    if b"\\" in window:
        return None
    if window.count(b'"') % 2:
        window = window[: window.rfind(b'"')]
    marks = window.translate(None, _NO_MARKS).replace(b'""', b"")
    for _ in range(8):
        marks = marks.replace(b"[]", b"").replace(b"{}", b"")
    openings = marks.lstrip(b"]}")
    closings = len(marks) - len(openings)
    if not window or openings.strip(b"[{") or closings >= depth:
        return None
    return depth - closings + len(openings), len(window)


def _load(data: Buffer, at: int, end: int) -> Any:
    if end - at > MAX_VALUE:
        raise FormatError(f"the value at byte {at} has {end - at} bytes")
    try:
        return json.loads(bytes(data[at:end]))
    except (ValueError, RecursionError):
        raise FormatError(f"the value at byte {at} is no JSON") from None


def _after_space(data: Buffer, at: int) -> int:
    return _end_of(_SPACE, data, at)


def _expect(data: Buffer, at: int, character: bytes) -> int:
    if data[at : at + 1] != character:
        raise FormatError(f"there is no {character.decode()} at byte {at}")
    return at + 1


def _end_of(pattern: re.Pattern[bytes], data: Buffer, at: int) -> int:
    # A regular expression can't be stopped: a file may be one text of gigabytes.
    match = pattern.match(data, at, at + _LONGEST)
    if not match:
        raise FormatError(f"byte {at} begins no value")
    return match.end()
