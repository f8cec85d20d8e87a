"""What the dataclasses of mlship.yaml are made of: checked texts and numbers, and back to YAML."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, ClassVar


def _key(name: str) -> str:
    """Return a field's key in the file: ``class_`` is ``class``, which Python keeps for itself."""
    return name.rstrip("_")


class Section:
    """A mapping of mlship.yaml, with its keys as the fields of a dataclass."""

    # Read by pydantic. A plain dict, so that `init` need not import it.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "alias_generator": _key}
    # The key that a plain text stands for (``Short``); "" where the mapping must be spelled out.
    short: ClassVar[str] = ""


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


@dataclass(frozen=True)
class Short:
    """A section that may be written as a text, which stands for ``{section.short: text}``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Return pydantic's schema."""
        from pydantic_core import core_schema

        def spelled_out(value: Any) -> Any:
            return {source.short: value} if isinstance(value, str) else value

        return core_schema.no_info_before_validator_function(spelled_out, handler(source))


def plain(value: Any) -> Any:
    """Return a section as the values of its file, without what is the default."""
    if is_dataclass(value):
        found = {}
        for each in fields(value):
            default = each.default_factory() if callable(each.default_factory) else each.default
            own = getattr(value, each.name)
            if default is MISSING or own != default:
                found[_key(each.name)] = plain(own)
        short = getattr(value, "short", "")
        return found[short] if short and found.keys() == {short} else found
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
