"""Text of a model, made safe for the files and terminals it is written to."""

from __future__ import annotations

import json
import re


def literal(value: str) -> str:
    """Return a Python string literal, quoted as formatters do: double unless that escapes more."""
    text = json.dumps(value, ensure_ascii=False)
    if '"' in value and "'" not in value:
        return "'" + text[1:-1].replace('\\"', '"') + "'"
    return text


def plain(text: str) -> str:
    """Return text without anything that means something to Markdown, TOML or a Dockerfile."""
    return re.sub(r"[^\w .,:;()+=-]", "", text)[:200]


def printable(text: str) -> str:
    """Return text without what a terminal would obey or can't show; line ends stay."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape", "replace").decode()
        for c in text
    )
