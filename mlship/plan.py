"""What ``init`` is going to write: a model card, a configuration and the reasons for both."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mlship import config, context, inspection, requirements, settings
from mlship.card import ModelCard

BUNDLED_MODEL = Path(__file__).parent / "data" / "iris.onnx"


@dataclass(frozen=True)
class Plan:
    """Everything the scaffold needs."""

    card: ModelCard
    config: config.Config
    python_reason: str

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


def make(
    target: Path,
    model: Path | None,
    server: Literal["fastapi", "flask"] | None,
    values: dict[str, Any],
) -> Plan:
    """Read the model and settle every value: ``values`` over those of a former project.

    Without ``model``, the former project's model is used, else the bundled iris.

    Raises:
        ModelError: the model can't be read.
        UsageError: a value is wrong.
    """
    before = former(target)
    if model is None:
        model = target / before.model.file if before else BUNDLED_MODEL
    card = inspection.inspect(model)
    wanted = values.get("python") or (before.python if before else None)
    python, reason = requirements.python_for(card, wanted)
    found = config.Model(context.model_file(model), card.sha256)
    if before is None and not values:
        # Nothing to validate: spares `init` the time that pydantic takes to import.
        made = config.Config(target.name, python, found, image=target.name)
        return Plan(card, replace(made, server=server or made.server), reason)
    base: dict[str, Any] = asdict(before) if before else {"image": target.name}
    base.update(name=target.name, python=python, model=asdict(found))
    base["server"] = server or base.get("server", "fastapi")
    return Plan(card, config.build(settings.overlay(base, values)), reason)
