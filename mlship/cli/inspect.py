"""``mlship inspect``: what a model's file says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from mlship.card import ModelCard

_SHOWN = 30


def inspect(
    file: Annotated[Path, typer.Argument(help="The model, a file or a folder.")],
    sample: Annotated[
        Path | None, typer.Option(help="Rows as .csv, .parquet or .json, which refine the schema.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The sample's column that is the answer.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Show what a model takes and answers, without running it."""
    from mlship import inspection, trust
    from mlship.cli import console

    card = inspection.inspect(file)
    if sample:
        from mlship.sampling import refine

        card = refine(card, sample, target)
    if as_json:
        console.print_json(card.as_json())
    else:
        _show(card)
    for warning in card.warnings:
        console.warn(warning)
    trust.check(card, trust=False)


def _show(card: ModelCard) -> None:
    from rich.text import Text

    from mlship import requirements
    from mlship.cli import console
    from mlship.errors import UsageError
    from mlship.text import printable

    version = card.framework_version or "version not in the file"
    try:
        python = "{}: {}".format(*requirements.python_for(card))
    except UsageError as error:
        python = error.what
    facts = {
        "model": card.description,
        "framework": f"{card.framework} ({version}), written as {card.format}",
        "task": card.task + (", with probabilities" if card.probabilities else ""),
        "classes": ", ".join(map(str, card.classes[:_SHOWN]))
        or "; ".join(", ".join(map(str, c)) for c in card.output_classes[:_SHOWN]),
        "needs": ", ".join(card.requirements),
        "Python": python,
        "your modules": ", ".join(card.modules),
        "sha256": card.sha256,
        "size": f"{card.size:,} bytes",
    }
    for name, value in facts.items():
        if value:
            console.out.print(Text.assemble((f"{name:<13}", "bold"), printable(value)))
    console.out.print(_features(card))


def _features(card: ModelCard) -> Table:
    from rich.table import Table
    from rich.text import Text

    from mlship.text import printable

    table = Table("#", "feature", "type", "example", "", box=None, header_style="bold")
    for index, feature in enumerate(card.features[:_SHOWN]):
        sides = ["any" if side is None else str(side) for side in feature.shape]
        kind = feature.dtype + (f" [{', '.join(sides)}]" if sides else "")
        remarks = [feature.description.rstrip(".")]
        if feature.categories:
            known = ", ".join(map(str, feature.categories[:8]))
            remarks = [f"one of {known}{', ...' if len(feature.categories) > 8 else ''}"]
        if feature.nullable:
            remarks.append("may be null")
        cells = (str(index), feature.name, kind, str(feature.value)[:40],
                 "; ".join(filter(None, remarks)))  # fmt: skip
        table.add_row(*(Text(printable(cell)) for cell in cells))
    if len(card.features) > _SHOWN:
        table.caption = f"the first {_SHOWN} of {len(card.features)}; --json prints all"
    return table
