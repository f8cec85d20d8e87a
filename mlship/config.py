"""mlship.yaml: what the commands need to know of a project, validated with line numbers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from mlship import names, platform
from mlship.errors import ProjectError, UsageError
from mlship.sections import Between, Pattern, Section

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
# What a text looks like where its name does not tell.
_HINTS = {
    "source": ": it is pvc://CLAIM/PATH, s3://BUCKET/KEY, gs://BUCKET/KEY or https://HOST/PATH",
    "interval": ": it is 30s, 1m, ...",
}


@dataclass(frozen=True)
class Model(Section):
    """The model file inside the project, and where pods get it when it is not in the image."""

    file: str
    sha256: Annotated[str, Pattern(_SHA256)]
    source: Annotated[str, Pattern(platform.SOURCE)] | None = None
    # With the vendor's program for s3:// and gs://.
    fetch_image: Annotated[str, Pattern(platform.IMAGE_REFERENCE)] | None = None
    # The most that a fetched model may take of the node's disk.
    size_limit: Annotated[str, Pattern(_MEMORY)] | None = None


@dataclass(frozen=True)
class Original(Section):
    """The file that the model was converted from; it is not in the project."""

    file: Annotated[str, Pattern(_FILE)]
    sha256: Annotated[str, Pattern(_SHA256)]


@dataclass(frozen=True)
class Quantities(Section):
    """CPU and memory of one container."""

    cpu: Annotated[str, Pattern(_CPU)] = "1"
    memory: Annotated[str, Pattern(_MEMORY)] = "512Mi"


@dataclass(frozen=True)
class Resources(Section):
    """What a pod asks for, and what it may use at most."""

    requests: Quantities = Quantities(cpu="250m", memory="256Mi")
    limits: Quantities = Quantities()


@dataclass(frozen=True)
class Autoscale(Section):
    """Bounds of the HorizontalPodAutoscaler."""

    max: Annotated[int, Between(1, 1000)] = 6
    cpu: Annotated[int, Between(1, 100)] = 75


Runtime = Literal["auto", "native", "onnx"]


@dataclass(frozen=True, kw_only=True)
class Config(platform.Platform):
    """The whole of mlship.yaml."""

    name: Annotated[str, Pattern(f"^{names.LABEL}$")]
    python: Annotated[str, Pattern(r"^3\.\d+$")]
    model: Model
    image: Annotated[str, Pattern(_IMAGE)]
    version: Annotated[str, Pattern(r"^\d+(\.\d+)*([a-z0-9.-]*)$")] = "0.1.0"
    server: Literal["fastapi", "flask"] = "fastapi"
    runtime: Runtime = "auto"
    original: Original | None = None
    # What the image is made from, where it is not the public Python image.
    base: Annotated[str, Pattern(platform.IMAGE_REFERENCE)] | None = None
    port: Annotated[int, Between(1024, 65535)] = 8000
    namespace: Annotated[str, Pattern(platform.LABEL)] = "default"
    replicas: Annotated[int, Between(1, 1000)] = 2
    autoscale: Autoscale = Autoscale()
    resources: Resources = Resources()
    # Files and packages of the user's own that the model needs, beside app/.
    include: tuple[Annotated[str, Pattern(_INCLUDE)], ...] = ()


@dataclass(frozen=True)
class Mistake:
    """One wrong value: the keys that lead to it, the value, and what is wrong.

    ``together`` tells that it is wrong only beside another one.
    """

    where: tuple[str, ...]
    found: Any
    message: str
    together: bool = False


def validate(values: Any) -> Config | list[Mistake]:
    """Return the Config of plain values, or everything that is wrong with them."""
    from pydantic import TypeAdapter, ValidationError

    try:
        config = TypeAdapter(Config).validate_python(values if isinstance(values, dict) else {})
    except ValidationError as error:
        return [_mistake(e) for e in error.errors()]
    return [
        Mistake(where, None, message, True) for where, message in _disagreements(config)
    ] or config


def _disagreements(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    if config.autoscale.max < config.replicas:
        yield ("autoscale", "max"), f"is {config.autoscale.max}, below replicas"
    if config.model.fetch_image and not (config.model.source or "").startswith(("s3:", "gs:")):
        yield ("model", "fetch_image"), "is for a source of s3:// or gs://"
    yield from platform.disagreements(config)


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
    raise UsageError(
        "Settings disagree" if mistake.together else f"{where} can't be {mistake.found!r}",
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


def _mistake(error: Any) -> Mistake:
    # "[key]": pydantic's word for a wrong key of a mapping.
    where = tuple(str(part) for part in error["loc"] if part != "[key]")
    return Mistake(where, error.get("input"), _message(error))


def _message(error: Any) -> str:
    kind = error["type"]
    if kind == "unexpected_keyword_argument":
        given = str(error["loc"][-1])
        near = difflib.get_close_matches(given, [name for name in _known() if name != given], 1)
        return "is not a setting" + (f"; did you mean {near[0]}?" if near else "")
    if kind == "missing":
        return "is missing"
    if kind == "dataclass_type":
        return f"holds settings of its own (it is {error['input']!r})"
    if kind == "string_pattern_mismatch":
        return f"can't be {error['input']!r}{_HINTS.get(error['loc'][-1], '')}"
    message = str(error["msg"]).replace("tuple", "list").replace("dictionary", "mapping")
    found = str(error["input"])
    shown = found if found.lstrip("-").isdecimal() else repr(found)
    return f"{message[0].lower()}{message[1:]} (it is {shown})"


def _known() -> list[str]:
    """Return the keys of all sections, to guess what a wrong one was meant to be."""
    sections = [each for each in (*globals().values(), *vars(platform).values())
                if isinstance(each, type) and issubclass(each, Section)]  # fmt: skip
    names = (name for each in sections for name in getattr(each, "__dataclass_fields__", ()))
    return [name.rstrip("_") for name in names]


def _line(node: Any, location: tuple[str, ...]) -> int:
    """Return the 1-based line of the deepest node on the way to ``location``."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        kind = getattr(node, "id", "")
        if kind == "sequence" and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        if kind != "mapping":
            break
        for key, value in node.value:
            if key.value == part:
                node, line = value, key.start_mark.line + 1
                break
        else:
            break
    return line
