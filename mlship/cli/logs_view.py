"""What a log looks like: a colour for each pod, the server's JSON as text."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.text import Text

from mlship.cli import console
from mlship.cluster.logs import Line, Record, as_values, record
from mlship.text import printable

_COLOURS = ("cyan", "magenta", "blue", "green", "yellow", "bright_cyan", "bright_magenta",
            "bright_blue")  # fmt: skip
_LEVELS = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


def printer(out: Console, *, raw: bool, as_json: bool) -> Callable[[Line], None]:
    """Return what prints a line: as JSON, untouched, or for people."""
    if as_json:
        return lambda line: _write(json.dumps(as_values(line), ensure_ascii=False))
    if raw:
        return lambda line: _write(line.text)
    colours: dict[str, str] = {}

    def show(line: Line) -> None:
        if not line.time:  # kubectl itself
            console.note(f"{line.source.pod}: {printable(line.text)}")
            return
        pod = line.source.pod
        colour = colours.setdefault(pod, _COLOURS[len(colours) % len(_COLOURS)])
        out.print(picture(line, colour, datetime.now().astimezone()))

    return show


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # `| head` is noticed here, and a reader of a pipe need not wait


def picture(line: Line, colour: str, now: datetime) -> Text:
    """Return a line for people; ``now`` tells whether the day must be shown, and the time zone."""
    when = datetime.fromisoformat(line.time).astimezone(now.tzinfo)
    day = "" if when.date() == now.date() else f"{when:%Y-%m-%d} "
    short = line.source.pod.rpartition("-")[2]
    head = Text.assemble((f"{short} ", colour), (f"{day}{when:%H:%M:%S.%f}"[:-3] + " ", "dim"))
    found = record(line.text)
    if found is None:
        return head.append(_plain(line.text))
    return head.append_text(_record(found))


def _record(found: Record) -> Text:
    style = _LEVELS.get(found.level, "")
    text = Text.assemble((f"{found.level:<7} ", style or "green"), (_plain(found.message), style))
    for name, value in found.fields.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text.append(f"  {_plain(name)}=", style="dim").append(_plain(shown))
    if found.request_id:
        text.append(f"  request_id={_plain(found.request_id)}", style="dim")
    for traced in found.trace.splitlines():
        text.append(f"\n    {_plain(traced)}", style="red")
    return text


def _plain(text: str) -> str:
    return printable(text.expandtabs(4))
