"""What a container wrote before it ended, made readable."""

from __future__ import annotations

import json
import re

from mlship.text import printable

_MOST = 8
_WIDTH = 240
# Colours: ESC [ ... letter.
_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_REFUSED = re.compile(r"has sha256 ([0-9a-f]{8,64}), expected ([0-9a-f]{8,64})")
_MISMATCH = re.compile(r"computed checksum did NOT match|checksum mismatch|sha256 mismatch", re.I)
_ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt|Warning|Refused)\b")


def readable(lines: list[str]) -> list[str]:
    """Turn JSON logs into ``LEVEL message`` and their tracebacks into lines; leave others alone."""
    found: list[str] = []
    for line in lines:
        entry = _entry(line)
        if not entry:
            found.append(line)
            continue
        message = entry.get("message") or entry.get("msg") or entry.get("event") or ""
        level = str(entry.get("level") or entry.get("levelname") or entry.get("severity") or "")
        found += f"{level} {message}".strip().splitlines()
        trace = entry.get("exc_info") or entry.get("exception") or entry.get("stack_trace")
        found += str(trace).splitlines() if trace else []
    plain = (printable(_COLOUR.sub("", line).expandtabs(4)).rstrip() for line in found)
    return [line for line in plain if line]


def last_lines(lines: list[str]) -> tuple[str, ...]:
    """Return the last eight readable lines, the long ones shortened."""
    return tuple(_shortened(line) for line in readable(lines)[-_MOST:])


def error_line(lines: list[str]) -> str:
    """Return the last line of the last traceback; empty where there is none."""
    found = readable(lines)
    starts = [n for n, line in enumerate(found) if line.startswith("Traceback (most recent")]
    if not starts:
        return ""
    # A traceback's own lines are indented; its first line that isn't names the error.
    ends = [line for line in found[starts[-1] + 1 :] if not line.startswith(" ")]
    return _shortened(ends[0]) if ends else ""


def error_name(line: str) -> str:
    """Return the class that a traceback's last line names; empty where it names none."""
    found = _ERROR.match(line)
    return found.group().rsplit(".", 1)[-1] if found else ""


def digests(lines: list[str]) -> tuple[str, str] | None:
    """Return the sha256 found and the one expected, from a server that refused its model.

    The generated app/integrity.py writes that line. ``sha256sum --check`` names no digest: then
    both are empty.
    """
    text = "\n".join(readable(lines))
    if found := _REFUSED.search(text):
        return found.group(1), found.group(2)
    return ("", "") if _MISMATCH.search(text) else None


def line_with(lines: list[str], mark: str) -> str:
    """Return the last readable line that holds ``mark``."""
    return next((_shortened(x) for x in reversed(readable(lines)) if mark in x), "")


def _entry(line: str) -> dict[str, object]:
    if not line.lstrip().startswith("{"):
        return {}
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    known = isinstance(found, dict) and {"message", "msg", "event"} & set(found)
    return found if known else {}


def _shortened(line: str) -> str:
    return line if len(line) <= _WIDTH else line[:_WIDTH] + " ..."
