"""Charts as SVG that reads on light and dark pages alike: bars, and lines on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

# Of Okabe and Ito: told apart by the colour-blind too.
COLOURS = {"ours": "#0072b2", "peer": "#d55e00", "plain": "#e69f00", "bare": "#7f8c8d",
           "ceiling": "#b8bec4"}  # fmt: skip
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
INK, SOFT, GRID, PAPER = "#1f2933", "#616e7c", "#e4e7eb", "#ffffff"
FONT = "font-family='system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif'"


@dataclass(frozen=True)
class Bar:
    """One bar: its name, length, the text at its end, and which of COLOURS it has."""

    name: str
    value: float
    text: str
    colour: str


@dataclass(frozen=True)
class Line:
    """One curve: its name and its points, all above 0."""

    name: str
    points: Sequence[tuple[float, float]]


def text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start",
         colour: str = INK, weight: int = 400) -> str:  # fmt: skip
    """Return a text that starts, ends, or has its middle at x."""
    return (f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' "
            f"fill='{colour}' font-weight='{weight}'>{escape(words)}</text>")  # fmt: skip


def page(width: float, height: float, parts: Sequence[str]) -> str:
    """Return a whole file."""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"width='{width:.0f}' height='{height:.0f}' {FONT}>\n"
        f"<rect width='100%' height='100%' rx='8' fill='{PAPER}'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def bars(title: str, note: str, bars: Sequence[Bar], *, x: float, y: float, width: float) -> str:
    """Return a chart of bars from left to right, one below the other."""
    names, end = 204, 70
    longest = max((bar.value for bar in bars), default=1) or 1
    parts = [text(x, y + 14, title, size=15, weight=600), text(x, y + 32, note, colour=SOFT)]
    for index, bar in enumerate(bars):
        top = y + 46 + index * 22
        length = max(1.0, (width - names - end) * bar.value / longest)
        bold = 600 if bar.colour == "ours" else 400
        parts += [
            text(x + names - 8, top + 13, bar.name, anchor="end", weight=bold),
            f"<rect x='{x + names:.1f}' y='{top + 1:.1f}' width='{length:.1f}' height='16' rx='2' "
            f"fill='{COLOURS[bar.colour]}'/>",
            text(x + names + length + 6, top + 13, bar.text, colour=SOFT, weight=bold),
        ]
    return "\n".join(parts)


def bars_height(count: int) -> float:
    """Return how high a chart of so many bars is."""
    return 46 + count * 22


def lines(title: str, axis: str, unit: str, lines: Sequence[Line], *, x: float, y: float,
          width: float, height: float) -> str:  # fmt: skip
    """Return curves on two logarithmic axes, with a dashed line that grows as its size does."""
    left, bottom, top = x + 52, y + height - 40, y + 72
    right = x + width - 12
    sizes = [size for each in lines for size, _ in each.points]
    values = [value for each in lines for _, value in each.points]
    x_low, x_high = math.log10(min(sizes)), math.log10(max(sizes))
    y_low = math.floor(math.log10(min(values)))
    y_high = max(math.ceil(math.log10(max(values))), y_low + 1)

    def across(size: float) -> float:
        return left + (math.log10(size) - x_low) / (x_high - x_low) * (right - left)

    def up(value: float) -> float:
        return bottom - (math.log10(value) - y_low) / (y_high - y_low) * (bottom - top)

    parts = [text(x, y + 14, title, size=15, weight=600)]
    for index, each in enumerate(lines):
        row = y + 34 + index * 17
        parts += [f"<rect x='{x:.1f}' y='{row - 9:.1f}' width='14' height='4' "
                  f"fill='{LINES[index]}'/>",
                  text(x + 20, row - 2, each.name, colour=SOFT)]  # fmt: skip
    for power in range(y_low, y_high + 1):
        level = up(10**power)
        parts += [f"<path d='M{left:.1f} {level:.1f}H{right:.1f}' stroke='{GRID}'/>",
                  text(left - 6, level + 4, f"{10**power:g}", anchor="end", size=11,
                       colour=SOFT)]  # fmt: skip
    for power in range(math.ceil(x_low), math.floor(x_high) + 1):
        place = across(10**power)
        parts += [f"<path d='M{place:.1f} {top:.1f}V{bottom:.1f}' stroke='{GRID}'/>",
                  text(place, bottom + 16, f"{10**power:,}", anchor="middle", size=11,
                       colour=SOFT)]  # fmt: skip
    parts += [text(right, bottom + 32, axis, anchor="end", size=11, colour=SOFT),
              text(left - 6, top - 10, unit, anchor="end", size=11, colour=SOFT)]  # fmt: skip
    # What grows in proportion, ending where the first curve ends.
    size, value = lines[0].points[-1]
    start = max(10**x_low, size * 10**y_low / value)
    parts.append(
        f"<path d='M{across(start):.1f} {up(value * start / size):.1f}L{across(size):.1f} "
        f"{up(value):.1f}' stroke='{SOFT}' stroke-dasharray='4 4' fill='none'/>"
    )
    for index, each in enumerate(lines):
        places = [f"{across(size):.1f} {up(value):.1f}" for size, value in each.points]
        parts.append(f"<path d='M{'L'.join(places)}' stroke='{LINES[index]}' stroke-width='2.5' "
                     "stroke-linejoin='round' fill='none'/>")  # fmt: skip
        parts += [f"<circle cx='{p.split()[0]}' cy='{p.split()[1]}' r='3' fill='{LINES[index]}'/>"
                  for p in places]  # fmt: skip
    return "\n".join(parts)
