"""Text in an exported program that PyTorch evaluates as Python when it loads it.

Sizes go through ``sympy.sympify`` (which is ``eval``), guards and names into generated functions,
operators through ``getattr``: torch/_export/serde/serialize.py, torch/export/_unlift.py,
torch/fx/graph.py. What torch.export itself writes there is plain; anything else is a danger.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from mlship.card import Import

# serialize.py, sympy_functions; and what sympy prints.
_FUNCTIONS = {
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "max", "min",
    "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "FloorDiv", "ModularIndexing", "Where",
    "PythonMod", "Mod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv", "LShift", "RShift",
    "PowByNatural", "FloatPow", "FloatTrueDiv", "IntTrueDiv", "IsNonOverlappingAndDenseIndicator",
    "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat", "Identity",
    "Piecewise", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "Equality",
    "Unequality", "Abs", "abs", "sym_min", "sym_max", "BooleanTrue", "BooleanFalse",
}  # fmt: skip
_GUARD_METHODS = {"size", "stride", "storage_offset", "dim", "numel"}
_PLAIN_NODES = (
    ast.Expression, ast.Load, ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.Tuple, ast.keyword,
)  # fmt: skip
_MAX_EXPRESSION = 4000
_SYMBOL = re.compile(r"\w{1,80}")
# Names go into generated Python: torch's own are identifiers, dotted for parameters.
_NAME = re.compile(r"[\w.\[\]-]{0,400}")
_NAMES = {
    "name", "as_name", "parameter_name", "buffer_name", "tensor_constant_name", "custom_obj_name",
    "user_input_name", "class_fqn", "fqn",
}  # fmt: skip
_TARGET = re.compile(
    r"torch\.ops\.(\w+)\.\w+(\.\w+)?|_operator\.\w+|math\.\w+|torch\._?sym_\w+"
    r"|torch\._C\._functorch\.\w+|torch\._C\._set_grad_enabled|torch\.(autograd|amp)[\w.]*"
)
# Operators of torch itself that touch files: native_functions.yaml.
_ACTING = re.compile(r"torch\.ops\.aten\.(from_file|save|load)\b.*")
_BUILT_IN = {"aten", "prim", "prims", "higher_order", "quantized", "quantized_decomposed",
             "_quantized", "mkldnn", "inductor", "rngprims", "export", "torchao"}  # fmt: skip


def check(program: Any, member: str) -> tuple[tuple[Import, ...], tuple[str, ...]]:
    """Return the dangers in an exported program's JSON, and the libraries of foreign operators."""
    dangers: dict[str, Import] = {}
    foreign: dict[str, None] = {}

    def danger(module: str, text: object) -> None:
        if len(dangers) < 100:
            short = str(text)[:80]
            dangers[module + short] = Import(module, short, 0, member)

    for key, value in _walk(program):
        if key == "expr_str" and not _is_plain(value, guard=False):
            danger("sympy.sympify", value)
        elif key == "guards_code" and isinstance(value, list):
            for guard in value:
                if not _is_plain(guard, guard=True):
                    danger("torch.export guard", guard)
        elif key == "range_constraints" and isinstance(value, dict):
            for text in value:
                if not _is_plain(text, guard=False):
                    danger("sympy.sympify", text)
        elif key in _NAMES and isinstance(value, str) and not _NAME.fullmatch(value):
            danger("torch.fx name", value)
        elif key == "forward_arg_names" and isinstance(value, list):
            for name in value:
                if not (isinstance(name, str) and name.isidentifier()):
                    danger("torch.fx name", name)
        elif key == "target" and isinstance(value, str):
            match = _TARGET.fullmatch(value)
            if not match or _ACTING.fullmatch(value):
                danger("torch", value)
            elif match[1] and match[1] not in _BUILT_IN:
                foreign[match[1]] = None
        elif key in ("in_spec", "out_spec") and isinstance(value, str):
            for factory in _factories(value):
                danger("importlib", factory)
    return tuple(dangers.values()), tuple(foreign)


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every (key, value) of all objects inside; without recursion."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            for key, inner in each.items():
                yield key, inner
                if isinstance(inner, dict | list):
                    todo.append(inner)
        elif isinstance(each, list):
            todo += [inner for inner in each if isinstance(inner, dict | list)]


def _is_plain(text: Any, *, guard: bool) -> bool:
    """Tell whether an expression is arithmetic on sizes, and nothing else."""
    if not isinstance(text, str) or len(text) > _MAX_EXPRESSION:
        return False
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_plain_node(node, guard) for node in nodes)


def _is_plain_node(node: ast.AST, guard: bool) -> bool:
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute):  # its value and name are looked at on their own
            return guard
        return isinstance(called, ast.Name) and called.id in _FUNCTIONS
    if isinstance(node, ast.Attribute):
        return guard and node.attr in _GUARD_METHODS
    if isinstance(node, ast.Subscript):
        return guard
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return bool(_SYMBOL.fullmatch(node.value))  # evaluated in its turn: a bare name
    return isinstance(node, _PLAIN_NODES)


def _factories(spec: str) -> Iterator[str]:
    """Yield what a structure of arguments imports: torch/utils/_pytree.py, defaultdict."""
    try:
        parsed = json.loads(spec)
    except (ValueError, RecursionError):
        return
    for key, value in _walk({"spec": parsed}):
        if key == "context" and isinstance(value, str) and "default_factory_module" in value:
            if not re.search(r'"default_factory_module": "builtins"', value):
                yield value
        elif key == "type" and isinstance(value, str) and not _NAME.fullmatch(value):
            yield value
