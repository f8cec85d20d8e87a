"""Reads a model saved with pickle or joblib: judges what it imports, then asks what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlship.card import Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection import estimators
from mlship.inspection.imports import gadgets, judge
from mlship.inspection.inert import Inert
from mlship.inspection.pickles import Broken, Pickle, load
from mlship.inspection.sklearn import to_card
from mlship.inspection.sources import compression, decompressed


def read(path: Path) -> ModelCard:
    """Return the card of a pickled estimator.

    Raises:
        ModelError: it is damaged, or holds no such model; names dangerous imports if there are any.
    """
    with path.open("rb") as file:
        compressed = compression(file.read(6))
        file.seek(0)
        try:
            content = load(decompressed(file))
        except Broken as error:
            raise broken(path, error) from None
        except ImportError:
            raise ModelError(
                f"{path.name} is compressed with {compressed}, which is not installed here",
                next="python -m pip install lz4",
            ) from None
    card = estimator(path, content, bool(compressed) or path.suffix.lower() == ".joblib")
    # joblib leaves this one to a package of its own.
    return replace(card, requirements=(*card.requirements, "lz4")) if compressed == "lz4" else card


def estimator(path: Path, content: Pickle, by_joblib: bool) -> ModelCard:
    """Return the card of an estimator that was read from ``path``.

    Raises:
        ModelError: it is no model that mlship reads.
    """
    dangers, modules = judge(content.imports)
    dangers += gadgets(content.objects, content.calls, modules)
    arrays = any(each.module.startswith("joblib.") for each in content.imports)
    form = "joblib" if by_joblib or arrays else "pickle"
    root = content.root
    try:
        if not isinstance(root, Inert):
            raise ModelError(
                f"{path.name} holds no model",
                why=f"Its content is a {type(root).__name__}.",
                next="save the fitted estimator itself: joblib.dump(model, 'model.joblib')",
            )
        card = to_card(path, root, content.imports, form)
    except ModelError as error:
        if dangers:
            raise dangerous(path, dangers) from None
        if modules and "scikit-learn's version" in error.why:
            raise _unknown_class(path, root, modules) from None
        raise
    return replace(card, dangers=dangers, modules=modules)


def dangerous(path: Path, dangers: Sequence[Import]) -> ModelError:
    """Return the refusal of a file that would run code."""
    return ModelError(
        f"{path.name} would run code of its own when it is loaded",
        why="It imports " + ", ".join(map(str, dangers[:10])) + ".",
        next="do not load it; ask whoever made it for a file without these",
    )


def broken(path: Path, error: Broken) -> ModelError:
    """Return the refusal of a damaged pickle; what it would have run before the break matters."""
    dangers, _ = judge(error.imports)
    if dangers:
        refusal = dangerous(path, dangers)
        refusal.why += f" Besides, it is damaged: {error}."
        return refusal
    return ModelError(
        f"{path.name} is not a pickle or joblib file, or is damaged",
        why=str(error),
        next="save the model again with joblib.dump(model, 'model.joblib')",
    )


def _unknown_class(path: Path, root: object, modules: Sequence[str]) -> ModelError:
    return ModelError(
        f"{path.name} holds a {estimators.described(root)}, which mlship does not know",
        why=f"It is a class of {', '.join(modules[:5])}; nothing in the file says what it takes.",
        next="write a predictor.py with load() and predict(model, instances), and pass that",
    )
