"""A tiny assembler of pickles: plain values, names and calls as opcodes (pickletools.py).

Nothing here memoizes, so the parts can be put together in any order.
"""

import pickle
import struct
from typing import Any


class Code(bytes):
    """Opcodes that leave one value on the stack."""

    def __add__(self, other: bytes) -> "Code":
        return Code(bytes(self) + other)


def named(module: str, name: str) -> Code:
    """Import ``module.name`` by GLOBAL; a dotted name needs protocol 4."""
    return Code(b"c%s\n%s\n" % (module.encode("utf-8", "surrogatepass"), name.encode()))


def stacked(module: Any, name: Any) -> Code:
    """Import ``module.name`` by STACK_GLOBAL."""
    return Code(value(module) + value(name) + pickle.STACK_GLOBAL)


def value(item: Any) -> Code:
    """Push a plain value; ``Code`` inside it is taken as it is."""
    match item:
        case Code():
            return item
        case None | True | False:
            return Code({None: b"N", True: b"\x88", False: b"\x89"}[item])
        case int() if -(1 << 31) <= item < 1 << 31:
            return Code(b"J" + struct.pack("<i", item))
        case int():
            data = pickle.encode_long(item)
            return Code(b"\x8a" + bytes([len(data)]) + data)
        case float():
            return Code(b"G" + struct.pack(">d", item))
        case str():
            data = item.encode("utf-8", "surrogatepass")
            return Code(b"X" + struct.pack("<I", len(data)) + data)
        case bytes():
            return Code(b"B" + struct.pack("<I", len(item)) + item)
        case tuple():
            return Code(b"(" + b"".join(map(value, item)) + b"t")
        case list():
            return Code(b"](" + b"".join(map(value, item)) + b"e")
        case dict():
            return Code(b"}(" + b"".join(value(k) + value(v) for k, v in item.items()) + b"u")
    raise TypeError(item)


def call(function: bytes, *args: Any) -> Code:
    """Call what ``function`` pushes (REDUCE)."""
    return Code(function + value(args) + b"R")


def build(made: bytes, state: Any) -> Code:
    """Set the state of what ``made`` pushes (BUILD)."""
    return Code(made + value(state) + b"b")


def new(module: str, name: str, state: Any = None, *args: Any) -> Code:
    """Make an instance without ``__init__`` (NEWOBJ) and set its state."""
    made = Code(named(module, name) + value(args) + b"\x81")
    return made if state is None else build(made, state)


def program(body: bytes, protocol: int = 4) -> bytes:
    """Return a whole pickle."""
    return (b"\x80" + bytes([protocol]) if protocol >= 2 else b"") + body + b"."


def dtype(code: str, *, size: int = -1) -> Code:
    """A ``numpy.dtype``; ``size`` overrides the bytes of an element (for strings and voids)."""
    if code[0] == "V" and size < 0:
        size = min(int(code[1:]), 2**31 - 1)
    flags = 63 if code[0] == "O" else 0
    order = "<" if code[0] in "fiuU" else "|"
    state = (3, order, None, None, None, size, 1 if size > 0 else -1, flags)
    return build(call(named("numpy", "dtype"), code, False, True), state)


def array(numbers: list[float]) -> Code:
    """A one-dimensional ``float64`` array, as numpy pickles it."""
    data = struct.pack(f"<{len(numbers)}d", *numbers)
    make = named("numpy._core.numeric", "_frombuffer")
    return call(make, data, dtype("f8"), (len(numbers),), "C")


def model(**further: Any) -> Code:
    """A ``Ridge`` of three features that scikit-learn loads and that predicts."""
    state = {
        "alpha": 1.0, "fit_intercept": True, "copy_X": True, "max_iter": None, "tol": 1e-4,
        "solver": "auto", "positive": False, "random_state": None, "n_features_in_": 3,
        "coef_": array([1.0, 2.0, 3.0]), "intercept_": 0.5, "n_iter_": None,
        "solver_": "cholesky", "_sklearn_version": "1.6.1",
    }  # fmt: skip
    return new("sklearn.linear_model._ridge", "Ridge", state | further)


def wrapper(kind: bytes, shape: Any, *, module: str = "joblib.numpy_pickle") -> Code:
    """joblib's stand-in for an array of dtype ``kind``; its bytes follow in the file."""
    state = {
        "subclass": named("numpy", "ndarray"), "shape": shape, "order": "C",
        "dtype": Code(kind), "allow_mmap": False, "numpy_array_alignment_bytes": None,
    }  # fmt: skip
    return new(module, "NumpyArrayWrapper", state)
