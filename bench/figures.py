"""Medians of rounds, and ratios between servers."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.servers import BY_NAME, SERVERS

Figures = Mapping[str, float]
# Of which no rounds's is lost: one wrong answer in any of them is one.
_SUMMED = {"asked", "wrong", "failed"}
_WORST = {"difference"}


@dataclass(frozen=True)
class Sample:
    """One visit: a round, a model, a server, and its figures or why there are none."""

    round: int
    model: str
    server: str
    figures: Figures = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Table:
    """The medians: figures by model and server."""

    cells: Mapping[str, Mapping[str, Figures]]

    def get(self, model: str, server: str, figure: str) -> float | None:
        """Return one figure, or None where it was not measured."""
        return self.cells.get(model, {}).get(server, {}).get(figure)

    def servers(self, model: str) -> list[str]:
        """Return the servers of a model, in the order of their definition."""
        return [server.name for server in SERVERS if server.name in self.cells.get(model, {})]

    def best(
        self, model: str, figure: str, kinds: Iterable[str] = ("peer",), *, least: bool = False
    ) -> tuple[str, float] | None:
        """Return which server of these kinds is best in a figure, and the figure.

        Who answers wrong is best in nothing.
        """
        wanted = set(kinds)
        found = [
            (value, name)
            for name in self.servers(model)
            if BY_NAME[name].kind in wanted and not self.get(model, name, "wrong")
            if (value := self.get(model, name, figure)) is not None
        ]
        if not found:
            return None
        value, name = min(found) if least else max(found)
        return name, value

    def ratio(self, model: str, figure: str, server: str, to: str) -> float | None:
        """Return how many times the figure of ``to`` a server's is."""
        return divided(self.get(model, server, figure), self.get(model, to, figure))


def divided(value: float | None, by: float | None) -> float | None:
    """Return a quotient, or None where one of both is missing or the divisor is 0."""
    return value / by if value is not None and by else None


def medians(samples: Iterable[Sample]) -> Table:
    """Return the median of each figure over the rounds that have it."""
    collected: dict[str, dict[str, dict[str, list[float]]]] = {}
    for sample in samples:
        cell = collected.setdefault(sample.model, {}).setdefault(sample.server, {})
        for figure, value in sample.figures.items():
            cell.setdefault(figure, []).append(value)
    return Table(
        {
            model: {
                server: {name: _joined(name, values) for name, values in cell.items()}
                for server, cell in servers.items()
                if cell
            }
            for model, servers in collected.items()
        }
    )


def _joined(name: str, values: list[float]) -> float:
    if name in _SUMMED:
        return sum(values)
    return max(values) if name in _WORST else statistics.median(values)


def spread(samples: Iterable[Sample], figure: str) -> float | None:
    """Return how far rounds of one server disagree: the worst (max - min) / median."""
    values: dict[tuple[str, str], list[float]] = {}
    for sample in samples:
        if figure in sample.figures:
            values.setdefault((sample.model, sample.server), []).append(sample.figures[figure])
    found = [(max(v) - min(v)) / statistics.median(v) for v in values.values() if len(v) > 1]
    return max(found, default=None)


def samples_of(data: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Read samples as results.json holds them."""
    return [Sample(**each) for each in data]
