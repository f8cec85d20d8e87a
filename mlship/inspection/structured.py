"""JSON and YAML files that nobody vouches for, read with limits on their size and depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlship.errors import ModelError

# Parsed JSON takes up to twenty times its text; no configuration of a model is larger.
MAX_BYTES = 8 << 20
_MAX_YAML_BYTES = 1 << 20
_MAX_YAML_DEPTH = 50


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Return the content of a UTF-8 text file.

    Raises:
        ModelError: there is no such file, it is longer than ``limit`` bytes, or is no text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise _damaged(path.name, f"It is longer than {limit >> 20} MB.")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _damaged(path.name, "It is no UTF-8 text.") from None
    except OSError as error:
        raise _damaged(path.name, f"It can't be read: {error.strerror}.") from None


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        ModelError: it is missing, damaged, too large, or holds something other than an object.
    """
    value = parse_json(read_text(path), path.name)
    if not isinstance(value, dict):
        raise _damaged(path.name, f"It holds a {type(value).__name__}, not an object.")
    return value


def parse_json(text: str | bytes, name: str) -> Any:
    """Return the value of a JSON text; ``name`` is what an error calls it.

    Raises:
        ModelError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise _damaged(name, "It is nested too deeply.") from None
    except (ValueError, MemoryError) as error:
        raise _damaged(name, f"It is no JSON: {error}.") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file of plain values, without aliases.

    An alias can make a few lines stand for gigabytes; no tool that writes models uses one.

    Raises:
        ModelError: it is missing, damaged, too large, nested too deeply, has aliases or tags
            that stand for code, or holds something other than a mapping.
    """
    import yaml

    text = read_text(path, _MAX_YAML_BYTES)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_loader()):
            if isinstance(event, yaml.AliasEvent):
                raise _damaged(path.name, f"It has an alias (*{event.anchor}).")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _MAX_YAML_DEPTH:
                raise _damaged(path.name, "It is nested too deeply.")
        # _loader() is a SafeLoader: plain values only.
        value = yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, MemoryError) as error:
        if "nesting depth" in str(error):  # libyaml 0.2.6's own limit, which may be met first
            raise _damaged(path.name, "It is nested too deeply.") from None
        raise _damaged(path.name, f"It is no YAML: {str(error)[:300]}.") from None
    if not isinstance(value, dict):
        raise _damaged(path.name, f"It holds a {type(value).__name__}, not a mapping.")
    return {str(key): entry for key, entry in value.items()}


def _loader() -> Any:
    """Return the safe loader, in C where there is one: ten times faster."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _damaged(name: str, why: str) -> ModelError:
    return ModelError(
        f"{name} is damaged, or is not what its name says", why=why, next="save the model again"
    )
