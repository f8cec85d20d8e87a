"""Lines of a requirements.txt that came with a model, made safe to write into a project."""

from __future__ import annotations

import re
from pathlib import Path

from mlship.inspection.structured import read_text

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"(?:===?|~=|!=|<=?|>=?) *[A-Za-z0-9.*!+_-]+"
_MARKER = r";[ A-Za-z0-9_.'<>=!()-]+"
# The names, operators and versions of PEP 508; no URLs, paths or options.
_LINE = re.compile(
    rf"({_NAME})(\[[A-Za-z0-9,._ -]+\])? *({_VERSION}(?: *, *{_VERSION})*)? *({_MARKER})?"
)
_MAX_LINES = 1000


def read_pins(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the requirements of a requirements.txt, by their normalized name, and warnings.

    A build's local mark is left out: ``torch==2.7.0+cpu`` becomes ``torch==2.7.0``, which any
    package index has. Of a name given twice, the last one counts.

    Raises:
        ModelError: the file can't be read or is no text.
    """
    pins: dict[str, str] = {}
    left_out = []
    lines = read_text(path, 1 << 20).replace("\\\n", " ").splitlines()
    for line in lines[:_MAX_LINES]:
        text = re.sub(r"(^|\s)#.*| --hash=\S+", "", line).strip().replace('"', "'")
        match = _LINE.fullmatch(text)
        if match:
            name, extras, versions, marker = (part or "" for part in match.groups())
            exact = re.sub(r"\+[A-Za-z0-9._-]+|\s", "", versions)
            pins[normalized(name)] = f"{name}{extras}{exact}{marker and f'{marker.rstrip()}'}"
        elif text:
            left_out.append(re.sub(r"[^\w .:/@=+-]", "", text)[:60])
    if len(lines) > _MAX_LINES:
        left_out.append(f"all after line {_MAX_LINES}")
    if not left_out:
        return pins, []
    return pins, [
        f"Of {path.name} mlship takes names and versions only; left out: {', '.join(left_out[:5])}."
    ]


def normalized(requirement: str) -> str:
    """Return the name in a requirement as package indexes compare it (PEP 503)."""
    match = re.match(_NAME, requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else requirement
