"""The signature in an MLmodel file: columns with names and types, and an example of them.

Format: ``mlflow/types/schema.py`` (ColSpec, TensorSpec) and MLflow's documentation of signatures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlship.card import Dtype, Feature
from mlship.inspection.structured import parse_json, read_json

_DTYPES: dict[str, Dtype] = {
    "boolean": "bool", "integer": "int32", "long": "int64", "float": "float32",
    "double": "float64", "string": "string",
}  # fmt: skip
_MAX_COLUMNS = 100_000


@dataclass(frozen=True)
class Column:
    """One column of the table that a model takes; ``dtype`` is None for a type not served."""

    name: str
    type: str
    dtype: Dtype | None
    required: bool
    example: Any = None


def read_columns(path: Path, model: dict[str, Any]) -> list[Column] | None:
    """Return the named columns of the signature in ``model``, the content of an MLmodel file.

    None when there is no signature, or one of tensors, or without names.

    Raises:
        ModelError: the signature or the example is no JSON.
    """
    signature = model.get("signature")
    text = signature.get("inputs") if isinstance(signature, dict) else None
    specs = parse_json(text, "the signature in MLmodel") if isinstance(text, str) else None
    if not isinstance(specs, list) or not 0 < len(specs) <= _MAX_COLUMNS:
        return None
    example = _example(path, model)
    columns = []
    for spec in specs:
        name = spec.get("name") if isinstance(spec, dict) else None
        if not isinstance(name, str) or "tensor-spec" in spec:
            return None
        kind = str(spec.get("type"))
        dtype = _DTYPES.get(kind)
        required = spec.get("required") is not False
        columns.append(Column(name, kind, dtype, required, _fitting(example.get(name), dtype)))
    return columns


def refined(
    features: tuple[Feature, ...], columns: list[Column], frame: bool
) -> tuple[Feature, ...] | None:
    """Return features with what the signature knows: names, missing values, examples.

    Their types as well when the model takes a ``frame``: a matrix has one type, the model's own.
    None when the columns are not those of the features.
    """
    names = {column.name: column for column in columns}
    unnamed = [feature.name for feature in features] == [f"x{i}" for i in range(len(features))]
    if len(columns) != len(features) or not (unnamed or all(f.name in names for f in features)):
        return None
    found = []
    for index, feature in enumerate(features):
        column = columns[index] if unnamed else names[feature.name]
        own_type = column.dtype if frame and not feature.categories else None
        found.append(
            replace(
                feature,
                name=column.name,
                dtype=own_type or feature.dtype,
                nullable=feature.nullable or not column.required,
                example=feature.example if column.example is None else column.example,
            )
        )
    return tuple(found)


def _example(path: Path, model: dict[str, Any]) -> dict[str, Any]:
    """Return the first row of the input example, by column (mlflow/models/utils.py: split)."""
    info = model.get("saved_input_example_info")
    name = info.get("artifact_path") if isinstance(info, dict) else None
    if not isinstance(name, str) or Path(name).name != name or not (path / name).is_file():
        return {}
    table = read_json(path / name)
    columns, data = table.get("columns"), table.get("data")
    if not isinstance(columns, list) or not isinstance(data, list) or not data:
        return {}
    row = data[0] if isinstance(data[0], list) else []
    return dict(zip(map(str, columns), row, strict=False))


def _fitting(value: Any, dtype: Dtype | None) -> Any:
    """Return ``value`` when a request may hold it for this type, else None."""
    if dtype == "string":
        return value if isinstance(value, str) else None
    if dtype == "bool":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    if dtype in ("int32", "int64"):
        return value if isinstance(value, int) else None
    return value if dtype and abs(value) < 1e30 else None
