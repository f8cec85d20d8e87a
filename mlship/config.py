"""mlship.yaml: what the commands need to know of a project, validated with line numbers."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from mlship import names
from mlship.errors import ProjectError, UsageError

FILE_NAME = "mlship.yaml"
# A repository without a tag: https://docs.docker.com/reference/cli/docker/image/tag/
_IMAGE = r"^([a-zA-Z0-9.-]+(:\d+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"
# Kubernetes' resource.Quantity, as people write it.
_CPU = r"^\d+(\.\d+)?m?$"
_MEMORY = r"^\d+(\.\d+)?([kMGTPE]|[KMGTPE]i)?$"
_INCLUDE = r"^[A-Za-z_]\w*(\.py)?$"
_SHA256 = r"^[0-9a-f]{64}$"
# A name, no path: https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap03.html#tag_03_147
_FILE = r"^[^/\\\x00-\x1f]{1,255}$"
_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


@dataclass(frozen=True)
class Pattern:
    """A text that matches; pydantic asks for the schema only where something is validated."""

    regex: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Return pydantic's schema. YAML's numbers count as text: ``--set resources…cpu=1``."""
        from pydantic_core import core_schema

        return core_schema.str_schema(pattern=self.regex, coerce_numbers_to_str=True)


@dataclass(frozen=True)
class Between:
    """A whole number within bounds, both included."""

    least: int
    most: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Return pydantic's schema."""
        from pydantic_core import core_schema

        return core_schema.int_schema(ge=self.least, le=self.most)


class _Section:
    # Read by pydantic. A plain dict, so that `init` need not import it.
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Model(_Section):
    """The model file inside the project."""

    file: str
    sha256: Annotated[str, Pattern(_SHA256)]


@dataclass(frozen=True)
class Original(_Section):
    """The file that the model was converted from; it is not in the project."""

    file: Annotated[str, Pattern(_FILE)]
    sha256: Annotated[str, Pattern(_SHA256)]


@dataclass(frozen=True)
class Quantities(_Section):
    """CPU and memory of one container."""

    cpu: Annotated[str, Pattern(_CPU)] = "1"
    memory: Annotated[str, Pattern(_MEMORY)] = "512Mi"


@dataclass(frozen=True)
class Resources(_Section):
    """What a pod asks for, and what it may use at most."""

    requests: Quantities = Quantities(cpu="250m", memory="256Mi")
    limits: Quantities = Quantities()


@dataclass(frozen=True)
class Autoscale(_Section):
    """Bounds of the HorizontalPodAutoscaler."""

    max: Annotated[int, Between(1, 1000)] = 6
    cpu: Annotated[int, Between(1, 100)] = 75


Runtime = Literal["auto", "native", "onnx"]


@dataclass(frozen=True)
class Config(_Section):
    """The whole of mlship.yaml."""

    name: Annotated[str, Pattern(f"^{names.LABEL}$")]
    python: Annotated[str, Pattern(r"^3\.\d+$")]
    model: Model
    image: Annotated[str, Pattern(_IMAGE)]
    version: Annotated[str, Pattern(r"^\d+(\.\d+)*([a-z0-9.-]*)$")] = "0.1.0"
    server: Literal["fastapi", "flask"] = "fastapi"
    runtime: Runtime = "auto"
    original: Original | None = None
    port: Annotated[int, Between(1024, 65535)] = 8000
    namespace: Annotated[str, Pattern(_LABEL)] = "default"
    replicas: Annotated[int, Between(1, 1000)] = 2
    autoscale: Autoscale = Autoscale()
    resources: Resources = Resources()
    # Files and packages of the user's own that the model needs, beside app/.
    include: tuple[Annotated[str, Pattern(_INCLUDE)], ...] = ()


@dataclass(frozen=True)
class Mistake:
    """One wrong value: the keys that lead to it, the value, and what is wrong."""

    where: tuple[str, ...]
    found: Any
    message: str


def validate(values: Any) -> Config | list[Mistake]:
    """Return the Config of plain values, or everything that is wrong with them."""
    from pydantic import TypeAdapter, ValidationError

    try:
        config = TypeAdapter(Config).validate_python(values if isinstance(values, dict) else {})
    except ValidationError as error:
        return [
            Mistake(tuple(map(str, e["loc"])), e.get("input"), _message(e)) for e in error.errors()
        ]
    most = config.autoscale.max
    if most < config.replicas:
        return [Mistake(("autoscale", "max"), most, f"is {most}, below replicas")]
    return config


def build(values: dict[str, Any]) -> Config:
    """Return the Config of plain values (defaults and ``--set``).

    Raises:
        UsageError: a value is wrong.
    """
    found = validate(values)
    if isinstance(found, Config):
        return found
    mistake = found[0]
    where = ".".join(mistake.where)
    below = "below replicas" in mistake.message
    raise UsageError(
        "Settings disagree" if below else f"{where} can't be {mistake.found!r}",
        why=f"{where} {mistake.message}.",
        next=f"mlship init NAME --set {where}=VALUE",
    )


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
    found = validate(values)
    if isinstance(found, Config):
        return found
    lines = [f"line {_line(node, m.where)}: {'.'.join(m.where)} {m.message}" for m in found]
    raise ProjectError(
        f"{path} has {len(lines)} mistake{'s' if len(lines) > 1 else ''}",
        why="\n".join(lines),
        next=f"correct {path.name} and run the command again",
    )


def _message(error: Any) -> str:
    kind = error["type"]
    if kind == "unexpected_keyword_argument":
        known = [*Config.__dataclass_fields__, "max", "cpu", "memory", "requests", "limits", "file",
                 "sha256"]  # fmt: skip
        near = difflib.get_close_matches(str(error["loc"][-1]), known, 1)
        return "is not a setting" + (f"; did you mean {near[0]}?" if near else "")
    if kind == "missing":
        return "is missing"
    if kind == "string_pattern_mismatch":
        return f"can't be {error['input']!r}"
    message = str(error["msg"])
    found = str(error["input"])
    shown = found if found.lstrip("-").isdecimal() else repr(found)
    return f"{message[0].lower()}{message[1:]} (it is {shown})"


def _line(node: Any, location: tuple[str, ...]) -> int:
    """Return the 1-based line of the deepest node on the way to ``location``."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        if getattr(node, "id", "") != "mapping":
            break
        for key, value in node.value:
            if key.value == part:
                node, line = value, key.start_mark.line + 1
                break
        else:
            break
    return line
