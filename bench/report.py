"""The results as Markdown, all as ratios; absolute figures only where they are the unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.figures import Sample, Table, divided, medians, samples_of, spread
from bench.servers import BY_NAME, MODELS
from bench.targets import Target, targets

NAMES = {
    "iris": "iris: StandardScaler and LogisticRegression, 4 features",
    "forest": "forest: 100 trees, 30 features",
    "linear": "linear: LogisticRegression, 1,000 features",
    "cnn": "cnn: two convolutions, images of 28 x 28, ONNX",
}
PLAIN = "plain-fastapi"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def times(ratio: float | None) -> str:
    """Write a ratio with two digits that count: 0.31, 2.4, 14."""
    if ratio is None:
        return ""
    if ratio >= 9.95:
        return f"{ratio:.0f}"
    return f"{ratio:.1f}" if ratio >= 0.995 else f"{ratio:.2f}"


def number(value: float | None, unit: float, digits: int) -> str:
    """Write a figure in a unit, with so many digits after the point."""
    return "" if value is None else f"{value / unit:,.{digits}f}"


def render(data: dict[str, Any]) -> str:
    """Return the whole report of a results.json."""
    samples = samples_of(data["samples"])
    found = medians(samples)
    parts = [_about(data, samples)]
    for model in MODELS:
        if found.servers(model):
            parts += [f"### {NAMES[model]}", _model(found, model)]
    parts += [_failures(samples), _growth(data), _overload(data)]
    parts += ["### Targets", target_table(targets(found, _exponents(data), data.get("overload")))]
    parts.append(_versions(data))
    return "\n\n".join(part for part in parts if part) + "\n"


def target_table(found: Sequence[Target]) -> str:
    """Return the targets and whether each was reached."""
    rows = [
        [t.what, f"{t.sign} {t.limit:g}", "" if t.value is None else f"{t.value:.2f}", t.verdict]
        for t in found
    ]
    return table(["target", "limit", "measured", ""], rows)


def _about(data: dict[str, Any], samples: Sequence[Sample]) -> str:
    machine, settings = data["machine"], data["settings"]
    apart = spread(samples, "rate@64")
    disagree = "" if apart is None else f" Rounds differ by up to {apart:.0%} in requests/s at 64."
    return (
        f"{data['date']}, {machine['processor']}, {machine['cores']} cores, {machine['system']}. "
        f"Medians of {settings['repeat']} rounds of {settings['seconds']:g} s a point; the server "
        f"on one core, the client on another; load average {data['load']:.1f} before the "
        f"start.{disagree}"
    )


def _model(found: Table, model: str) -> str:
    best = found.best(model, "rate@64")
    best_name = best[0] if best else ""
    plain = PLAIN if found.get(model, PLAIN, "rate@64") else "plain-fastapi-onnx"
    header = [
        "server", "requests/s at 64", f"x {BY_NAME[plain].label}", "x best peer", "of the ceiling",
        "p50 at 1, ms", "at 16", "p99 at 64, ms", "CPU a request, us", "batch, ms", "x plain",
        "cold start, s", "PSS, MiB", "wrong", "failed",
    ]  # fmt: skip
    rows = []
    for name in found.servers(model):
        cell = found.cells[model][name]

        def ratio(to: str, figure: str = "rate@64", name: str = name) -> str:
            return times(found.ratio(model, figure, name, to))

        label = BY_NAME[name].label
        rows.append(
            [
                f"**{label}**" if BY_NAME[name].kind == "ours" else label,
                number(cell.get("rate@64"), 1, 0),
                ratio(plain),
                ratio(best_name),
                ratio("ceiling"),
                number(cell.get("p50@1"), 1e-3, 2),
                number(cell.get("p50@16"), 1e-3, 1),
                number(cell.get("p99@64"), 1e-3, 0),
                number(cell.get("cpu@64"), 1e-6, 0),
                number(cell.get("batch"), 1e-3, 1),
                ratio(plain, "batch"),
                number(cell.get("cold"), 1, 1),
                number(cell.get("pss"), 2**20, 0),
                f"{cell['wrong']:.0f} of {cell['asked']:,.0f}" if "wrong" in cell else "",
                number(cell.get("failed"), 1, 0),
            ]
        )
    note = f"\n\nBest peer: {BY_NAME[best_name].label}." if best_name else ""
    return table(header, rows) + note


def _failures(samples: Sequence[Sample]) -> str:
    lines = [
        f"- round {s.round}, {s.model}, {s.server}: {s.error.splitlines()[0]}"
        for s in samples
        if s.error
    ]
    return "\n".join(["### Did not work", *lines]) if lines else ""


def _exponents(data: dict[str, Any]) -> dict[str, float]:
    return {line["name"]: line["exponent"] for line in data.get("growth") or []}


def _growth(data: dict[str, Any]) -> str:
    lines = data.get("growth")
    if not lines:
        return ""
    rows = []
    for line in lines:
        first, last = line["points"][0], line["points"][-1]
        rows.append(
            [line["name"], f"{first['size']:,} to {last['size']:,}",
             number(first["cpu"], 1e-3, 2), number(last["cpu"], 1e-3, 1),
             f"{line['overall']:.2f}", f"{line['exponent']:.2f}"]
        )  # fmt: skip
    header = ["CPU of one request", "size", "first, ms", "last, ms", "exponent, all points",
              "exponent, largest points"]  # fmt: skip
    return "### Growth of cost\n\n" + table(header, rows)


def _overload(data: dict[str, Any]) -> str:
    lines = data.get("overload")
    if not lines:
        return ""
    rows = [
        [
            line["name"],
            number(line["peak"], 1, 0),
            times(divided(line["offered"], line["peak"])),
            times(divided(line["goodput"], line["peak"])),
            number(line["p99"], 1e-3, 0),
            number(line["deadline"], 1e-3, 0),
            f"{line['shed']:,}",
            f"{line['broken']:,}",
            times(divided(line["memory_after"], line["memory_before"])),
            "never" if line["recovery"] is None else f"{line['recovery']:.1f}",
            number(line["lag"], 1e-3, 1),
        ]
        for line in lines
    ]
    header = ["server", "sustained/s", "x offered", "x goodput", "p99 of 200, ms", "deadline, ms",
              "503", "other failures", "x memory", "recovered after, s",
              "lag of the clients, ms"]  # fmt: skip
    return "### Overload\n\n" + table(header, rows)


def _versions(data: dict[str, Any]) -> str:
    lines = [f"- {name}: {', '.join(each)}" for name, each in data.get("versions", {}).items()]
    return "\n".join(["### Versions", "", *lines]) if lines else ""
