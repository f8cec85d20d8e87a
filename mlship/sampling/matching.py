"""Which column of a sample is which feature of the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlship.card import Feature, ModelCard
from mlship.errors import UsageError
from mlship.sampling.columns import Column, is_number, shown, sides

_LONGEST_NAME = 200
Pairs = list[tuple[Feature, Column]]


def match(
    card: ModelCard, columns: dict[str, Column], *, named: bool, warnings: list[str]
) -> tuple[ModelCard, Pairs]:
    """Return each feature with its column, in the model's order, and the card.

    The card is another one when the sample says how many values a row has. What was taken for
    granted is added to ``warnings``.

    Args:
        columns: without an index and the target; by position without ``named``.

    Raises:
        UsageError: columns are missing, too many to tell apart, or can't be features by name.
    """
    if not named:
        return _with_sides(card, _by_position(card, columns), warnings)
    if card.takes == "texts":
        return card, _texts(card, columns, warnings)
    if _is_free(card):
        if not any(column.kind == "list" for column in columns.values()):
            return _spread(card, columns, warnings)
        return _with_sides(card, _by_name(card, columns, warnings), warnings)
    if is_unnamed(card) and not {f.name for f in card.features} <= columns.keys():
        return card, _in_order(card, columns, warnings)
    return card, _by_name(card, columns, warnings)


def is_unnamed(card: ModelCard) -> bool:
    """Tell whether the features have the names that mlship gives where the file has none."""
    return all(feature.name == f"x{i}" for i, feature in enumerate(card.features))


def _is_free(card: ModelCard) -> bool:
    """Tell whether the model takes rows of numbers, of a length its file does not say."""
    if card.takes != "inputs" or len(card.features) != 1:
        return False
    only = card.features[0]
    return only.shape == (None,) and only.dtype.startswith("float")


def _by_position(card: ModelCard, columns: dict[str, Column]) -> Pairs:
    """Rows are lists: the features in their order."""
    found = list(columns.values())
    if len(found) != len(card.features):
        raise UsageError(
            f"The sample's rows have {len(found)} values; the model takes {len(card.features)}",
            next="pass only the features, in the model's order, or a sample with names",
        )
    named = zip(card.features, found, strict=True)
    return [(feature, replace(column, name=feature.name)) for feature, column in named]


def _texts(card: ModelCard, columns: dict[str, Column], warnings: list[str]) -> Pairs:
    """Take the only column, and its name; else the one named so, else the only one of text."""
    feature = card.features[0]
    if len(columns) == 1:
        return [(replace(feature, name=_names(columns)[0]), next(iter(columns.values())))]
    texts = [column for column in columns.values() if column.kind == "text"]
    named = columns.get(feature.name)
    column = named or (texts[0] if len(texts) == 1 else None)
    if column is None:
        raise UsageError(
            f"The sample has {len(texts)} columns of text; the model takes one",
            why=f"The columns are {listed(map(shown, columns))}.",
            next=f"name the right one {feature.name}, or leave out the others; "
            "--target NAME leaves out the target",
        )
    if column.name != feature.name:
        warnings.append(f"The sample's only column of text is taken: {shown(column.name)}.")
    return [(feature, column)]


def _spread(
    card: ModelCard, columns: dict[str, Column], warnings: list[str]
) -> tuple[ModelCard, Pairs]:
    """Make each column a feature of a matrix, for a model that takes rows of any length."""
    only = card.features[0]
    names = _names(columns)
    made = [replace(only, name=name, shape=(), example=None) for name in names]
    warnings.append(
        f"The file does not say how many values {shown(only.name)} has: the sample's "
        f"{len(made)} columns are taken, in their order (--target NAME leaves one out)."
    )
    pairs = list(zip(made, columns.values(), strict=True))
    kept = _without_advice(card)
    return replace(card, takes="matrix", features=tuple(made), warnings=kept), pairs


def _with_sides(card: ModelCard, pairs: Pairs, warnings: list[str]) -> tuple[ModelCard, Pairs]:
    """Take the sides of a sample's nested lists, where a TorchScript file says nothing of them."""
    if card.format != "torchscript" or not _is_free(card):
        return card, pairs
    feature, column = pairs[0]
    shapes = {sides(cell) for cell in column.head if cell is not None}
    ranks = {len(shape) for shape in shapes if shape is not None}
    rank = max(ranks, default=0)
    if len(ranks) > 1 or rank < 2:
        return card, pairs
    lengths = [set(side) for side in zip(*(shape for shape in shapes if shape), strict=True)]
    shape = tuple(side.pop() if len(side) == 1 else None for side in lengths)
    words = " x ".join("any" if side is None else str(side) for side in shape)
    warnings.append(
        f"The file does not tell the shape of {shown(feature.name)}: an instance is taken as "
        f"{words} values, as in the sample."
    )
    shaped = replace(feature, shape=shape)
    card = replace(card, features=(shaped,), warnings=_without_advice(card))
    return card, [(shaped, column)]


def _without_advice(card: ModelCard) -> tuple[str, ...]:
    """Return the card's warnings but for the advice to pass a sample."""
    return tuple(warning for warning in card.warnings if "--sample" not in warning)


def _in_order(card: ModelCard, columns: dict[str, Column], warnings: list[str]) -> Pairs:
    """Name the features by the sample. Which column is too many is never guessed here."""
    count, wanted = len(columns), len(card.features)
    if count != wanted:
        if count == wanted + 1:
            last = shown(list(columns)[-1])
            next = f"pass --target {last}, if that is what the model predicts"
        elif count > wanted:
            next = "leave out of the sample what is no feature; --target NAME leaves out the target"
        else:
            next = "pass a sample with all columns that the model was trained on"
        raise UsageError(
            f"The sample has {count} columns, the model {wanted} features without names",
            why=f"The columns are {listed(map(shown, columns))}.",
            next=next,
        )
    warnings.append("The names come from the sample, in its order.")
    triples = zip(card.features, _names(columns), columns.values(), strict=True)
    return [(replace(feature, name=name), column) for feature, name, column in triples]


def _by_name(card: ModelCard, columns: dict[str, Column], warnings: list[str]) -> Pairs:
    """Find each feature's column: the same name, else the same but for case and spaces."""
    loose: dict[str, list[Column]] = {}
    for name, column in columns.items():
        loose.setdefault(name.strip().casefold(), []).append(column)
    pairs: Pairs = []
    missing: list[str] = []
    taken = {feature.name for feature in card.features} & columns.keys()
    for feature in card.features:
        alike = [c for c in loose.get(feature.name.strip().casefold(), ()) if c.name not in taken]
        if feature.name in columns:
            pairs.append((feature, columns[feature.name]))
        elif len(alike) == 1:
            pairs.append((feature, alike[0]))
            taken.add(alike[0].name)
            warnings.append(
                f"The sample's column {shown(alike[0].name)} is taken for {shown(feature.name)}."
            )
        else:
            missing.append(feature.name)
    if missing:
        raise UsageError(
            f"The sample lacks {listed(map(shown, missing))}",
            why=f"The model takes {len(card.features)} features; "
            f"the sample's columns are {listed(map(shown, columns))}.",
            next="pass a sample of the data that the model was trained on",
        )
    return pairs


def _names(columns: dict[str, Column]) -> list[str]:
    """Return the names of columns, if they can be features'.

    Raises:
        UsageError: one is empty, very long or not printable, or all are values of a first row.
    """
    names = list(columns)
    if any("." in name for name in names) and all(map(is_number, names)):
        raise UsageError(
            "The sample's first line holds numbers, not names",
            why=f"It is {listed(map(shown, names))}.",
            next="write a first line that names the columns",
        )
    for name in names:
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise UsageError(
                f"A column of the sample is named {shown(name)!r}",
                why=f"A name needs 1 to {_LONGEST_NAME} characters, on one line.",
                next="rename it in the header",
            )
    return names


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return the first names for a sentence, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return (", ".join(found[:most]) or "nothing") + more
