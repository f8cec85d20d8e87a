"""Reads a scikit-learn model from the inert values of its pickle.

The attributes read are scikit-learn's documented ones: ``n_features_in_``,
``feature_names_in_``, ``classes_``, and ``_sklearn_version`` (written by ``__getstate__``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlship.card import Feature, ModelCard, Task
from mlship.errors import ModelError
from mlship.inspection.arrays import as_list, as_scalar
from mlship.inspection.pickles import Inert, read_pickle

# CPython minors that each release has wheels for (scikit-learn's install page and its files).
_PYTHON_RANGES = {
    (1, 0): (7, 10), (1, 1): (8, 11), (1, 2): (8, 11), (1, 3): (8, 12), (1, 4): (9, 12),
    (1, 5): (9, 13), (1, 6): (9, 13), (1, 7): (10, 14), (1, 8): (11, 14), (1, 9): (11, 14),
}  # fmt: skip
# Top-level modules whose objects scikit-learn's own requirements load.
_KNOWN_MODULES = {
    "sklearn", "numpy", "scipy", "joblib", "builtins", "collections", "copyreg", "_codecs",
    "functools", "__builtin__", "copy_reg", "types", "datetime", "pandas",
}  # fmt: skip
_NOT_NUMERIC = ("sklearn.feature_extraction", "sklearn.preprocessing._encoders")
_OUTLIER = {"IsolationForest", "OneClassSVM", "LocalOutlierFactor", "EllipticEnvelope"}
_CLUSTER_MODULES = ("sklearn.cluster", "sklearn.mixture")
# They answer only for the rows they were fitted on, or transform and answer nothing.
_NO_PREDICT = {
    "DBSCAN", "HDBSCAN", "OPTICS", "AgglomerativeClustering", "FeatureAgglomeration",
    "SpectralClustering", "SpectralBiclustering", "SpectralCoclustering",
}  # fmt: skip
_NO_PREDICT_MODULES = (
    "sklearn.preprocessing", "sklearn.decomposition", "sklearn.feature_selection",
    "sklearn.impute", "sklearn.manifold", "sklearn.compose._column_transformer",
    "sklearn.random_projection", "sklearn.kernel_approximation",
)  # fmt: skip
# Classifiers whose predict_proba exists only when they were built with an option for it.
_OPTIONAL_PROBABILITIES = {"SVC", "NuSVC"}
_NO_PROBABILITIES = {
    "LinearSVC", "RidgeClassifier", "RidgeClassifierCV", "Perceptron", "NearestCentroid",
    "PassiveAggressiveClassifier", "OneVsOneClassifier", "OutputCodeClassifier",
}  # fmt: skip


def read_sklearn(path: Path, sha256: str) -> ModelCard:
    """Return the card of a fitted scikit-learn estimator or pipeline of numeric features.

    Raises:
        ModelError: no such model is in the file.
    """
    root, names = read_pickle(path)
    version = _find(root, "_sklearn_version")
    if not isinstance(root, Inert) or not isinstance(version, str):
        raise ModelError(
            f"{path.name} holds no scikit-learn model",
            why=f"Its content is {_described(root)}, without scikit-learn's version mark.",
            next="save the fitted estimator itself: joblib.dump(model, 'model.joblib')",
        )
    _check_modules(path, names)
    count = _find(root, "n_features_in_")
    if not isinstance(count, int):
        raise ModelError(
            f"The {_described(root)} in {path.name} does not say how many features it takes",
            why="It has no n_features_in_, which scikit-learn sets in fit().",
            next="fit the model, then save it again",
        )
    feature_names = as_list(_find(root, "feature_names_in_")) or [f"x{i}" for i in range(count)]
    final = _final(root)
    if _can_not_predict(final):
        raise ModelError(
            f"The {final.name} in {path.name} can't predict new rows",
            why="It has no predict() in scikit-learn, or none for data it was not fitted on.",
            next="save a model, or a pipeline that ends with one",
        )
    classes = as_list(final.get("classes_")) or []
    if classes and not all(isinstance(c, str | int | float | bool) for c in classes):
        raise ModelError(
            f"mlship can't serve the multi-output classifier in {path.name} yet",
            why="It has one list of classes per output.",
            next="save one model per output",
        )
    return ModelCard(
        path=path,
        sha256=sha256,
        size=path.stat().st_size,
        framework="scikit-learn",
        format="joblib" if path.suffix.lower() == ".joblib" else "pickle",
        framework_version=version,
        description=_described(root),
        task=_task(final, bool(classes)),
        features=tuple(Feature(str(name), "float64") for name in feature_names),
        classes=tuple(classes),
        probabilities=bool(classes) and _has_probabilities(final),
        example=_example(root, count),
        requirements=_requirements(version, names),
        python_range=_python_range(version),
    )


def _children(value: Inert) -> list[Any]:
    """Return the estimators inside a pipeline or search, in the order that data passes them."""
    steps = value.get("steps")
    if isinstance(steps, list):
        return [step[1] for step in steps if isinstance(step, tuple) and len(step) >= 2]
    for attribute in ("best_estimator_", "regressor_"):
        child = value.get(attribute)
        if isinstance(child, Inert):
            return [child]
    return []


def _find(value: Any, attribute: str) -> Any:
    """Return an attribute from the estimator or the first one inside it that has it."""
    if not isinstance(value, Inert):
        return None
    found = as_scalar(value.get(attribute))
    if found is not None:
        return found
    fitted = value.get("estimators_")  # a vote or a stack asks its first member
    for child in [*_children(value), *(fitted[:1] if isinstance(fitted, list) else [])]:
        found = _find(child, attribute)
        if found is not None:
            return found
    return None


def _final(value: Inert) -> Inert:
    """Return the estimator that answers: the last pipeline step, the best of a search."""
    if value.get("classes_") is not None:
        return value
    children = [c for c in _children(value) if isinstance(c, Inert)]
    return _final(children[-1]) if children else value


def _described(value: Any) -> str:
    if not isinstance(value, Inert):
        return f"a {type(value).__name__}"
    inner = ", ".join(_described(c) for c in _children(value) if isinstance(c, Inert))
    return f"{value.name}({inner})" if inner else value.name


def _check_modules(path: Path, names: set[tuple[str, str]]) -> None:
    foreign = sorted({m.split(".")[0] for m, _ in names} - _KNOWN_MODULES)
    if foreign:
        raise ModelError(
            f"{path.name} needs more than scikit-learn: {', '.join(foreign)}",
            why="mlship reads models made of scikit-learn's own classes for now.",
            next="convert the model to ONNX, or save it without the custom classes",
        )
    textual = sorted(f"{m}.{n}" for m, n in names if m.startswith(_NOT_NUMERIC))
    if textual:
        raise ModelError(
            f"{path.name} takes text or categories",
            why=f"It holds {', '.join(textual)}; mlship serves numeric features for now.",
            next="encode the columns before the model, or convert it to ONNX",
        )


def _task(final: Inert, has_classes: bool) -> Task:
    if has_classes:
        return "classification"
    if final.name in _OUTLIER:
        return "outlier-detection"
    if final.module.startswith(_CLUSTER_MODULES):
        return "clustering"
    return "regression"


def _can_not_predict(final: Inert) -> bool:
    if final.name == "LocalOutlierFactor":
        return final.get("novelty") is not True
    return final.name in _NO_PREDICT or final.module.startswith(_NO_PREDICT_MODULES)


def _has_probabilities(final: Inert) -> bool:
    if final.name == "OneVsRestClassifier":
        inner = final.get("estimators_") or [None]
        return isinstance(inner[0], Inert) and _has_probabilities(inner[0])
    if final.name == "VotingClassifier":
        return bool(final.get("voting") == "soft")
    if final.name == "StackingClassifier":
        last = final.get("final_estimator_")
        return isinstance(last, Inert) and _has_probabilities(last)
    if final.name in _OPTIONAL_PROBABILITIES:
        return final.get("probability") is True
    if final.name == "SGDClassifier":
        return final.get("loss") in {"log_loss", "log", "modified_huber"}
    return final.name not in _NO_PROBABILITIES


def _example(root: Inert, count: int) -> tuple[float, ...]:
    """Return the training means that a leading scaler or imputer remembers, else zeros."""
    for attribute in ("mean_", "center_", "statistics_", "data_min_"):
        means = as_list(_find(root, attribute))
        if means and len(means) == count and all(isinstance(m, float) for m in means):
            # A centred column has a mean of 1e-18 or so; a person would type 0.
            return tuple(0.0 if abs(m) < 1e-9 else float(f"{m:.4g}") for m in means)
    return (0.0,) * count


def _requirements(version: str, names: set[tuple[str, str]]) -> tuple[str, ...]:
    """Return the pins that load this file: its scikit-learn, and the numpy major it was made by.

    numpy 2 renamed ``numpy.core`` to ``numpy._core``, so the file tells which one wrote it.
    """
    modules = {m for m, _ in names}
    numpy = ">=2" if any(m.startswith("numpy._core") for m in modules) else ""
    if any(m.startswith("numpy.core") for m in modules):
        numpy = "<2"
    pandas = ("pandas",) if any(m == "sklearn.compose._column_transformer" for m in modules) else ()
    return (f"scikit-learn=={version}", f"numpy{numpy}", "joblib", *pandas)


def _python_range(version: str) -> tuple[int, int]:
    parts = version.split(".")
    key = (int(parts[0]), int(parts[1])) if len(parts) > 1 and parts[1].isdigit() else (1, 9)
    return _PYTHON_RANGES.get(key, max(_PYTHON_RANGES.values()))
