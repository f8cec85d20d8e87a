"""mlship.yaml: what the commands need to know of a project, validated with line numbers."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from mlship.errors import ProjectError, UsageError

FILE_NAME = "mlship.yaml"
# A repository without a tag: https://docs.docker.com/reference/cli/docker/image/tag/
_IMAGE = r"^([a-zA-Z0-9.-]+(:\d+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"
# Kubernetes' resource.Quantity, as people write it.
_CPU = r"^\d+(\.\d+)?m?$"
_MEMORY = r"^\d+(\.\d+)?([kMGTPE]|[KMGTPE]i)?$"
_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


def _as_text(value: Any) -> Any:
    # YAML reads `cpu: 1` and `python: 3.11` as numbers.
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_as_text)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Section):
    """The model file inside the project."""

    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Quantities(_Section):
    """CPU and memory of one container."""

    cpu: Annotated[Text, Field(pattern=_CPU)] = "1"
    memory: Annotated[Text, Field(pattern=_MEMORY)] = "512Mi"


class Resources(_Section):
    """What a pod asks for, and what it may use at most."""

    requests: Quantities = Quantities(cpu="250m", memory="256Mi")
    limits: Quantities = Quantities()


class Autoscale(_Section):
    """Bounds of the HorizontalPodAutoscaler."""

    max: Annotated[int, Field(ge=1, le=1000)] = 6
    cpu: Annotated[int, Field(ge=1, le=100)] = 75


class Config(_Section):
    """The whole of mlship.yaml."""

    name: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]
    version: Annotated[Text, Field(pattern=r"^\d+(\.\d+)*([a-z0-9.-]*)$")] = "0.1.0"
    server: Literal["fastapi", "flask"] = "fastapi"
    python: Annotated[Text, Field(pattern=r"^3\.\d+$")]
    model: Model
    image: Annotated[str, Field(pattern=_IMAGE)]
    port: Annotated[int, Field(ge=1024, le=65535)] = 8000
    namespace: Annotated[str, Field(pattern=_LABEL)] = "default"
    replicas: Annotated[int, Field(ge=1, le=1000)] = 2
    autoscale: Annotated[Autoscale, Field(validate_default=True)] = Autoscale()
    resources: Resources = Resources()

    @field_validator("autoscale")
    @classmethod
    def _room_to_scale(cls, autoscale: Autoscale, info: ValidationInfo) -> Autoscale:
        if autoscale.max < info.data.get("replicas", 1):
            found = {"max": autoscale.max}
            raise PydanticCustomError("below_replicas", "is {max}, below replicas", found)
        return autoscale


def build(values: dict[str, Any]) -> Config:
    """Return the Config of plain values (defaults and ``--set``).

    Raises:
        UsageError: a value is wrong.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, _where(first)))
        disagree = first["type"] == "below_replicas"
        raise UsageError(
            "Settings disagree" if disagree else f"{where} can't be {first['input']!r}",
            why=f"{where} {_message(first)}.",
            next=f"mlship init NAME --set {where}=VALUE",
        ) from None


def load(path: Path) -> Config:
    """Read and check an mlship.yaml.

    Raises:
        ProjectError: it is no YAML, or a value in it is wrong; names the line.
    """
    import yaml  # only here: `init` needs none of it

    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        # All scalars as text: `python: 3.10` must not become 3.1, nor `replicas: true` 1.
        values = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ProjectError(
            f"{path}{line} is not valid YAML",
            why=str(getattr(error, "problem", error)),
            next=f"correct {path.name} and run the command again",
        ) from None
    try:
        return Config.model_validate(values if isinstance(values, dict) else {})
    except ValidationError as error:
        lines = []
        for mistake in error.errors():
            where = _where(mistake)
            name = ".".join(map(str, where)) or "file"
            lines.append(f"line {_line(node, where)}: {name} {_message(mistake)}")
        raise ProjectError(
            f"{path} has {len(lines)} mistake{'s' if len(lines) > 1 else ''}",
            why="\n".join(lines),
            next=f"correct {path.name} and run the command again",
        ) from None


def _where(error: Any) -> tuple[int | str, ...]:
    path: tuple[int | str, ...] = error["loc"]
    return (*path, "max") if error["type"] == "below_replicas" else path


def _message(error: Any) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        known = [*Config.model_fields, "max", "cpu", "memory", "requests", "limits", "file"]
        near = difflib.get_close_matches(str(error["loc"][-1]), known, 1)
        return "is not a setting" + (f"; did you mean {near[0]}?" if near else "")
    if kind == "missing":
        return "is missing"
    if kind == "string_pattern_mismatch":
        return f"can't be {error['input']!r}"
    message = str(error["msg"])
    if kind == "below_replicas":
        return message
    found = str(error["input"])
    shown = found if found.lstrip("-").isdecimal() else repr(found)
    return f"{message[0].lower()}{message[1:]} (it is {shown})"


def _line(node: Any, location: tuple[int | str, ...]) -> int:
    """Return the 1-based line of the deepest node on the way to ``location``."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        if getattr(node, "id", "") != "mapping":
            break
        for key, value in node.value:
            if key.value == str(part):
                node, line = value, key.start_mark.line + 1
                break
        else:
            break
    return line
