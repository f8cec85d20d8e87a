"""Boosters in scikit-learn's dress: ``XGBClassifier``, ``LGBMRegressor`` and their like.

Each keeps its own library's model as bytes in an attribute; that library's reader knows the rest.
"""

from __future__ import annotations

import struct
from pathlib import Path

from mlship.card import Label
from mlship.errors import ModelError
from mlship.inspection import estimators
from mlship.inspection.arrays import as_list
from mlship.inspection.facts import Facts
from mlship.inspection.inert import Inert
from mlship.inspection.sources import Skipped, compression

# Where the bytes lie: in the estimator itself, or in its Booster.
_BYTES = ("handle", "_handle", "__model")
_MAX_BYTES = 128 << 20


def booster(path: Path, last: Inert) -> Facts | None:
    """Return what the booster inside a fitted estimator says; None when there is no booster.

    ``path`` is the pickle that holds it, from which large models are read again.

    Raises:
        ModelError: its bytes can't be read.
    """
    top = last.module.partition(".")[0]
    if top not in ("xgboost", "lightgbm", "catboost"):
        return None
    from mlship.inspection import catboost, lightgbm, xgboost

    reader = {"xgboost": xgboost.facts, "lightgbm": lightgbm.facts, "catboost": catboost.facts}[top]
    inner = last.get("_Booster")
    holder = inner if isinstance(inner, Inert) else last
    held = next((value for name in _BYTES if (value := holder.get(name)) is not None), None)
    if held is None:
        raise ModelError(
            f"The {last.name} in {path.name} is not fitted",
            why="It holds no model of its library.",
            next="fit the model, then save it again",
        )
    try:
        return reader(_bytes(path, held))
    except (ValueError, struct.error, OverflowError) as error:
        raise ModelError(
            f"The {last.name} in {path.name} can't be read",
            why=f"Its {top} model is damaged or of an unknown form: {error}.",
            next="save it in its library's own format: model.save_model(...)",
        ) from None


def labels(last: Inert, facts: Facts) -> tuple[Label, ...]:
    """Return the classes that the wrapper maps the booster's numbers to."""
    known = as_list(last.get("_classes"))
    if known and len(known) == len(facts.classes):
        return tuple(known)
    return facts.classes


def warnings(last: Inert, facts: Facts) -> tuple[str, ...]:
    """Return the booster's warnings, but not that labels are unknown when the wrapper has them."""
    known = labels(last, facts) != facts.classes
    return tuple(w for w in facts.warnings if not (known and "keeps no labels" in w))


def own_requirements(last: Inert, form: str) -> tuple[str, ...]:
    """Return what unpickling the wrapper needs besides its library."""
    extra = ("joblib",) if form == "joblib" else ()
    if last.module.startswith("catboost"):
        return extra
    encoder = last.get("_le")
    version = estimators.find(encoder, "_sklearn_version")
    sklearn = f"scikit-learn=={version}" if isinstance(version, str) else "scikit-learn"
    return (*extra, sklearn)


def _bytes(path: Path, held: object) -> bytes:
    if isinstance(held, Inert) and held.name == "bytearray" and held.args:
        held = held.args[0]  # as protocols before 5 write it
    if isinstance(held, Inert) and held.name == "encode" and held.args:
        held = str(held.args[0]).encode("latin-1")
    if isinstance(held, str):
        return held.encode()
    if isinstance(held, bytes):
        return held
    if isinstance(held, Skipped) and held.length <= _MAX_BYTES:
        with path.open("rb") as file:
            if not compression(file.read(6)):
                file.seek(held.position)
                return file.read(held.length)
    raise ValueError("it is too large to be read inside a compressed pickle")
