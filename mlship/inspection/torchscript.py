"""Reads a TorchScript file: the signature from its code, the width from its first layer.

The code is text in the archive (``code/__torch__/...py``), one class a module; attributes and the
sizes of tensors are in ``data.pkl``: torch/csrc/jit/docs/serialization.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.card import Dtype, Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection.archives import Archive
from mlship.inspection.imports import judge
from mlship.inspection.inert import Global, Inert
from mlship.inspection.tensors import Tensor, row_of
from mlship.inspection.torch_notes import NO_VERSION, TORCH_BUILDS

_MAX_CODE = 32 << 20  # of all code together; a large vision model has half a megabyte
_MAX_DEPTH = 20
_STORAGES: dict[str, Dtype] = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
}  # fmt: skip
# Operators that reach into the file system: aten/src/ATen/native/native_functions.yaml
# (from_file), torch/csrc/jit/runtime/register_prim_ops_fulljit.cpp (save).
_ACTING = re.compile(r"\b(?:torch|ops\.aten)\.(save|from_file|load)\(")
_OPERATORS = re.compile(r"\bops\.(\w+)\.\w+")
_BUILT_IN = {"aten", "prim", "prims", "quantized", "_quantized", "prepacked", "mkldnn", "sparse",
             "static_runtime", "higher_order", "rngprims", "mkl", "profiler", "onednn"}  # fmt: skip
_DIMENSIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}


@dataclass(frozen=True)
class Function:
    """A function of the archive's code: (name, type, has a default) of each parameter."""

    parameters: tuple[tuple[str, str, bool], ...]
    returns: str
    body: tuple[str, ...]


class Code:
    """The code in the archive, by qualified name."""

    def __init__(self, archive: Archive, prefix: str, constants: list[Any]) -> None:
        self._constants = constants
        self._prefix = f"{prefix}code/"
        self._texts: dict[str, str] = {}
        left = _MAX_CODE
        for name in archive.names:
            if name.startswith(self._prefix) and name.endswith(".py"):
                data = archive.read(name, left)
                left -= len(data)
                self._texts[name] = data.decode("utf-8", "replace")

    def method(self, module: str, name: str, method: str) -> Function | None:
        """Return a method of the class ``module.name``, None when it is not there."""
        text = self._texts.get(f"{self._prefix}{module.replace('.', '/')}.py", "")
        start = f"\n{text}".find(f"\nclass {name}(")
        if start < 0:
            return None
        ends = [end for mark in ("\nclass ", "\ndef ") if (end := text.find(mark, start)) > 0]
        return _function(text[start : min(ends, default=len(text))], method)

    def constant(self, name: str) -> Any:
        """Return what the code calls ``CONSTANTS.c7``, None when it is no such name."""
        match = re.fullmatch(r"CONSTANTS\.c(\d{1,6})", name)
        index = int(match[1]) if match else len(self._constants)
        return self._constants[index] if index < len(self._constants) else None

    def dangers(self) -> tuple[tuple[Import, ...], tuple[str, ...]]:
        """Return the operators that touch files, and the namespaces of foreign operators."""
        found: list[Import] = []
        foreign: dict[str, None] = {}
        for name, text in self._texts.items():
            for match in _ACTING.finditer(text):
                found.append(Import("torch", match[1], match.start(), name))
            foreign |= dict.fromkeys(_OPERATORS.findall(text))
        return tuple(found[:100]), tuple(name for name in foreign if name not in _BUILT_IN)


def read(
    archive: Archive,
    prefix: str,
    values: tuple[Any, list[Any]],
    found: Iterable[Import],
    path: Path,
) -> ModelCard:
    """Return the card of a TorchScript file.

    ``values`` are what data.pkl and constants.pkl hold, ``found`` what data.pkl imports.

    Raises:
        ModelError: forward() takes or returns something other than tensors.
    """
    root, constants = values
    code = Code(archive, prefix, constants)
    forward = _method_of(code, root, "forward")
    if forward is None:
        raise ModelError(
            f"{path.name} has no forward(): there is nothing to serve",
            next="save a module that has one: torch.jit.script(model).save('model.pt')",
        )
    warnings = [
        NO_VERSION,
        TORCH_BUILDS,
    ]
    inputs = []
    for position, (name, kind, has_default) in enumerate(forward.parameters[1:], start=1):
        if has_default:
            continue
        if kind != "Tensor":
            raise ModelError(
                f"mlship can't serve the input {name!r} of {path.name}",
                why=f"forward() takes it as {kind}; a request carries tensors.",
                next="wrap the model in a module whose forward() takes only tensors, and save that",
            )
        inputs.append(_input(code, root, name, position, warnings))
    if not inputs:
        raise ModelError(
            f"forward() of {path.name} takes no tensor",
            next="save a module whose forward() takes a batch of inputs",
        )
    outputs, by_name = _outputs(path, forward)
    acting, foreign = code.dangers()
    dangers, modules = judge(found)
    row = row_of(inputs)
    return ModelCard(
        path=path,
        framework="torch",
        format="torchscript",
        framework_version=None,
        description=f"TorchScript module {root.name}",
        task="inference",
        features=row.features,
        takes=row.takes,
        requirements=("torch>=2.1",),
        input_names=tuple(each.name for each in inputs),
        output_names=outputs,
        options=(*row.options, *((("by_name", True),) if by_name else ())),
        warnings=tuple(warnings),
        dangers=(*acting, *dangers),
        modules=tuple(dict.fromkeys((*modules, *foreign))),
    )


def _function(text: str, name: str) -> Function | None:
    """Return a method from the text of its class."""
    start = text.find(f"\n  def {name}(")
    close = text.find(") -> ", start)
    colon = text.find(":\n", close)
    if min(start, close, colon) < 0:
        return None
    end = text.find("\n  def ", colon)
    parameters = []
    for part in _split(text[text.index("(", start) + 1 : close]):
        declared, equals, _ = part.partition("=")
        variable, _, kind = declared.partition(":")
        parameters.append((variable.strip(), kind.strip(), bool(equals)))
    body = text[colon + 2 : end if end > 0 else len(text)]
    return Function(tuple(parameters), text[close + 5 : colon].strip(), tuple(body.splitlines()))


def _split(text: str) -> list[str]:
    """Split at the commas outside all brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _method_of(code: Code, value: Any, method: str) -> Function | None:
    if not isinstance(value, Inert):
        return None
    # A module's class is written as one dotted name, whose last part is the class.
    return code.method(value.module, value.name, method)


def _input(code: Code, root: Inert, name: str, position: int, warnings: list[str]) -> Tensor:
    """Return an input as its first use shows it; say in ``warnings`` what is not known."""
    found = _first_use(code, root, "forward", position, 0)
    if found is None:
        warnings.append(
            f"The file tells neither the shape nor the type of the input {name}; the project takes "
            "a list of decimal numbers of any length. `--sample` with an example tells it."
        )
        return Tensor(name, "float32", (None,))
    layer, dtype, shape = found
    sides = " x ".join("any" if side is None else str(side) for side in shape)
    warnings.append(
        f"The file does not tell the shape of the input {name}; its first layer is a {layer}, "
        f"so an instance is taken as {sides} values of {dtype}."
    )
    return Tensor(name, dtype, shape)


def _first_use(
    code: Code, owner: Any, method: str, position: int, depth: int
) -> tuple[str, Dtype, tuple[int | None, ...]] | None:
    """Return (layer, dtype, shape of an instance) of a parameter by the layer that takes it."""
    function = _method_of(code, owner, method)
    if function is None or depth > _MAX_DEPTH or position >= len(function.parameters):
        return None
    this, variable = function.parameters[0][0], function.parameters[position][0]
    word = re.compile(rf"\b{re.escape(variable)}\b")
    aliases: dict[str, str] = {}
    for line in function.body[:2000]:
        alias = re.fullmatch(
            rf' *(\w+) = (?:getattr\({re.escape(this)}, "([^"]+)"\)|{re.escape(this)}\.(\w+))', line
        )
        if alias:
            aliases[alias[1]] = alias[2] or alias[3]
            continue
        function_alias = re.fullmatch(r" *(\w+) = __torch__\.torch\.nn\.functional\.(\w+)", line)
        if function_alias:
            aliases[function_alias[1]] = f"nn.functional.{function_alias[2]}"
            continue
        if not word.search(line):
            continue
        call = re.search(rf"\((\w+)\)\.(\w+)\(([^()]*\b{re.escape(variable)}\b[^()]*)", line)
        if call:
            arguments = _split(call[3])
            if variable not in arguments:
                return None
            callee = owner if call[1] == this else owner.get(aliases.get(call[1], ""))
            return _first_use(code, callee, call[2], arguments.index(variable) + 1, depth + 1)
        call = re.search(rf"([\w.]+)\(([^()]*\b{re.escape(variable)}\b[^()]*)", line)
        if call is None:
            return None
        arguments = _split(call[2])
        return _by_layer(code, owner, aliases.get(call[1], call[1]), arguments, variable, aliases)
    return None


def _by_layer(
    code: Code,
    owner: Inert,
    called: str,
    arguments: list[str],
    variable: str,
    aliases: dict[str, str],
) -> tuple[str, Dtype, tuple[int | None, ...]] | None:
    if called == "torch.embedding" and arguments[1:2] == [variable]:
        return "Embedding", "int64", (None,)
    if called == "nn.functional.embedding" and arguments[0] == variable:
        return "Embedding", "int64", (None,)
    if arguments[0] != variable or len(arguments) < 2:
        return None
    stored = owner.get(aliases.get(arguments[1], arguments[1])) or code.constant(arguments[1])
    weight = _tensor(stored)
    if weight is None:
        return None
    dtype, sizes = weight
    if called == "torch.linear" and len(sizes) == 2:
        return "Linear", dtype, (sizes[1],)
    kind = called.removeprefix("torch.")
    if kind == "_convolution":  # traced: (..., transposed, output_padding, groups, ...)
        dimensions, plain = len(sizes) - 2, arguments[6:7] == ["False"] and arguments[8:9] == ["1"]
    else:
        dimensions, plain = _DIMENSIONS.get(kind, 0), arguments[6:7] in ([], ["1"])
    if dimensions in (1, 2, 3) and len(sizes) == dimensions + 2 and plain:
        return f"Conv{dimensions}d", dtype, (sizes[1], *[None] * dimensions)
    return None


def _tensor(value: Any) -> tuple[Dtype, tuple[int, ...]] | None:
    """Return (dtype, sizes) of a tensor in data.pkl (torch/_utils.py, _rebuild_tensor_v2)."""
    if not isinstance(value, Inert) or len(value.args) < 3:
        return None
    if value.name == "_rebuild_parameter":
        return _tensor(value.args[0])
    storage, sizes = value.args[0], value.args[2]
    parts = storage.args if isinstance(storage, Inert) else ()
    if len(parts) == 1 and isinstance(parts[0], tuple):
        parts = parts[0]
    kinds = [part.name for part in parts if isinstance(part, Global)]
    if not kinds or kinds[0] not in _STORAGES or not isinstance(sizes, tuple):
        return None
    if not all(type(side) is int and side > 0 for side in sizes):
        return None
    return _STORAGES[kinds[0]], sizes


def _outputs(path: Path, forward: Function) -> tuple[tuple[str, ...], bool]:
    """Return the names of the outputs (none for a single tensor), and whether they are a dict's."""
    returns = forward.returns
    if returns == "Tensor":
        return (), False
    if returns.startswith("Tuple[") and returns.endswith("]"):
        parts = _split(returns[6:-1])
        if parts and all(part == "Tensor" for part in parts):
            return tuple(f"output_{i}" for i in range(len(parts))), False
    if returns == "Dict[str, Tensor]":
        names = _keys(forward.body)
        if names:
            return names, True
    raise ModelError(
        f"mlship can't serve the output of {path.name}",
        why=f"forward() returns {returns}.",
        next="wrap the model in a module that returns a tensor, a tuple of tensors, or a dict "
        "written as {'name': tensor, ...}",
    )


def _keys(body: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of the dict that a function's last line returns."""
    value = next((line for line in reversed(body) if line.strip()), "").strip()
    value = value.removeprefix("return ")
    if re.fullmatch(r"\w+", value):
        made = [line for line in body if line.strip().startswith(f"{value} = {{")]
        value = made[-1] if made else ""
    return tuple(re.findall(r'"([^"\\]*)": ', value)) if "{" in value else ()
