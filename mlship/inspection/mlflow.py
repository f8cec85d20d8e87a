"""Reads an MLflow model folder: the model inside by its own format, or Python code as MLflow's.

Format: https://mlflow.org/docs/latest/ml/model/ (MLmodel, flavors) and ``mlflow/*/__init__.py``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlship.card import Feature, Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection import pickles
from mlship.inspection.pins import normalized, read_pins
from mlship.inspection.signatures import Column, read_columns, refined
from mlship.inspection.structured import read_yaml

# Where a flavor says its file lies, and what that is called when it is a folder.
_FLAVORS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sklearn": ("pickled_model", ()),
    "xgboost": ("data", ()),
    "lightgbm": ("data", ()),
    "catboost": ("data", ()),
    "onnx": ("data", ()),
    "keras": ("data", ("model.keras", "model.h5")),
    "tensorflow": ("data", ("model.keras", "model.h5", "model")),
    "pytorch": ("model_data", ("model.pt2", "model.pth")),
    "transformers": ("model_binary", ()),
}
_PYTHON_FLAVOR = "mlflow.pyfunc.model"
# MLflow itself, and what it needs only to talk to its server.
_MLFLOW = ("mlflow", "mlflow-skinny", "mlflow-tracing", "pip", "setuptools", "wheel")
_RELEASE = re.compile(r"\d{1,3}\.\d{1,4}(\.\d{1,4})?((rc|\.post)\d{1,2})?")


def read(path: Path) -> ModelCard:
    """Return the card of the model inside, refined by what MLflow's files say of it.

    Raises:
        ModelError: MLmodel is damaged, or names no model that mlship serves.
    """
    model = read_yaml(path / "MLmodel")
    flavors = model.get("flavors")
    flavors = flavors if isinstance(flavors, dict) else {}
    columns = read_columns(path, model)
    for name, (key, members) in _FLAVORS.items():
        flavor = flavors.get(name)
        if isinstance(flavor, dict) and flavor.get("code") is None:
            return _native(path, _inner(path, flavor.get(key), members), columns)
    function = flavors.get("python_function")
    if isinstance(function, dict) and function.get("loader_module") == _PYTHON_FLAVOR:
        return _python(path, model, function, columns)
    raise ModelError(
        f"mlship can't serve the MLflow model {path.name}",
        why=f"Its flavors are {', '.join(map(str, flavors))[:200] or 'none'}; mlship serves "
        f"{', '.join(_FLAVORS)} without code of their own, and python_function of a PythonModel.",
        next="save the model in a format of its own library, or write a predictor.py",
    )


def _inner(path: Path, name: Any, members: tuple[str, ...]) -> Path:
    """Return the file or folder that a flavor names, which must lie inside."""
    if isinstance(name, str) and name and "\0" not in name and len(name) < 1000:
        inner = path / name
        if members and inner.is_dir():
            inner = next((inner / member for member in members if (inner / member).exists()), inner)
        if inner.exists() and path.resolve() in inner.resolve().parents:
            return inner
    raise ModelError(
        f"{path.name} is not complete",
        why=f"MLmodel names {str(name)[:100]!r}, which is not there.",
        next="save or download the model again",
    )


def _native(path: Path, inner: Path, columns: list[Column] | None) -> ModelCard:
    """Return the card that the model's own format gives, refined by the folder's other files."""
    from mlship.inspection import read_native

    card = read_native(inner)
    pins, warnings = _pins(path)
    own = {normalized(requirement): requirement for requirement in card.requirements}
    if card.dangers or card.modules:  # classes of any other library
        own = {name: pin for name, pin in pins.items() if name not in _MLFLOW} | own
    wanted = {"numpy", *own}
    for name, pin in pins.items():
        # A marker tells which build a platform gets; it stays.
        if name in wanted and "==" in pin and ";" not in own.get(name, ""):
            own[name] = pin
    features = card.features
    if columns:
        better = refined(card.features, columns, card.takes == "frame")
        if better is None:
            warnings.append("The signature's columns are not those that the model was fitted on.")
        features = better or features
    python_range, python_reason = card.python_range, card.python_reason
    minor = _python_minor(path)
    if minor is not None and python_range[0] <= minor <= python_range[1] and minor >= 11:
        python_range, python_reason = (minor, minor), "python_env.yaml"
    elif minor is not None:
        warnings.append(
            f"It was saved by Python 3.{minor}; the project runs on another, so the libraries of "
            "requirements.txt may have to be newer ones."
        )
    return replace(
        card,
        path=path,
        features=features,
        requirements=tuple(own.values()),
        python_range=python_range,
        python_reason=python_reason,
        options=(*card.options, ("inner", inner.relative_to(path).as_posix())),
        warnings=(*card.warnings, *warnings),
    )


def _python(
    path: Path,
    model: dict[str, Any],
    function: dict[str, Any],
    columns: list[Column] | None,
) -> ModelCard:
    """Return the card of a PythonModel, which only MLflow loads."""
    version = str(model.get("mlflow_version", ""))
    if not _RELEASE.fullmatch(version):
        raise ModelError(
            f"{path.name}/MLmodel does not name the MLflow version that saved it",
            why="Code that was pickled needs the version that pickled it.",
            next="save the model again with mlflow.pyfunc.save_model",
        )
    pins, warnings = _pins(path)
    requirements = {name: pin for name, pin in pins.items() if name not in _MLFLOW}
    requirements.setdefault("pandas", "pandas")
    cloudpickle = str(function.get("cloudpickle_version", ""))
    if _RELEASE.fullmatch(cloudpickle):
        requirements.setdefault("cloudpickle", f"cloudpickle=={cloudpickle}")
    minor = _python_minor(path)
    if minor is None:
        warnings.append("The folder does not name the Python version that saved it.")
    return ModelCard(
        path=path,
        framework="mlflow",
        format="mlflow",
        framework_version=version,
        description=f"PythonModel of MLflow {version}",
        task="inference",
        features=_python_features(path, columns),
        takes="frame",
        requirements=(f"mlflow-skinny=={version}", *requirements.values()),
        # Pickled code is bytecode, which another Python does not run.
        python_range=(10, 14) if minor is None else (minor, minor),
        python_reason="" if minor is None else "python_env.yaml",
        warnings=tuple(warnings),
        dangers=_dangers(path, function),
    )


def _python_features(path: Path, columns: list[Column] | None) -> tuple[Feature, ...]:
    if not columns:
        raise ModelError(
            f"{path.name}/MLmodel has no signature with named columns",
            why="A PythonModel does not say what it takes; only its signature does.",
            next="save it again with signature=infer_signature(a_dataframe, predictions)",
        )
    features = []
    for column in columns:
        if column.dtype is None:
            raise ModelError(
                f"The column {column.name[:80]!r} of {path.name} is of type {column.type[:40]}",
                why="mlship serves columns of numbers, texts and truth values.",
                next="change the column and its signature, or write a predictor.py",
            )
        features.append(
            Feature(column.name, column.dtype, nullable=not column.required, example=column.example)
        )
    return tuple(features)


def _dangers(path: Path, function: dict[str, Any]) -> tuple[Import, ...]:
    """Return all that the pickled code imports; code as a file is one import of its own."""
    script = function.get("model_code_path")
    if isinstance(script, str):
        file = _inner(path, Path(script).name, ())
        return (Import(file.stem, "set_model", 0, file.name),)
    file = _inner(path, function.get("python_model"), ())
    member = file.relative_to(path).as_posix()
    try:
        with file.open("rb") as stream:
            imports = pickles.load(stream, member).imports
    except pickles.Broken as broken:
        raise ModelError(
            f"{path.name}/{member} is no pickle, or is damaged",
            why=f"It can't be read: {broken}.",
            next="save or download the model again",
        ) from None
    # By its nature code of its own, whatever it imports.
    return imports or (Import(file.stem, "", 0, member),)


def _pins(path: Path) -> tuple[dict[str, str], list[str]]:
    file = path / "requirements.txt"
    if file.is_file():
        return read_pins(file)
    return {}, ["The MLflow folder has no requirements.txt; the project takes the newest versions."]


def _python_minor(path: Path) -> int | None:
    """Return the CPython minor that python_env.yaml names."""
    file = path / "python_env.yaml"
    version = read_yaml(file).get("python") if file.is_file() else None
    match = re.fullmatch(r"3\.(\d{1,2})(\.\d+)?", str(version))
    return int(match[1]) if match else None
