"""scikit-learn estimators as they lie in a pickle: their parts, and what a final one answers.

The attributes read are scikit-learn's documented ones: ``steps``, ``best_estimator_``,
``n_features_in_``, ``feature_names_in_``, ``classes_`` and so on.
"""

from __future__ import annotations

from typing import Any

from mlship.card import Label
from mlship.inspection.arrays import as_list, as_scalar
from mlship.inspection.inert import Inert

# Where a meta-estimator keeps the fitted estimator that answers for it.
_DELEGATES = ("best_estimator_", "regressor_")
# In others, such as IsolationForest, ``estimator_`` is the unfitted member.
_WRAPPERS = ("FixedThresholdClassifier", "TunedThresholdClassifierCV", "SelfTrainingClassifier",
             "FrozenEstimator")  # fmt: skip
_OUTLIER = {"IsolationForest", "OneClassSVM", "LocalOutlierFactor", "EllipticEnvelope",
            "SGDOneClassSVM"}  # fmt: skip
_CLUSTER_MODULES = ("sklearn.cluster", "sklearn.mixture")
# They answer only for the rows they were fitted on, or transform and answer nothing.
_NO_PREDICT = {
    "DBSCAN", "HDBSCAN", "OPTICS", "AgglomerativeClustering", "FeatureAgglomeration",
    "SpectralClustering", "SpectralBiclustering", "SpectralCoclustering",
}  # fmt: skip
_NO_PREDICT_MODULES = (
    "sklearn.preprocessing", "sklearn.decomposition", "sklearn.feature_selection",
    "sklearn.impute", "sklearn.manifold", "sklearn.compose._column_transformer",
    "sklearn.random_projection", "sklearn.kernel_approximation", "sklearn.feature_extraction",
)  # fmt: skip
# Classifiers whose predict_proba exists only when they were built with an option for it.
_OPTIONAL_PROBABILITIES = {"SVC", "NuSVC"}
_NO_PROBABILITIES = {
    "LinearSVC", "RidgeClassifier", "RidgeClassifierCV", "Perceptron", "NearestCentroid",
    "PassiveAggressiveClassifier", "OneVsOneClassifier", "OutputCodeClassifier",
}  # fmt: skip
# Classifiers of scikit-learn whose predict() answers the class with the highest predict_proba(),
# but for ties: read in the source of 1.0 to 1.9. SVC votes, thresholds move, so they are not here.
_LIKELIEST = {
    "RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier",
    "ExtraTreeClassifier", "BaggingClassifier", "GradientBoostingClassifier",
    "HistGradientBoostingClassifier", "AdaBoostClassifier", "LogisticRegression",
    "LogisticRegressionCV", "MLPClassifier", "KNeighborsClassifier", "GaussianNB",
    "MultinomialNB", "ComplementNB", "BernoulliNB", "CategoricalNB",
    "LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis",
}  # fmt: skip
# Deeper than any model nests its estimators; a hostile file nests without end.
_MAX_DEPTH = 30


def children(value: Inert) -> list[Inert]:
    """Return the estimators inside a pipeline or search, in the order that data passes them."""
    steps = value.get("steps")
    if isinstance(steps, list):
        return named(steps)
    wrapped = ("estimator_", "base_estimator_", "estimator") if value.name in _WRAPPERS else ()
    for attribute in (*_DELEGATES, *wrapped):
        child = value.get(attribute)
        if isinstance(child, Inert):
            return [child]
    return []


def named(pairs: list[Any]) -> list[Inert]:
    """Return the estimators of a list of (name, estimator, ...)."""
    parts = [pair[1] for pair in pairs if isinstance(pair, tuple) and len(pair) >= 2]
    return [part for part in parts if isinstance(part, Inert)]


def members(value: Inert) -> list[Inert]:
    """Return the fitted members of a vote, a stack or a calibration: each gets the whole input."""
    calibrated = value.get("calibrated_classifiers_")
    if isinstance(calibrated, list):
        inner = [c.get("estimator") or c.get("base_estimator") for c in calibrated[:1]
                 if isinstance(c, Inert)]  # fmt: skip
        return [each for each in inner if isinstance(each, Inert)]
    fitted = value.get("estimators_")
    return [e for e in fitted[:1] if isinstance(e, Inert)] if isinstance(fitted, list) else []


def find(value: Any, attribute: str) -> Any:
    """Return an attribute from the estimator or the first one inside it that has it."""
    seen: set[int] = set()  # a hostile file nests an estimator in itself
    todo = [value]
    while todo:
        each = todo.pop(0)
        if not isinstance(each, Inert) or id(each) in seen:
            continue
        seen.add(id(each))
        found = as_scalar(each.get(attribute))
        if found is not None:
            return found
        todo = [*children(each), *members(each), *todo]
    return None


def final(value: Inert) -> Inert:
    """Return the estimator that answers: the last pipeline step, the best of a search."""
    for _ in range(_MAX_DEPTH):
        inner = children(value)
        if value.get("classes_") is not None or not inner:
            break
        value = inner[-1]
    return value


def described(value: Any, depth: int = 0) -> str:
    """Return an estimator in a few words: ``Pipeline(StandardScaler, SVC)``."""
    if not isinstance(value, Inert):
        return f"a {type(value).__name__}"
    if depth > 3:
        return "..."
    name = value.name[:60]
    inner = ", ".join(described(child, depth + 1) for child in children(value)[:8])
    return f"{name}({inner})"[:400] if inner else name


def task(value: Inert, has_classes: bool) -> str:
    """Return what the final estimator answers."""
    if has_classes:
        return "classification"
    if value.name in _OUTLIER:
        return "outlier-detection"
    if value.module.startswith(_CLUSTER_MODULES):
        return "clustering"
    return "regression"


def can_not_predict(value: Inert) -> bool:
    """Tell whether an estimator has no ``predict`` for new rows."""
    if value.name == "LocalOutlierFactor":
        return value.get("novelty") is not True
    return value.name in _NO_PREDICT or value.module.startswith(_NO_PREDICT_MODULES)


def labels(value: Inert) -> tuple[tuple[Label, ...], ...]:
    """Return the classes of each output of a classifier; empty for any other estimator."""
    found = value.get("classes_")
    listed = as_list(found)
    if not listed:
        return ()
    if isinstance(found, list) and any(as_list(each) for each in found):
        outputs = [as_list(each) or [] for each in found]
    elif multilabel(value):
        outputs = [[0, 1] for _ in listed]
    else:
        outputs = [listed]
    plain = all(isinstance(c, str | int | float | bool) for output in outputs for c in output)
    return tuple(tuple(output) for output in outputs) if plain else ()


def multilabel(value: Inert) -> bool:
    """Tell whether a classifier answers with one yes or no per label."""
    if value.name == "ClassifierChain":
        return True
    for attribute in ("_label_binarizer", "label_binarizer_"):
        binarizer = value.get(attribute)
        if isinstance(binarizer, Inert):
            return str(binarizer.get("y_type_", "")).startswith("multilabel")
    return False


def has_probabilities(value: Inert, depth: int = 0) -> bool:
    """Tell whether a fitted classifier has ``predict_proba``."""
    if depth > _MAX_DEPTH:
        return False
    if value.name in ("Pipeline", *_SEARCHES):
        inner = children(value)
        return bool(inner) and has_probabilities(inner[-1], depth + 1)
    if value.name == "VotingClassifier":
        return bool(value.get("voting") == "soft")
    if value.name in ("OneVsRestClassifier", "MultiOutputClassifier", "ClassifierChain"):
        inner = members(value)
        return bool(inner) and has_probabilities(inner[0], depth + 1)
    if value.name == "StackingClassifier":
        last = value.get("final_estimator_")
        return isinstance(last, Inert) and has_probabilities(last, depth + 1)
    if value.name in _OPTIONAL_PROBABILITIES:
        return value.get("probability") is True
    if value.name == "SGDClassifier":
        return value.get("loss") in {"log_loss", "log", "modified_huber"}
    return value.name not in _NO_PROBABILITIES


def answers_likeliest(value: Inert) -> bool:
    """Tell whether ``predict`` answers the class with the highest ``predict_proba``, but for ties.

    A pipeline or search asks its last step; any other meta-estimator may decide for itself.
    """
    for _ in range(_MAX_DEPTH):
        inner = children(value)
        if value.name not in ("Pipeline", *_SEARCHES) or not inner:
            break
        value = inner[-1]
    return value.module.startswith("sklearn.") and value.name in _LIKELIEST


_SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
