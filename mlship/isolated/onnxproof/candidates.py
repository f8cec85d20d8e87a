"""The ways to convert a model, best first. Each is tried until one is proven.

Doubles come first: they are what scikit-learn computes with. Floats are exact for trees alone,
which scikit-learn itself asks with float32, and are half the size.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from . import doubles
from .graph import Graph
from .native import Native

Candidate = tuple[str, Callable[[], Graph]]
# Of ONNX's own operators and of ai.onnx.ml: what skl2onnx and onnxmltools both write today.
_OPSET = {"": 17, "ai.onnx.ml": 3}
_OLDER = 15  # the newest that onnxmltools itself knows
_MATRIX = "X"


def of(native: Native) -> Iterator[Candidate]:
    """Yield (name, convert) of each way that there is for the request's model."""
    request = native.request
    form, framework = request["format"], request["framework"]
    if form in ("json", "ubj"):
        yield "float32 inputs", lambda: _booster(native, "xgboost")
    elif form == "txt":
        yield "float64 inputs", lambda: _booster(native, "lightgbm", exact=True)
        yield "float32 inputs", lambda: _booster(native, "lightgbm")
    elif request["takes"] == "matrix":
        kinds = ("float32", "float64") if framework == "xgboost" else ("float64", "float32")
        for kind in kinds:
            yield f"{kind} inputs", lambda kind=kind: _matrix(native, kind)  # type: ignore[misc]
    else:
        for number, whole in (("float64", True), ("float64", False), ("float32", True),
                              ("float32", False)):  # fmt: skip
            name = f"{number} inputs" + ("" if whole else ", also for whole numbers")
            yield name, lambda n=number, w=whole: _columns(native, n, w)  # type: ignore[misc]


def _matrix(native: Native, kind: str) -> Graph:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    type_of = DoubleTensorType if kind == "float64" else FloatTensorType
    inputs = [(_MATRIX, type_of([None, len(native.request["features"])]))]
    return Graph(f"{kind} inputs", _sklearn(native, inputs), [kind], _labels(native))


def _columns(native: Native, number: str, whole: bool) -> Graph:
    """Convert with an input for each column, whole numbers and flags as such or as ``number``."""
    from skl2onnx.common import data_types as types

    by_kind = {
        "string": types.StringTensorType, "int64": types.Int64TensorType,
        "float64": types.DoubleTensorType, "float32": types.FloatTensorType,
        "bool": types.BooleanTensorType,
    }  # fmt: skip
    dtypes = []
    for feature in native.request["features"]:
        column = {"object": "string"}.get(feature["column"], feature["column"])
        if feature["dtype"] == "bool" and column == "string":
            column = "float"  # with nulls: 0, 1 and NaN
        if column.startswith(("float", "uint")) or (column != "string" and not whole):
            column = number
        dtypes.append("int64" if column.startswith("int") else column)
    names = [feature["name"] for feature in native.request["features"]]
    inputs = [(n, by_kind[d]([None, 1])) for n, d in zip(names, dtypes, strict=True)]
    model = _sklearn(native, inputs)
    # The converter leaves out what the model drops; rows come with every feature.
    asked = [value.name for value in model.graph.input]
    if asked != names:
        raise ValueError(f"it asks for the columns {', '.join(asked)[:200]}")
    name = f"{number} inputs" + ("" if whole else ", also for whole numbers")
    return Graph(name, model, dtypes, _labels(native))


def _sklearn(native: Native, inputs: list[Any]) -> Any:
    """Return the ONNX model of an estimator, its answers first, then its probabilities."""
    import skl2onnx

    doubled = any("Double" in type(kind).__name__ for _, kind in inputs)
    _register()
    model = copy.deepcopy(native.model)
    parts = [model, *model.get_params(deep=True).values()]
    for part in parts:
        if getattr(part, "flatten_transform", None):
            part.flatten_transform = False  # the form of transform(), which nobody asks
        if type(part).__name__.startswith("XGB"):
            part.get_booster().feature_names = None  # the converter knows them by number only
    exact = _compares_doubles(parts)
    with doubles.written(doubled and exact):
        made = skl2onnx.convert_sklearn(model, initial_types=inputs, target_opset=_OPSET)
    doubles.without_zipmap(made, doubled=doubled)
    doubles.votes(made, doubled=doubled)
    if doubled:
        doubles.fill(made, _statistics(model))
        doubles.widen(made, rounded=not exact)
    doubles.settle(made)
    return _keep(made, 2 if native.request["probabilities"] else 1)


def _statistics(model: Any) -> dict[bytes, Any]:
    """Return what imputers put in, by what a float32 keeps of it."""
    import numpy as np

    found = {}
    todo = [model]
    while todo:
        each = todo.pop()
        todo += [step for _, step in getattr(each, "steps", [])]
        todo += [part for _, part, _ in getattr(each, "transformers_", [])]
        values = getattr(each, "statistics_", None)
        if values is not None and np.asarray(values).dtype.kind == "f":
            found[np.asarray(values, dtype=np.float32).tobytes()] = np.asarray(values)
    return found


def _compares_doubles(parts: list[Any]) -> bool:
    """Tell whether trees inside a model look at doubles: histogram boosting and LightGBM do."""
    names = [type(part).__name__ for part in parts]
    return any(name.startswith(("HistGradientBoosting", "LGBM")) for name in names)


def _booster(native: Native, library: str, *, exact: bool = False) -> Graph:
    import onnxmltools
    from onnx import TensorProto
    from onnxmltools.convert.common.data_types import FloatTensorType

    model, request = native.model, native.request
    inputs = [(_MATRIX, FloatTensorType([None, len(request["features"])]))]
    with doubles.written(exact):
        if library == "xgboost":
            trees = int(request["options"].get("trees", 0))
            model = model[:trees] if trees else model.copy()
            model.feature_names = None  # the converter knows them by number only
            made = onnxmltools.convert_xgboost(model, initial_types=inputs, target_opset=_OLDER)
        else:
            made = onnxmltools.convert_lightgbm(
                model, initial_types=inputs, target_opset=_OLDER, zipmap=False
            )
    doubles.without_zipmap(made)
    if exact:
        made.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    made = _keep(made, 2 if request["probabilities"] else 1)
    name = "float64" if exact else "float32"
    return Graph(f"{name} inputs", made, [name], _labels(native))


def _keep(model: Any, count: int) -> Any:
    """Drop the outputs that nobody asks for."""
    del model.graph.output[count:]
    return model


def _labels(native: Native) -> str:
    """Return how the labels of the graph become those of the model."""
    classes = native.request["classes"]
    if not classes:
        return "same"
    if isinstance(classes[0], str):
        return "same" if not native.request["from_numbers"] else "index"
    if isinstance(classes[0], bool):
        return "bool"
    if isinstance(classes[0], float):
        return "float"
    in_order = classes == list(range(len(classes)))
    return "index" if native.request["from_numbers"] and not in_order else "same"


def _register() -> None:
    """Teach skl2onnx the boosters that are installed here, also inside of pipelines."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common._registration import get_converter, get_shape_calculator
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes as of_classes,
    )
    from skl2onnx.common.shape_calculator import (
        calculate_linear_regressor_output_shapes as of_numbers,
    )
    from skl2onnx.operator_converters import random_forest as forests
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.svm import LinearSVC

    zipmap = {"nocl": [True, False], "output_class_labels": [False, True],
              "raw_scores": [True, False], "zipmap": [True, False, "columns"]}  # fmt: skip

    name = "SklearnLinearSVC"
    shapes, convert = get_shape_calculator(name), get_converter(name)
    # It asks every classifier for the option zipmap, and did not list it for this one.
    update_registered_converter(
        LinearSVC, name, lambda operator: shapes(operator),
        lambda scope, operator, container: convert(scope, operator, container), options=zipmap,
    )  # fmt: skip
    hist = "SklearnHistGradientBoostingClassifier"

    def in_doubles(scope: Any, operator: Any, container: Any) -> None:
        forests.convert_sklearn_random_forest_classifier(scope, operator, container, op_version=3)

    shapes_of_hist = get_shape_calculator(hist)
    # Its converter would write floats without the version.
    update_registered_converter(
        HistGradientBoostingClassifier, hist, lambda operator: shapes_of_hist(operator),
        in_doubles, options=zipmap,
    )  # fmt: skip
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    try:
        import lightgbm
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

        update_registered_converter(lightgbm.LGBMClassifier, "LightGbmClassifier", of_classes,
                                    convert_lightgbm, options=options)  # fmt: skip
        update_registered_converter(lightgbm.LGBMRegressor, "LightGbmRegressor", of_numbers,
                                    convert_lightgbm, options={"split": None})  # fmt: skip
    except ImportError:
        pass
    try:
        import xgboost
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

        update_registered_converter(xgboost.XGBClassifier, "XGBoostXGBClassifier", of_classes,
                                    convert_xgboost, options=options)  # fmt: skip
        update_registered_converter(xgboost.XGBRegressor, "XGBoostXGBRegressor", of_numbers,
                                    convert_xgboost)  # fmt: skip
    except ImportError:
        pass
