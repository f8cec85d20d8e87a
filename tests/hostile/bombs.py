"""Pickles that claim, nest, double or repeat, and models whose attributes are something else."""

import functools
import struct
from typing import Any

from tests.hostile.opcodes import (
    Code,
    build,
    call,
    dtype,
    model,
    named,
    new,
    program,
    value,
    wrapper,
)

TEN_GB = 10 * 10**9
DEEP = 100_000
# Two references to the same pair, sixty times: 2**60 leaves in 200 bytes.
TUPLES = Code(b"N\x85" + b"2\x86" * 60)


def _doubled(rounds: int = 60) -> Code:
    """Lists of twice the same list."""
    out = b"]q\x00"
    for level in range(rounds):
        out += b"0](h" + bytes([level]) + b"h" + bytes([level]) + b"eq" + bytes([level + 1])
    return Code(out)


def _doubled_dicts(rounds: int = 60) -> Code:
    out = b"}q\x00"
    for level in range(rounds):
        inner = b"h" + bytes([level])
        out += b"0}(" + value("a") + inner + value("b") + inner + b"uq" + bytes([level + 1])
    return Code(out)


LISTS, DICTS = _doubled(), _doubled_dicts()
LOOP = Code(b"]q\x70h\x70a")  # a list that holds itself


def pickles() -> dict[str, Any]:
    """Pickles that claim, nest, double or repeat."""
    huge = struct.pack("<Q", TEN_GB)
    claims = {
        "binbytes": b"B\xff\xff\xff\xff",
        "binbytes8": b"\x8e" + huge,
        "binunicode8": b"\x8d" + huge,
        "binunicode": b"X\xff\xff\xff\xff",
        "bytearray8": b"\x96" + huge,
        "frame": b"\x95" + huge,
        "long4": b"\x8b\xff\xff\xff\x7f",
        "long4-negative": b"\x8b\x00\x00\x00\x80",
        "binstring": b"T\xff\xff\xff\x7f",
        "binstring-negative": b"T\xff\xff\xff\xff",
        "binbytes8-all": b"\x8e" + b"\xff" * 8,
        "long-binput": b"Nr\xff\xff\xff\x7f",
        "long-binget": b"j\xff\xff\xff\x7f",
        "put": b"Np" + b"9" * 4000 + b"\n",
        "put-negative": b"Np-1\n",
        "int": b"I" + b"9" * 100_000 + b"\n",
        "long": b"L" + b"9" * 100_000 + b"L\n",
        "float": b"F" + b"9" * 100_000 + b"\n",
        "string": b"S'" + b"\\x41" * 1_000_000 + b"'\n",
        "unicode": b"V" + b"\\u0041" * 900_000 + b"\n",
    }
    key = {"tuples": TUPLES, "lists": LISTS, "dicts": DICTS, "loop": LOOP}
    made = {f"claim-{name}": b"\x80\x05" + data + b"." for name, data in claims.items()}
    for name, bomb in key.items():
        made |= {
            f"bomb-{name}": program(bomb),
            f"bomb-{name}-as-key": program(b"}" + bomb + b"Ns"),
            f"bomb-{name}-in-a-set": program(b"\x8f(" + bomb + b"\x90"),
            f"bomb-{name}-in-a-frozenset": program(b"(" + bomb + b"\x91"),
            f"bomb-{name}-as-module": program(bomb + value("x") + b"\x93"),
            f"bomb-{name}-as-name": program(value("os") + bomb + b"\x93"),
            f"bomb-{name}-as-arguments": program(named("os", "system") + bomb + b"R"),
            f"bomb-{name}-called": program(bomb + b")R"),
            f"bomb-{name}-built": program(bomb + b"}b"),
            f"bomb-{name}-as-id": program(bomb + b"Q"),
            f"bomb-{name}-as-shape": program(wrapper(dtype("f8"), bomb)),
            f"bomb-{name}-as-side": program(wrapper(dtype("f8"), Code(bomb + b"\x85"))),
            f"bomb-{name}-as-dtype": program(wrapper(bomb, (1,))),
            f"bomb-{name}-as-code": program(wrapper(call(named("numpy", "dtype"), bomb), (1,))),
            f"bomb-{name}-as-scalar": program(
                call(named("numpy._core.multiarray", "scalar"), bomb, bomb)
            ),
            f"bomb-{name}-as-state": program(new("types", "SimpleNamespace", bomb)),
        }
    function = named("collections", "Counter")
    made |= {
        "deep-lists": program(b"]" * DEEP + b"a" * (DEEP - 1)),
        "deep-tuples": program(b"N" + b"\x85" * DEEP),
        "deep-dicts": program((b"}N" * DEEP) + b"N" + b"s" * DEEP),
        "deep-marks": program(b"(" * DEEP + b"t" * DEEP),
        "deep-calls": program(function * DEEP + b")" + b"R\x85" * (DEEP - 1) + b"R"),
        "deep-states": program((function + b")\x81") * DEEP + b"N" + b"b" * DEEP),
        "deep-keys": program(b"}" + b"N" + b"\x85" * DEEP + b"Ns"),
        "deep-module": program(b"N" + b"\x85" * DEEP + value("x") + b"\x93"),
        "deep-arrays": b"\x80\x04"
        + (wrapper(dtype("O8"), (1,)) + b"\x80\x04") * 50_000
        + b"N"
        + b"." * 50_001,
        "many-names": lambda: program(
            b"".join(named(f"m{n}", "x") + b"0" for n in range(300_000)) + b"N"
        ),
        "many-calls": program(b"".join((named("os", "system") + b")R0",) * 500_000) + b"N"),
    }
    for side in (10**12, -1, 2**62, 2**63 - 1, True, 1.5, "1"):
        made[f"shape-{side}"] = program(wrapper(dtype("f8"), (side,)))
    made |= {
        "shape-overflow": program(wrapper(dtype("f8"), (2**32, 2**32)) + b"."),
        "shape-many-sides": program(wrapper(dtype("f8"), (1,) * 100_000)),
        "shape-product": program(wrapper(dtype("f8"), (2**62,) * 20_000)),
        "size-of-dtype": program(wrapper(dtype("V999999999999"), (1,))),
        "size-of-dtype-digits": program(wrapper(dtype("V" + "9" * 4000), (1,))),
        "size-zero": program(wrapper(dtype("V0"), (10**12,))),
        "dtype-of-nothing": program(wrapper(value(None), (1,))),
    }
    return made


ATTRIBUTES = (
    "n_features_in_",
    "feature_names_in_",
    "classes_",
    "_sklearn_version",
    "steps",
    "coef_",
    "estimators_",
    "best_estimator_",
    "transformers_",
    "categories_",
    "n_outputs_",
    "loss",
    "mean_",
    "statistics_",
    "regressor_",
    "named_steps",
    "intercept_",
    "feature_types",
)


def strange_values() -> dict[str, Code]:
    """What an attribute of a model may be set to."""
    text = value("\x1b[31m\r\n\ud800")
    return {
        "tuples": TUPLES,
        "lists": LISTS,
        "dicts": DICTS,
        "loop": LOOP,
        "minus": value(-1),
        "huge": value(2**70),
        "zero": value(0),
        "nan": value(float("nan")),
        "true": value(True),
        "empty": value(""),
        "escapes": text,
        "bytes": value(b"\xff"),
        "list-of-escapes": value([text]),
        "long-text": value("a" * (2 << 20)),
        "a-class": named("builtins", "int"),
        "an-object": new("types", "SimpleNamespace", {"a": 1}),
        "an-empty-array": wrapperless_array(0),
        "a-million": value(1_000_000),
        "many-texts": value([str(n) for n in range(20_000)]),
        "pairs": value([(1, 2), (3,)]),
        "deep": Code(b"]" * 5000 + b"a" * 4999),
        "array-of-bad-dtype": bad_array(),
        "self-made-pipeline": new("sklearn.pipeline", "Pipeline", {"steps": LOOP}),
    }


def wrapperless_array(sides: int) -> Code:
    """An array by ``_frombuffer`` of no bytes at all."""
    return call(named("numpy._core.numeric", "_frombuffer"), b"", dtype("f8"), (sides,), "C")


def bad_array() -> Code:
    """An array whose bytes, shape and dtype do not fit."""
    make = call(named("numpy._core.multiarray", "_reconstruct"), None, (0,), b"b")
    return build(make, (1, (3,), dtype("U99999"), False, b"abc"))


def strange_models() -> dict[str, Any]:
    """A model of which one attribute is something else."""
    made: dict[str, Any] = {
        f"attribute-{attribute}-{kind}": functools.partial(_strange, attribute, strange)
        for attribute in ATTRIBUTES
        for kind, strange in strange_values().items()
    }
    ridge = model()
    nested = ridge
    for _ in range(300):
        nested = new("sklearn.pipeline", "Pipeline", {"steps": [("a", nested)]})
    head = named("sklearn.pipeline", "Pipeline") + b")\x81}" + value("steps") + b"](" + value("a")
    deep = head * 20_000 + ridge + b"\x86esb" * 20_000
    made |= {"pipelines-300": program(nested), "pipelines-20000": lambda: program(deep)}
    return made


def _strange(attribute: str, strange: Code) -> bytes:
    return program(model(**{attribute: strange}))
