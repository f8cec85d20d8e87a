"""Reads a scikit-learn model from the inert values of its pickle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlship.card import Feature, Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection import estimators, wrappers
from mlship.inspection.arrays import as_list
from mlship.inspection.columns import columns, has_column_transformer, takes_text
from mlship.inspection.facts import Facts
from mlship.inspection.imports import distributions
from mlship.inspection.inert import Inert

# CPython minors that each release has wheels for (scikit-learn's install page and its files).
_PYTHON_RANGES = {
    (1, 0): (7, 10), (1, 1): (8, 11), (1, 2): (8, 11), (1, 3): (8, 12), (1, 4): (9, 12),
    (1, 5): (9, 13), (1, 6): (9, 13), (1, 7): (10, 14), (1, 8): (11, 14), (1, 9): (11, 14),
}  # fmt: skip


def to_card(path: Path, root: Inert, imports: tuple[Import, ...], form: str) -> ModelCard:
    """Return the card of a fitted estimator; ``form`` is ``joblib`` or another format.

    Raises:
        ModelError: it is not fitted, or can't predict.
    """
    last = estimators.final(root)
    version = estimators.find(root, "_sklearn_version")
    facts = wrappers.booster(path, last)
    if facts and last is root:
        card = facts.card(path, form)
        return replace(
            card,
            classes=wrappers.labels(last, facts),
            warnings=wrappers.warnings(last, facts),
            description=root.name,
            requirements=(*card.requirements, *wrappers.own_requirements(last, form)),
            options=(("multilabel", False), ("column", facts.framework == "catboost")),
        )
    if not isinstance(version, str):
        raise ModelError(
            f"{path.name} holds no scikit-learn model",
            why=f"Its content is {estimators.described(root)}, without scikit-learn's version.",
            next="save the fitted estimator itself: joblib.dump(model, 'model.joblib')",
        )
    if estimators.can_not_predict(last):
        raise ModelError(
            f"The {last.name} in {path.name} can't predict new rows",
            why="It has no predict() in scikit-learn, or none for data it was not fitted on.",
            next="save a model, or a pipeline that ends with one",
        )
    outputs = estimators.labels(last)
    if facts and facts.classes:
        outputs = (wrappers.labels(last, facts),)
    one_of_several = len(outputs) == 1 < len(outputs[0])
    card = ModelCard(
        path=path,
        framework="scikit-learn",
        format=form,
        framework_version=version,
        description=estimators.described(root),
        task=estimators.task(last, bool(outputs)),
        features=(),
        classes=outputs[0] if len(outputs) == 1 else (),
        output_classes=outputs if len(outputs) > 1 else (),
        probabilities=bool(outputs) and estimators.has_probabilities(last),
        options=(
            ("multilabel", estimators.multilabel(last)),
            ("likeliest", one_of_several and estimators.answers_likeliest(root)),
        ),
        requirements=_requirements(version, imports),
        python_range=_python_range(version),
        python_reason=f"scikit-learn=={version}",
    )
    return with_inputs(_with_booster(card, last, facts), root)


def _with_booster(card: ModelCard, last: Inert, facts: Facts | None) -> ModelCard:
    """Add what a booster at a pipeline's end needs."""
    if facts is None:
        return card
    own, other = card.python_range, facts.python_range
    tighter = f"{card.python_reason} with {facts.python_reason}"
    return replace(
        card,
        requirements=(*card.requirements, *facts.requirements),
        python_range=(max(own[0], other[0]), min(own[1], other[1])),
        python_reason=card.python_reason if own == other else tighter,
        warnings=wrappers.warnings(last, facts),
        options=(*card.options, ("column", facts.framework == "catboost")),
    )


def with_inputs(card: ModelCard, root: Inert) -> ModelCard:
    """Return the card with the features that the estimator takes.

    Raises:
        ModelError: it takes dicts, or was never fitted.
    """
    vectorizer = takes_text(root)
    if vectorizer and vectorizer.get("input", "content") != "content":
        raise ModelError(
            f"{card.path.name} takes the names of files",
            why=f"Its {vectorizer.name} opens whatever file a request names.",
            next="fit it with input='content', and send the texts themselves",
        )
    if vectorizer:
        return replace(card, features=(_text(vectorizer),), takes="texts")
    if estimators.children(root) and estimators.children(root)[0].name in _TAKES_DICTS:
        raise ModelError(
            f"{card.path.name} takes dicts of any keys",
            why=f"It begins with a {estimators.children(root)[0].name}.",
            next="wrap it: write a predictor.py with load() and predict(model, instances)",
        )
    count = estimators.find(root, "n_features_in_")
    if not isinstance(count, int):
        raise ModelError(
            f"The {estimators.described(root)} in {card.path.name} does not say how many "
            "features it takes",
            why="It has no n_features_in_, which scikit-learn sets in fit().",
            next="fit the model, then save it again",
        )
    given = as_list(estimators.find(root, "feature_names_in_"))
    if not 0 < count <= 100_000 or (given and len(given) != count):
        raise ModelError(
            f"{card.path.name} says that it takes {count} features",
            why=f"That can't be; {len(given or [])} of them are named.",
            next="fit the model, then save it again",
        )
    names = [str(name) for name in given] if given else [f"x{i}" for i in range(count)]
    found = columns(root, count)
    by_column = has_column_transformer(root)
    pairs = list(zip(names, found, strict=True))
    if given and by_column:  # only a DataFrame may lack columns that nobody looks at
        pairs = [(name, column) for name, column in pairs if column.used] or pairs
    frame = by_column or any(column.dtype != "float64" for _, column in pairs)
    card = replace(card, features=tuple(column.feature(name) for name, column in pairs))
    if not frame:
        return card
    return replace(card, takes="frame", requirements=(*card.requirements, _pandas(card)))


_TAKES_DICTS = {"DictVectorizer", "FeatureHasher"}


def _text(vectorizer: Inert) -> Feature:
    """Return the one feature of a text model, with a few words that it knows as an example."""
    known = vectorizer.get("vocabulary_")
    words = [w for w in known if isinstance(w, str)][:3] if isinstance(known, dict) else []
    return Feature("text", "string", example=" ".join(words) or None)


def _pandas(card: ModelCard) -> str:
    """Return the pandas that this scikit-learn knows: 3 changed how strings are held."""
    version = card.framework_version or "" if card.framework == "scikit-learn" else ""
    return "pandas>=2,<3" if version and _minor(version) < (1, 8) else "pandas>=2"


def _requirements(version: str, imports: tuple[Import, ...]) -> tuple[str, ...]:
    """Return the pins that load this file: its scikit-learn, and the numpy major it was made by.

    numpy 2 renamed ``numpy.core`` to ``numpy._core``, so the file tells which one wrote it.
    """
    modules = {each.module for each in imports}
    numpy = ">=2" if any(m.startswith("numpy._core") for m in modules) else ""
    if any(m.startswith("numpy.core") for m in modules):
        numpy = "<2"
    return (f"scikit-learn=={version}", f"numpy{numpy}", "joblib", *distributions(imports))


def _minor(version: str) -> tuple[int, int]:
    parts = version.split(".")
    known = len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit()
    return (int(parts[0]), int(parts[1])) if known else (1, 9)


def _python_range(version: str) -> tuple[int, int]:
    return _PYTHON_RANGES.get(_minor(version), max(_PYTHON_RANGES.values()))
