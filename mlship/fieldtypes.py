"""From features to the Python types of the generated schema.

Each feature has a type that pydantic checks: a bounded number, a text, one of some categories, or
nested lists of a shape. Types that need a line of their own get a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlship.card import Feature
from mlship.text import literal

_WORDS = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class Definition:
    """A named type: the comment above it, the name, and the expression, line by line."""

    comment: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Types:
    """The named types of a schema, and the type of each feature in terms of them."""

    definitions: tuple[Definition, ...]
    annotations: tuple[str, ...]

    @property
    def uniform(self) -> str:
        """The one type that all features have, empty when they differ."""
        return self.annotations[0] if len(set(self.annotations)) == 1 else ""


def types(features: tuple[Feature, ...]) -> Types:
    """Return the types of a table's or a tensor model's features, in their order."""
    scalars: dict[str, Definition] = {}
    named: dict[str, Definition] = {}
    annotations = []
    for index, feature in enumerate(features):
        scalar = _scalar(feature.dtype)
        text = scalar.name if scalar else "str"
        if feature.categories:
            definition = _category(feature, index, named)
            named[definition.name] = definition
            text = definition.name
        elif scalar:
            scalars.setdefault(scalar.name, scalar)
        if feature.shape:
            definition = _tensor(feature, index, text, named)
            named[definition.name] = definition
            text = definition.name
        annotations.append(f"{text} | None" if feature.nullable else text)
    return Types((*scalars.values(), *named.values()), tuple(annotations))


def json_type(feature: Feature) -> str:
    """Return the JSON type of a feature's value."""
    if feature.shape:
        return "array"
    return {"f": "number", "i": "integer", "u": "integer", "b": "boolean", "s": "string"}[
        feature.dtype[0]
    ]


def python_type(feature: Feature) -> str:
    """Return the Python type of a scalar feature's value."""
    return {"number": "float", "integer": "int", "boolean": "bool", "string": "str"}.get(
        json_type(feature), "Any"
    )


def _scalar(dtype: str) -> Definition | None:
    if dtype == "string":
        return None
    if dtype == "bool":
        return Definition("true or false, nothing else", "Flag",
                          ("Annotated[bool, Field(strict=True)]",))  # fmt: skip
    if dtype == "float16":
        return Definition(
            "Finite, and within float16: what the model computes with.",
            "Half",
            ("Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-65504, le=65504)]",),
        )
    if dtype.startswith("float"):
        bounds = "ge=-FLOAT32_MAX, le=FLOAT32_MAX"
        return Definition(
            "Finite, and within float32: what the model computes with.",
            "Number",
            (f"Annotated[float, Field(strict=True, allow_inf_nan=False, {bounds})]",),
        )
    bits = int(dtype.lstrip("uint"))
    signed = not dtype.startswith("u")
    low, high = (f"-(2**{bits - 1})", f"2**{bits - 1} - 1") if signed else ("0", f"2**{bits} - 1")
    return Definition(
        f"Whole numbers that the model's {dtype} input can hold.",
        f"{'Int' if signed else 'UInt'}{bits}",
        (f"Annotated[int, Field(strict=True, ge={low}, le={high})]",),
    )


def _name(feature: Feature, index: int, suffix: str, taken: dict[str, Definition]) -> str:
    """Return a class-like name from a feature's: ``marital status`` gives ``MaritalStatus...``."""
    words = "".join(word.capitalize() for word in _WORDS.findall(feature.name))[:30]
    if not words or words[0].isdigit():
        words = f"Feature{index}"
    name = f"{words}{suffix}"
    return name if name not in taken else f"{name}{index}"


def _category(feature: Feature, index: int, taken: dict[str, Definition]) -> Definition:
    values = [literal(c) if isinstance(c, str) else repr(c) for c in feature.categories]
    name = _name(feature, index, "Category", taken)
    line = f"Literal[{', '.join(values)}]"
    if len(values) == 1 or len(name) + 3 + len(line) <= 100:
        return Definition("", name, (line,))
    return Definition("", name, ("Literal[", *(f"    {value}," for value in values), "]"))


def _tensor(feature: Feature, index: int, text: str, taken: dict[str, Definition]) -> Definition:
    nested = text
    for _ in feature.shape:
        nested = f"list[{nested}]"
    sides = ", ".join(map(str, feature.shape))
    name = _name(feature, index, "Tensor", taken)
    return Definition("", name, (f"Annotated[{nested}, Shape({sides})]",))
