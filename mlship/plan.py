"""What ``init`` is going to write: a model card, a configuration and the reasons for both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mlship import (
    config,
    context,
    includes,
    inspection,
    kubernetes,
    ownership,
    remembered,
    requirements,
    resources,
    settings,
    trust,
)
from mlship.card import ModelCard
from mlship.errors import ProjectError, UsageError
from mlship.sections import plain

_PROVEN = "the one that the conversion was proven on"
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
        runtime: whether ONNX Runtime shall run the model; None for the former choice, or ``auto``.
    """

    model: Path | None = None
    server: Literal["fastapi", "flask"] | None = None
    values: dict[str, Any] = field(default_factory=dict)
    sample: Path | None = None
    target: str | None = None
    include: tuple[str, ...] = ()
    trust: bool = False
    runtime: config.Runtime | None = None


@dataclass(frozen=True)
class Plan:
    """Everything the scaffold needs.

    Attributes:
        refined: whether a sample had a say in the card.
        to_convert: whether the wishes ask for ONNX Runtime, which the card's model is not for.
        files: further files of the project, with their text.
        root: the project, which may be there already.
    """

    card: ModelCard
    config: config.Config
    python_reason: str
    include: tuple[Path, ...] = ()
    refined: bool = False
    to_convert: bool = False
    files: dict[str, str] = field(default_factory=dict)
    root: Path = Path()

    def context(self) -> dict[str, Any]:
        """Return the values for the templates."""
        return context.build(self.card, self.config, self.python_reason, self.root)


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
    kept = before is not None and before.original is not None and wishes.model is None
    if kept:
        _check_kept(target, wishes)
    card = remembered.recall_original(target, model) if kept else inspection.inspect(model)
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
    if card.original and python == card.original.python:
        reason = _PROVEN
    found = config.Model(context.model_file(card.path), card.sha256)
    names = tuple(path.name for path in include)
    sized = resources.for_model(card)
    runtime = wishes.runtime or (before.runtime if before else "auto")
    # What is there already stays as it is, unless a model or a runtime is named.
    named = before is None or wishes.model is not None or wishes.runtime is not None
    rest: dict[str, Any] = {
        "to_convert": named and not kept and runtime != "native" and card.framework != "onnx",
        "files": _proof(target) if kept else {},
        "root": target,
    }
    if before is None and not wishes.values:
        # Nothing to validate: spares `init` the time that pydantic takes to import.
        made = config.Config(name=target.name, python=python, model=found, image=target.name,
                             include=names, resources=sized, runtime=runtime)  # fmt: skip
        made = replace(made, server=wishes.server or made.server)
        return Plan(card, made, reason, include, refined is not None, **rest)
    base: dict[str, Any] = {"image": target.name, "resources": plain(sized)}
    if before:
        base = plain(before)
    base.update(name=target.name, python=python, include=names)
    base["model"] = {**base.get("model", {}), **plain(found)}
    base["runtime"] = runtime
    if not kept:
        base.pop("original", None)
    base["server"] = wishes.server or base.get("server", "fastapi")
    made = config.build(settings.overlay(base, wishes.values))
    kubernetes.check_source(made, is_folder=card.path.is_dir())
    return Plan(card, made, reason, include, refined is not None, **rest)


def converted(planned: Plan, card: ModelCard, files: dict[str, str]) -> Plan:
    """Return the plan for the ONNX model that the plan's own was converted to."""
    assert card.original
    made = replace(
        planned.config,
        model=replace(planned.config.model, file=context.model_file(card.path), sha256=card.sha256),
        original=config.Original(card.original.file, card.original.sha256),
    )
    if made.resources == resources.for_model(planned.card):  # nobody asked for others
        made = replace(made, resources=resources.for_model(card))
    return replace(
        planned, card=card, config=made, python_reason=_PROVEN, to_convert=False, files=files
    )


def _check_kept(target: Path, wishes: Wishes) -> None:
    """Refuse what needs the model that was converted, which the project does not have.

    Raises:
        UsageError: another runtime, or a sample, is asked for without it.
    """
    asked = "--sample" if wishes.sample else "--runtime native"
    if wishes.sample or wishes.runtime == "native":
        raise UsageError(
            f"{asked} needs the model that {target.name} was converted from",
            why="The project has the ONNX model only.",
            next=f"mlship init {target.name} --force {asked} ... --model ORIGINAL",
        )


def _proof(target: Path) -> dict[str, str]:
    """Return the files that tell how the model of a former project was converted.

    Raises:
        ProjectError: one is gone.
    """
    from mlship.conversion.evidence import ANSWERS, PROOF

    try:
        return {name: (target / name).read_text(encoding="utf-8") for name in (PROOF, ANSWERS)}
    except OSError as error:
        raise ProjectError(
            f"{target.name} has no proof of its conversion any more",
            why=f"{error.filename}: {error.strerror}.",
            next=f"mlship init {target.name} --force --model ORIGINAL",
        ) from None


def _include(target: Path, before: config.Config | None, wishes: Wishes) -> tuple[Path, ...]:
    """Return the modules to copy: those asked for, and those of the former project."""
    asked = [includes.resolve(name, Path.cwd()) for name in wishes.include]
    kept = [target / name for name in (before.include if before else ())]
    names = {path.name for path in asked}
    return (*asked, *(path for path in kept if path.name not in names and path.exists()))
