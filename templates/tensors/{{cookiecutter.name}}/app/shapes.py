"""Nested lists of a shape, as a type for pydantic."""

from collections.abc import Sequence
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema


class Shape:
    """The sides of nested lists; None is a side of any length, the same in every list."""

    def __init__(self, *sides: int | None) -> None:
        self.sides = sides

    def check(self, value: list[Any]) -> list[Any]:
        """Return the value when it has the shape."""
        layer: Sequence[Any] = [value]
        for depth, side in enumerate(self.sides):
            lengths = {len(each) for each in layer}
            wanted = side if side is not None else min(lengths, default=0)
            if lengths != {wanted} or wanted == 0:
                raise PydanticCustomError(
                    "shape",
                    "should have the shape {shape}: side {depth} differs",
                    {"shape": str(self), "depth": depth},
                )
            layer = [item for each in layer for item in each]
        return value

    def __str__(self) -> str:
        return "[" + ", ".join("any" if side is None else str(side) for side in self.sides) + "]"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        described = handler(schema)
        layer = described
        for side in self.sides:
            if side is not None:
                layer["minItems"] = layer["maxItems"] = side
            layer = layer.get("items", {})
        return described
