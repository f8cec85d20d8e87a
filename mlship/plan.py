"""What ``init`` is going to write: a model card, a configuration and the reasons for both."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mlship import (
    config,
    context,
    includes,
    inspection,
    ownership,
    remembered,
    requirements,
    resources,
    settings,
    trust,
)
from mlship.card import ModelCard

BUNDLED_MODEL = Path(__file__).parent / "data" / "iris.onnx"


@dataclass(frozen=True)
class Wishes:
    """What the user asked for.

    Attributes:
        model: the model's file or folder; None for the former one, or the bundled iris.
        server: ``fastapi`` or ``flask``; None for the former one, or FastAPI.
        values: nested values of mlship.yaml, from ``--set``.
        sample: a table that refines the schema.
        target: the column of the sample that is the answer.
        include: paths of the user's own modules.
        trust: whether a model that runs code of its own is fine.
    """

    model: Path | None = None
    server: Literal["fastapi", "flask"] | None = None
    values: dict[str, Any] = field(default_factory=dict)
    sample: Path | None = None
    target: str | None = None
    include: tuple[str, ...] = ()
    trust: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything the scaffold needs; ``refined`` when a sample had a say in the card."""

    card: ModelCard
    config: config.Config
    python_reason: str
    include: tuple[Path, ...] = ()
    refined: bool = False

    def context(self) -> dict[str, Any]:
        """Return the values for the templates."""
        return context.build(self.card, self.config, self.python_reason)


def former(target: Path) -> config.Config | None:
    """Return the configuration of a project that is already there, None when there is none.

    Raises:
        ProjectError: there is one, and it has mistakes: guessing would replace the model.
    """
    path = target / config.FILE_NAME
    return config.load(path) if path.is_file() else None


def make(target: Path, wishes: Wishes) -> Plan:
    """Read the model and settle every value: the wishes over those of a former project.

    Raises:
        ModelError: the model can't be read, is dangerous, or needs modules that are not there.
        UsageError: a value is wrong.
    """
    before = former(target)
    model = wishes.model
    if model is None:
        model = target / before.model.file if before else BUNDLED_MODEL
    card = inspection.inspect(model)
    again = bool(before) and ownership.is_written(target, model)
    trust.check(card, trust=wishes.trust or again)
    refined = None
    if wishes.sample:
        from mlship.sampling import refine

        refined = refine(card, wishes.sample, wishes.target)
    elif before:
        refined = remembered.recall(target, card)
    card = refined or card
    include = _include(target, before, wishes)
    includes.check(card, include)
    python = wishes.values.get("python") or (before.python if before else None)
    python, reason = requirements.python_for(card, python)
    found = config.Model(context.model_file(card.path), card.sha256)
    names = tuple(path.name for path in include)
    sized = resources.for_model(card)
    if before is None and not wishes.values:
        # Nothing to validate: spares `init` the time that pydantic takes to import.
        made = config.Config(target.name, python, found, image=target.name, include=names,
                             resources=sized)  # fmt: skip
        made = replace(made, server=wishes.server or made.server)
        return Plan(card, made, reason, include, refined is not None)
    base: dict[str, Any] = {"image": target.name, "resources": asdict(sized)}
    if before:
        base = asdict(before)
    base.update(name=target.name, python=python, model=asdict(found), include=names)
    base["server"] = wishes.server or base.get("server", "fastapi")
    made = config.build(settings.overlay(base, wishes.values))
    return Plan(card, made, reason, include, refined is not None)


def _include(target: Path, before: config.Config | None, wishes: Wishes) -> tuple[Path, ...]:
    """Return the modules to copy: those asked for, and those of the former project."""
    asked = [includes.resolve(name, Path.cwd()) for name in wishes.include]
    kept = [target / name for name in (before.include if before else ())]
    names = {path.name for path in asked}
    return (*asked, *(path for path in kept if path.name not in names and path.exists()))
