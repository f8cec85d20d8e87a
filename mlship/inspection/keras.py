"""Reads a .keras file: inputs, outputs and layers from its config.json.

Layout: https://keras.io/api/models/model_saving_apis/ and keras/src/saving/saving_lib.py;
config.json is keras/src/saving/serialization_lib.py's form of the model.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from mlship.card import Dtype, Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection.archives import open_archive
from mlship.inspection.imports import judge
from mlship.inspection.structured import parse_json
from mlship.inspection.tensors import Tensor, row_of

_MAX_CONFIG = 12 << 20  # parsed, it takes up to twenty times that
_MAX_CLASSES = 10_000
# Layers that only TensorFlow computes: keras/src/layers/preprocessing/.
_TENSORFLOW_LAYERS = {
    "TextVectorization", "StringLookup", "IntegerLookup", "Hashing", "HashedCrossing",
    "TFSMLayer", "TFDataLayer", "FeatureSpace",
}  # fmt: skip
# Where Keras's own classes are; keras.utils, keras.saving and keras.config hold functions that
# download, load or switch checks off (CVE-2025-1550, CVE-2025-8747, CVE-2025-9906).
_OURS = re.compile(
    r"keras(\.src)?(\.(layers|activations|initializers|regularizers|constraints|optimizers|losses"
    r"|metrics|models|ops|dtype_policies|quantizers|random)(\.\w+)*)?|builtins"
)
_FUNCTIONS_OF = re.compile(
    r"keras(\.src)?\.(activations|losses|metrics|ops|initializers|regularizers|constraints)(\.\w+)*"
)
_BUILTINS = {"slice", "dict", "list", "tuple", "range", "bytes"}
_RELEASE = re.compile(r"3\.\d{1,3}\.\d{1,3}(\.post\d)?")


@dataclass(frozen=True)
class Answer:
    """What the last layer gives: the task, its classes, and the option ``binary``."""

    task: str
    classes: int = 0
    binary: bool = False


def read(path: Path) -> ModelCard:
    """Return the card of a Keras 3 model.

    Raises:
        ModelError: it is damaged, or its configuration does not say what it takes.
    """
    try:
        with open_archive(path) as archive:
            metadata = parse_json(archive.read("metadata.json", 1 << 20), "metadata.json")
            config = parse_json(archive.read("config.json", _MAX_CONFIG), "config.json")
        return _card(path, metadata, config)
    except ModelError:
        raise
    except Exception as error:
        # Whatever a damaged file makes a lookup or a conversion stumble on.
        raise ModelError(
            f"{path.name} is no Keras model, or is damaged",
            why=f"Its configuration is not laid out as Keras 3 does it: {type(error).__name__}: "
            f"{str(error)[:200]}",
            next="save the model again: model.save('model.keras')",
        ) from None


def _card(path: Path, metadata: Any, config: Any) -> ModelCard:
    inputs, inputs_by_name = _inputs(path, config)
    outputs = _outputs(config)
    row = row_of(inputs)
    answer = Answer("inference") if outputs else _answer(config)
    objects = list(_objects(config))
    layers = {str(each.get("class_name")) for each in objects}
    backend = "tensorflow" if layers & _TENSORFLOW_LAYERS else "jax"
    if any(each.dtype == "string" for each in inputs):
        backend = "tensorflow"
    dangers, modules = _judged(objects)
    version, requirement, warnings = _version(metadata)
    needed, pythons = _backend(backend, version)
    if answer.classes:
        warnings += (
            "The file has no names of its classes; the project calls them "
            f"0 to {answer.classes - 1}. Edit CLASSES in app/card.py to name them.",
        )
    options: list[tuple[str, Any]] = [("backend", backend), *row.options]
    if answer.binary:
        options.append(("binary", True))
    if inputs_by_name:
        options.append(("inputs_by_name", True))
    if any(each.name in ("Lambda", "__lambda__") for each in dangers):
        options.append(("unsafe", True))
        warnings += (
            "A Lambda layer is stored as bytecode, which runs only on the Python version (3.x) "
            "that saved it; the file does not name that.",
        )
    model = config["config"] if isinstance(config["config"], dict) else {}
    count = len(model.get("layers", ()))
    return ModelCard(
        path=path,
        framework="keras",
        format="keras",
        framework_version=version,
        description=f"Keras {config['class_name']} model of {count} layers",
        task=answer.task,
        features=row.features,
        takes=row.takes,
        classes=tuple(range(answer.classes)),
        probabilities=bool(answer.classes),
        requirements=(requirement, needed),
        python_range=pythons,
        python_reason=f"{requirement} with {backend}",
        input_names=tuple(each.name for each in inputs),
        output_names=outputs,
        options=tuple(options),
        warnings=warnings,
        dangers=dangers,
        modules=modules,
    )


def _layers(config: Any) -> list[Any]:
    found = config["config"].get("layers", [])
    return [layer for layer in found if isinstance(layer, dict)]


def _by_name(config: Any) -> dict[str, Any]:
    return {str(layer["config"].get("name")): layer for layer in _layers(config)}


def _ends(ends: Any) -> tuple[list[tuple[str, str]], bool]:
    """Return (name, layer) of each input or output, and whether they are a dict's.

    ``["dense", 0, 0]``, a list of those, or a dict of them: keras/src/models/functional.py.
    """
    if isinstance(ends, dict):
        return [(str(name), str(end[0])) for name, end in sorted(ends.items())], True
    if len(ends) == 3 and isinstance(ends[0], str):
        ends = [ends]
    return [(str(end[0]), str(end[0])) for end in ends], False


def _inputs(path: Path, config: Any) -> tuple[list[Tensor], bool]:
    """Return the inputs, and whether the model takes them as a dict."""
    by_name = False
    if "input_layers" in config["config"]:
        ends, by_name = _ends(config["config"]["input_layers"])
        layers = _by_name(config)
        found = [(name, layers[layer]["config"]) for name, layer in ends]
    else:
        found = [
            (str(layer["config"].get("name")), layer["config"])
            for layer in _layers(config)[:1]
            if layer["class_name"] == "InputLayer"
        ]
        if not found and (build := config.get("build_config")):
            # A Sequential without Input, or a class of the user's own.
            found = [("input", {"batch_shape": build.get("input_shape"), "dtype": "float32"})]
    inputs = []
    for name, layer in found:
        # Keras 3.0 wrote batch_input_shape for some layers.
        shape = layer.get("batch_shape") or layer.get("batch_input_shape")
        dtype = layer.get("dtype") or "float32"
        if isinstance(dtype, dict):  # a DTypePolicy
            dtype = dtype["config"]["name"]
        if not isinstance(shape, list) or not shape or dtype not in get_args(Dtype):
            raise _unservable(path, f"The input {name[:80]} is {dtype} of shape {shape}.")
        if layer.get("sparse") or layer.get("ragged"):
            raise _unservable(path, f"The input {name[:80]} is sparse or ragged.")
        if not all(side is None or type(side) is int for side in shape):
            raise _unservable(path, f"The input {name[:80]} has the shape {shape}.")
        inputs.append(Tensor(name, cast(Dtype, dtype), tuple(shape[1:])))
    if not inputs:
        raise _unservable(path, "Its configuration names no input and no shape of one.")
    return inputs, by_name


def _unservable(path: Path, why: str) -> ModelError:
    return ModelError(
        f"mlship can't tell what {path.name} takes, or can't send it",
        why=why,
        next="give the model a keras.Input(shape=(...)) of plain numbers or strings, call "
        "model.build() or fit it, and save it again: model.save('model.keras')",
    )


def _outputs(config: Any) -> tuple[str, ...]:
    """Return the names of several outputs or of a dict's; none for a single one."""
    ends, by_name = _ends(config["config"].get("output_layers") or [])
    return tuple(name for name, _ in ends) if by_name or len(ends) > 1 else ()


def _last(config: Any) -> tuple[Any, Any]:
    """Return the layer that answers and the one before it, None where they are not known."""
    if config["class_name"] not in ("Sequential", "Functional"):
        return None, None
    if "output_layers" in config["config"]:
        ends, _ = _ends(config["config"]["output_layers"])
        return _by_name(config).get(ends[0][1]), None
    layers = _layers(config)
    return (layers[-1], layers[-2]) if len(layers) > 1 else (None, None)


def _answer(config: Any) -> Answer:
    """Return what the last layer gives, as far as its configuration tells."""
    layer, before = _last(config)
    units, kind = 0, ""
    if layer is not None and layer["class_name"] in ("Dense", "Activation", "Softmax"):
        shape = _incoming(layer)
        if not shape and before is not None and before["class_name"] == "Dense":
            shape = [*_incoming(before)[:-1], before["config"]["units"]]
        if len(shape) != 2:  # one answer a row, not one a step of a sequence
            return Answer("inference")
        details = layer["config"]
        kind = details.get("activation", "softmax" if layer["class_name"] == "Softmax" else "")
        if isinstance(kind, dict):
            kind = kind.get("config") or ""
        units = details["units"] if layer["class_name"] == "Dense" else shape[1]
    if type(units) is not int or not 0 < units <= _MAX_CLASSES:
        return Answer("inference")
    if kind == "softmax" and units > 1:
        return Answer("classification", units)
    if kind == "sigmoid" and units == 1:
        return Answer("classification", 2, binary=True)
    if kind == "linear" and units == 1:
        return Answer("regression")
    return Answer("inference")


def _incoming(layer: Any) -> list[Any]:
    """Return the shape of what comes into a layer, empty when its configuration has none."""
    shape = (layer.get("build_config") or {}).get("input_shape")
    if isinstance(shape, list):
        return shape
    for node in layer.get("inbound_nodes") or []:
        for argument in node.get("args") or []:
            if isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__":
                return list(argument["config"]["shape"])
    return []


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every serialized object inside, without recursion.

    The model's own loss and optimizer are left out: the project loads it with compile=False.
    """
    yield config
    todo = [value for key, value in config.items() if key != "compile_config"]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            if "class_name" in each:
                yield each
            todo += each.values()
        elif isinstance(each, list):
            todo += each


def _judged(objects: list[dict[str, Any]]) -> tuple[tuple[Import, ...], tuple[str, ...]]:
    """Return what could run code when the model is loaded, and the modules it needs.

    Lambda layers are bytecode; a function of any module can be named; TFSMLayer loads a folder
    and a lookup a file by a path (CVE-2025-12058).
    """
    dangers: dict[str, Import] = {}
    foreign: list[Import] = []
    modules: dict[str, None] = {}
    for each in objects:
        name, module = str(each["class_name"])[:80], each.get("module")
        details = each.get("config")
        registered = each.get("registered_name")
        details = details if isinstance(details, dict) else {"": details}
        if name in ("Lambda", "__lambda__", "TFSMLayer"):
            dangers[name] = Import("keras.layers", name, 0, "config.json")
        elif isinstance(details.get("vocabulary"), str):
            dangers["vocabulary"] = Import("keras.layers", f"{name} of a file", 0, "config.json")
        elif module is None:  # the plain values that Keras writes so have no registered name
            if registered:
                modules[str(registered).partition(">")[0][:80]] = None
        elif module == "builtins":  # so Keras writes its own functions, too: relu
            target = str(details.get("") or name) if name == "function" else name
            if hasattr(builtins, target) and target not in _BUILTINS:
                dangers[target] = Import("builtins", target[:80], 0, "config.json")
        elif not isinstance(module, str) or not _OURS.fullmatch(module):
            target = str(details.get("") or name) if name == "function" else name
            foreign.append(Import(str(module)[:200], target[:80], 0, "config.json"))
        elif name == "function" and not _FUNCTIONS_OF.fullmatch(module):
            target = str(details.get("") or "")[:80]
            dangers[target] = Import(module, target, 0, "config.json")
    judged, unknown = judge(foreign)
    modules |= dict.fromkeys(unknown)
    return (*dangers.values(), *judged), tuple(modules)


def _version(metadata: Any) -> tuple[str | None, str, tuple[str, ...]]:
    written = str(metadata.get("keras_version") or "")
    if _RELEASE.fullmatch(written):
        return written, f"keras=={written}", ()
    named = f"Keras {written[:40]}" if written else "no Keras version"
    note = f"The file names {named}, which is no release of Keras 3; the project takes the newest."
    return None, "keras>=3.0", (note,)


def _backend(backend: str, version: str | None) -> tuple[str, tuple[int, int]]:
    """Return the backend's requirement, and the Pythons that both have wheels for.

    Requires-Dist of tensorflow: 2.16 and 2.17 take keras>=3.0, 2.18 keras>=3.5, 2.20 keras>=3.10.
    """
    if backend == "jax":
        return "jax>=0.4.30", (11, 14)
    release = tuple(int(part) for part in (version or "3.999").split(".")[:2])
    return "tensorflow>=2.16", (10, 12 if release < (3, 10) else 13)
