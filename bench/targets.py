"""What the generated projects are to reach, and whether they did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.figures import Table, divided
from bench.servers import BY_NAME

FASTAPI_ONNX, FASTAPI_NATIVE = "mlship-fastapi-onnx", "mlship-fastapi-native"
FLASK_ONNX, FLASK_NATIVE = "mlship-flask-onnx", "mlship-flask-native"
# "About 1": what a fit over noisy points may add to a linear growth.
LINEAR = 1.05


@dataclass(frozen=True)
class Target:
    """A figure, its limit, and from which side."""

    what: str
    sign: Literal[">=", "<="]
    limit: float
    value: float | None  # None: not measured

    @property
    def verdict(self) -> Literal["reached", "not reached", "not measured"]:
        """Say in words whether it was reached."""
        if self.value is None:
            return "not measured"
        good = self.value >= self.limit if self.sign == ">=" else self.value <= self.limit
        return "reached" if good else "not reached"


def targets(
    table: Table,
    exponents: Mapping[str, float] | None = None,
    overloads: Sequence[Mapping[str, Any]] | None = None,
) -> list[Target]:
    """Return all targets with what was measured.

    ``exponents`` are those of growth.py by name, ``overloads`` the results of overload.py.
    """

    def peers(model: str, server: str, limit: float) -> Target:
        best = table.best(model, "rate@64")
        value = divided(table.get(model, server, "rate@64"), best[1] if best else None)
        return Target(f"{model}, {_label(server)}: requests/s of the best peer at 64", ">=",
                      limit, value)  # fmt: skip

    def waits(model: str, server: str) -> Target:
        best = table.best(model, "p99@64", least=True)
        value = divided(table.get(model, server, "p99@64"), best[1] if best else None)
        return Target(f"{model}, {_label(server)}: p99 of the best peer at 64", "<=", 0.2, value)

    def against(
        model: str,
        server: str,
        figure: str,
        what: str,
        to: str,
        sign: Literal[">=", "<="],
        limit: float,
    ) -> Target:
        value = table.ratio(model, figure, server, to)
        return Target(f"{model}, {_label(server)}: {what} of {_label(to)}", sign, limit, value)

    plain, ceiling = "plain-fastapi", "ceiling"
    found = [
        peers("iris", FASTAPI_ONNX, 8),
        peers("forest", FASTAPI_ONNX, 8),
        peers("iris", FASTAPI_NATIVE, 7),
        peers("forest", FASTAPI_NATIVE, 2),
        against("iris", FASTAPI_ONNX, "rate@64", "requests/s", ceiling, ">=", 0.45),
        waits("iris", FASTAPI_ONNX),
        waits("forest", FASTAPI_ONNX),
        against("iris", FASTAPI_ONNX, "p50@1", "p50 at 1", plain, "<=", 0.6),
        against("iris", FASTAPI_NATIVE, "p50@1", "p50 at 1", plain, "<=", 0.6),
    ]
    for server in (FLASK_ONNX, FLASK_NATIVE):
        what = "requests/s at 64"
        found.append(against("iris", server, "rate@64", what, "plain-flask", ">=", 3))
    for model in ("iris", "forest", "linear"):
        for server in (FASTAPI_ONNX, FASTAPI_NATIVE):
            what = "time of 1,000 rows"
            found.append(against(model, server, "batch", what, plain, "<=", 0.5))
    found.append(Target("wrong answers of the generated projects", "<=", 0, _wrong(table)))
    grown: Mapping[str, float | None] = exponents or {"growth of CPU": None}
    for name, exponent in grown.items():
        found.append(Target(f"{name}: exponent", "<=", LINEAR, exponent))
    for line in overloads or []:
        recovery = math.inf if line["recovery"] is None else line["recovery"]
        p99 = divided(line["p99"], line["deadline"])
        goodput = divided(line["goodput"], line["peak"])
        found += [
            Target(f"{line['name']}: goodput of its peak in overload", ">=", 0.8, goodput),
            Target(f"{line['name']}: seconds until recovered from overload", "<=", 2, recovery),
            Target(f"{line['name']}: p99 of its deadline in overload", "<=", 1, p99),
        ]
    return found


def _label(server: str) -> str:
    return BY_NAME[server].label


def _wrong(table: Table) -> float | None:
    found = [
        value
        for model, servers in table.cells.items()
        for server in servers
        if BY_NAME[server].kind == "ours"
        and (value := table.get(model, server, "wrong")) is not None
    ]
    return sum(found) if found else None
