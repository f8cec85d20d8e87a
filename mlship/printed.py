"""A card's instances and answers as the values that templates print."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlship import fieldtypes
from mlship.card import Feature, ModelCard
from mlship.text import literal, plain


def answers(card: ModelCard) -> dict[str, Any]:
    """Return what the response is made of."""
    several = bool(card.output_classes)
    classes = [written(c) for c in card.output_classes or card.classes]
    first: Any = card.classes[0] if card.classes else ""
    label = "bool" if isinstance(first, bool) else type(first).__name__
    if several:
        label = f"list[{type(card.output_classes[0][0]).__name__}]"
    prediction = label
    if not classes:
        prediction = "float | list[float]" if card.task == "regression" else "Any"
        if card.task in ("clustering", "outlier-detection"):
            prediction = "int"
    text = card.task
    if several:
        text += f", {len(classes)} outputs"
    elif classes:
        text += f", one of {len(classes)} classes"
    return {
        "answers": text + (", with probabilities" if card.probabilities else ""),
        "classes": classes,
        "several": several,
        "label_type": label,
        "probabilities": card.probabilities,
        "prediction_type": prediction,
    }


def instances(card: ModelCard) -> dict[str, Any]:
    """Return what an instance is made of."""
    found = fieldtypes.types(card.features)
    first = card.features[0]
    kinds = {fieldtypes.json_type(feature) for feature in card.features}
    plain_values = {fieldtypes.python_type(feature) for feature in card.features}
    nullable = any(feature.nullable for feature in card.features)
    return {
        "features": [
            _feature(*pair) for pair in zip(card.features, found.annotations, strict=True)
        ],
        "definitions": [asdict(definition) for definition in found.definitions],
        "uniform": found.uniform,
        # The example of a text or of a free shape may be one that the model can't take.
        "guessed": any(
            feature.example is None
            and not feature.categories
            and (feature.dtype == "string" or None in feature.shape)
            for feature in card.features
        ),
        # Boosters number the categories of a column in the order that they were trained with.
        "numbers_categories": card.framework in ("xgboost", "lightgbm")
        and any(feature.categories for feature in card.features),
        "has_numbers": any(d.name == "Number" for d in found.definitions),
        "has_tensors": any(feature.shape for feature in card.features),
        "has_free_sides": any(None in feature.shape for feature in card.features),
        "has_nullable": nullable,
        "nullable_texts": any(f.nullable and f.dtype == "string" for f in card.features),
        "descriptions": [
            {"literal": literal(feature.name), "text": literal(feature.description)}
            for feature in card.features
            if feature.description
        ],
        # An instance is the value itself where there is only one that is no plain number.
        "bare": len(card.features) == 1 and (bool(first.shape) or first.dtype == "string"),
        "bare_form": "list" if first.shape else "text",
        "dtype": first.dtype,
        "dtypes": sorted({feature.dtype for feature in card.features}),
        "json_type": kinds.pop() if len(kinds) == 1 else "",
        "has_zeros": any(
            _feature(feature, "")["example"].startswith("np.") for feature in card.features
        ),
        "takes_label": _takes_label(card),
        "schema_typing": ", ".join(
            name
            for name, used in (
                ("TYPE_CHECKING", not found.uniform and len(card.features) > 1),
                ("Annotated", True),
                ("Any", True),
                ("Literal", any(feature.categories for feature in card.features)),
            )
            if used
        ),
        "example_type": plain_values.pop() if len(plain_values) == 1 else "Any",
    }


def _feature(feature: Feature, annotation: str) -> dict[str, Any]:
    value = written(feature.value)
    if feature.shape and len(value) > 80:
        kind = {"f": "", "b": ", dtype=bool", "s": ", dtype=str"}.get(
            feature.dtype[0], ", dtype=int"
        )
        value = f"np.zeros({feature.sides}{kind}).tolist()"
    return {
        "plain": plain(feature.name),
        "literal": literal(feature.name),
        "annotation": annotation,
        "example": value,
        "json_type": fieldtypes.json_type(feature),
        "dtype": feature.dtype,
        "shape": list(feature.shape),
        "nullable": feature.nullable,
        "column": f'"{column(feature)}"',
        "category": annotation.removesuffix(" | None") if feature.categories else "",
    }


def _takes_label(card: ModelCard) -> str:
    count, kinds = len(card.features), {feature.dtype for feature in card.features}
    first = card.features[0]
    if count == 1 and first.shape:
        sides = " x ".join("any" if side is None else str(side) for side in first.shape)
        return f"{plain(first.name)}: {sides} values of {first.dtype}"
    if len(kinds) == 1:
        many = f"{count} features, each" if count > 1 else f"{plain(first.name)}:"
        kind = fieldtypes.json_type(first)
        return f"{many} {'an' if kind[0] in 'ai' else 'a'} {kind} ({first.dtype})"
    return f"{count} features ({', '.join(sorted(kinds))})"


def column(feature: Feature) -> str:
    """Return the pandas dtype of a column."""
    if feature.dtype == "string" or (feature.dtype == "bool" and feature.nullable):
        return "object"
    # Only floating-point columns can hold missing values.
    return "float64" if feature.nullable else feature.dtype


def written(value: Any) -> str:
    """Return a value of a card as a Python literal, formatted as ruff does."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(k)}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    return repr(value)
