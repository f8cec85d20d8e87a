"""Reading a model without running it: ``inspect(path)`` gives a ``ModelCard``.

No framework is imported and nothing that the file names is executed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from mlship.card import ModelCard
from mlship.digest import sha256_of, size_of
from mlship.errors import ModelError
from mlship.inspection import detection

# Each has read(path) -> ModelCard.
_READERS = {
    "pickle": "pickled",
    "skops": "skops",
    "onnx": "onnx",
    "xgboost-json": "xgboost",
    "xgboost-ubj": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "torch": "torch",
    "keras": "keras",
    "savedmodel": "savedmodel",
    "transformers": "transformers",
    "mlflow": "mlflow",
    "predictor": "predictor",
}
_MAX_FEATURES = 20_000
# PEP 440 and PEP 508, without URLs: what may be asked of the package index.
_VERSION = re.compile(r"\d+(\.\d+)*[A-Za-z0-9.+_-]{0,40}", re.ASCII)
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,_-]+\])?"
    r"((==|>=|<=|<|>|~=|!=)[0-9][A-Za-z0-9.*+!_-]*(,(?=[=><~!])|$|(?=\s*;)))*"
    r"(\s*;\s*[A-Za-z0-9_.'\"=<>!() ]+)?",
    re.ASCII,
)


def inspect(path: Path) -> ModelCard:
    """Read the model at ``path``, a file or a folder, and return what it says about itself.

    Raises:
        ModelError: it is missing, damaged, or of a kind that mlship does not read.
    """
    card = read_native(path)
    _check_names(card)
    _check_requirements(card)
    # Last: a refusal need not wait for the hash of gigabytes.
    return replace(card, sha256=sha256_of(card.path), size=size_of(card.path))


def read_native(path: Path) -> ModelCard:
    """Return the card of what is at ``path`` by its content, without its hash and size.

    Raises:
        ModelError: it is missing, damaged, or of a kind that mlship does not read.
    """
    kind = detection.kind(path)
    if path.is_dir():
        from mlship.inspection.folders import check_links

        check_links(path)
    reader = import_module(f"mlship.inspection.{_READERS[kind]}")
    try:
        card: ModelCard = reader.read(path)
    except OSError as error:
        raise ModelError(
            f"{path.name} can't be read", why=f"{error.strerror}.", next="check the file's rights"
        ) from None
    except (RecursionError, MemoryError) as error:
        raise ModelError(
            f"{path.name} is no model, or is damaged",
            why=f"Reading it ended with a {type(error).__name__}: it is nested or sized like none.",
            next="save the model again",
        ) from None
    return card


def _check_requirements(card: ModelCard) -> None:
    """Refuse requirements that say more than a name, versions and a marker: uv gets them."""
    versions = [card.framework_version] if card.framework_version else []
    for text, pattern in [(r, _REQUIREMENT) for r in card.requirements] + [
        (version, _VERSION) for version in versions
    ]:
        if not pattern.fullmatch(text):
            raise ModelError(
                f"{card.path.name} asks for a library that can't be",
                why=f"{text[:120]!a} is no name and version.",
                next="do not load it; ask whoever made it for another file",
            )


def _check_names(card: ModelCard) -> None:
    """Refuse names that no text file can hold, and names given twice."""
    names = [feature.name for feature in card.features]
    labels = [label for labels in (card.classes, *card.output_classes) for label in labels]
    categories = [c for feature in card.features for c in feature.categories]
    own = (*card.input_names, *card.output_names)
    try:
        "".join([*names, *own, *map(str, labels), *map(str, categories)]).encode()
    except UnicodeEncodeError:
        raise ModelError(
            f"{card.path.name} has a feature or class whose name is no valid text",
            next="rename it and save the model again",
        ) from None
    if len(set(names)) != len(names):
        raise ModelError(
            f"{card.path.name} has two features of the same name",
            next="rename one and fit the model again",
        )
    if len(names) > _MAX_FEATURES:
        raise ModelError(
            f"{card.path.name} takes {len(names)} features; a typed schema holds {_MAX_FEATURES}",
            next="wrap it: write a predictor.py with load() and predict(model, instances)",
        )
