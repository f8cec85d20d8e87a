"""Pickles whose every name is harmless, and which do harm by how the names are used.

Each was loaded for real once, where it ran code, read memory or opened a file.
"""

import io
import json
import pickle
import struct
import zipfile

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from mlship.errors import ModelError
from mlship.inspection import inspect
from tests.hostile.opcodes import Code, build, call, dtype, model, named, new, program, value

WRITES = "open('canary','w').close()"
PARSERS = "".join(
    f"def _parse_args{kind}(self):\n    return ()\n" for kind in ("", "_stats", "_rvs")
)
DECORATED = f"def g(f): return {WRITES!r}\n@exec\n@g\ndef _parse_args(): return 1\n"
DEFAULTED = f"def _parse_args(self, a={WRITES}):\n    return ()\n"
NORMAL = ("scipy.stats._continuous_distns", "norm_gen")
NDARRAY, DTYPE = named("numpy", "ndarray"), named("numpy", "dtype")
EXEC = call(named("builtins", "exec"), WRITES) + b"0"


def largest(*values):
    """``max([x])`` is x: it hides what is made from a reader that does not run it."""
    return call(named("builtins", "max"), list(values))


def array_wrapper(kind, shape, **changes):
    state = {"subclass": NDARRAY, "shape": shape, "order": "C", "dtype": kind, "allow_mmap": False}
    return new("joblib.numpy_pickle", "NumpyArrayWrapper", state | changes)


def framed(body):
    return Code(b"\x95" + struct.pack("<Q", len(body)) + body)


def with_field(kind):
    """A dtype of plain bytes with a field of another kind."""
    state = (3, "|", None, ("a",), {"a": (dtype(kind), 0)}, 8, 8, 0)
    return build(call(DTYPE, "V8", False, True), state)


SCORER = new(
    "sklearn.metrics._scorer", "_Scorer",
    {"_score_func": named("builtins", "len"), "_sign": 1, "_response_method": "eval"},
)  # fmt: skip
MADE_KEY = call(named("builtins", "str"), "_parse_arg_template")
ORDERED = call(named("collections", "OrderedDict"), [("_parse_arg_template", WRITES)])
USAGE = {
    "a scorer that calls any method": call(SCORER, named("builtins", "abs"), WRITES, None),
    "the result of a call is called": call(call(named("functools", "partial"), SCORER)),
    "a constructor that opens a file": call(named("lightgbm.basic", "Booster"), None, None, "f"),
    "another constructor that does": call(named("xgboost.core", "Booster"), None, (), "f"),
    "memory as an array": call(named("numpy", "asarray"), [1]),
    "a class made on the spot": call(
        named("sklearn.model_selection._split", "ABCMeta"), "X", (), {}
    ),
    "an attribute of a class": build(
        largest(named("sklearn.linear_model", "Ridge")), (None, {"fit": 1})
    ),
    "a template with code": new(*NORMAL, {"_parse_arg_template": WRITES}),
    "a template that decorates": new(*NORMAL, {"_parse_arg_template": DECORATED + PARSERS}),
    "a template that computes defaults": new(*NORMAL, {"_parse_arg_template": DEFAULTED}),
    "a second state that hides the first": build(
        new(*NORMAL, {"_parse_arg_template": WRITES}), {"_parse_arg_template": PARSERS}
    ),
    "a state of pairs": new(*NORMAL, [("_parse_arg_template", WRITES)]),
    "a state that is an OrderedDict": new(*NORMAL, ORDERED),
    "a key that a call makes": new(*NORMAL, Code(b"}" + MADE_KEY + value(WRITES) + b"s")),
    "an instance through a function": build(largest(new(*NORMAL)), {"_parse_arg_template": WRITES}),
    "an object among plain bytes": with_field("O8"),
    "an array wrapper with one": array_wrapper(with_field("O8"), (1,)) + EXEC,
    "an array of two sizes": array_wrapper(
        build(call(DTYPE, "V1", False, True), (3, "|", None, None, None, 6, 1, 0)), (1,)
    ),
    "a dtype from elsewhere": array_wrapper(largest("S9", dtype("O8")), (1,)),
    "a wrapper from a function": build(
        largest(new("joblib.numpy_pickle", "NumpyArrayWrapper")), {"shape": (5,)}
    ),
    "a wrapper with more in its state": array_wrapper(dtype("i1"), (0,), more=1),
    "an array inside a frame": framed(array_wrapper(dtype("i1"), (8,)) + b"N0" * 4),
}


@pytest.mark.parametrize("name", USAGE)
@pytest.mark.parametrize("inside", [False, True])
def test_refused_or_a_danger(tmp_path, name, inside):
    path = tmp_path / "m.pkl"
    body = model(extra_=USAGE[name]) if inside else USAGE[name] + b"0" + model()
    path.write_bytes(program(body))
    try:
        assert inspect(path).dangers, "it was taken for harmless"
    except ModelError as error:
        assert error.why


def test_the_model_itself_is_harmless(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(program(new(*NORMAL, {"_parse_arg_template": PARSERS}) + b"0" + model()))
    assert not inspect(path).dangers


@pytest.mark.parametrize(
    "version",
    ['1.9.1", "evil @ https://example.invalid/x.zip', "1.9.1 @ https://example.invalid/x",
     '1.9"\n]\n[tool.uv]\nindex-url="https://example.invalid', "1.9.1\x1b[2J", "-r requirements"],
)  # fmt: skip
def test_a_version_is_a_version(tmp_path, version):
    path = tmp_path / "m.pkl"
    path.write_bytes(program(model(_sklearn_version=version)))
    with pytest.raises(ModelError, match="library that can't be"):
        inspect(path)


def test_a_vectorizer_that_opens_files_is_refused(tmp_path):
    pipeline = make_pipeline(CountVectorizer(analyzer="char"), LinearRegression())
    pipeline.fit(["ab", "b"], [1, 2])
    pipeline[0].input = "filename"
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(pipeline))
    with pytest.raises(ModelError, match="names of files"):
        inspect(tmp_path / "m.pkl")


def test_the_first_of_two_skops_nodes_of_one_id_counts(tmp_path):
    def node(loader, content, module="builtins", name="dict", **more):
        return {"__class__": name, "__module__": module, "__loader__": loader,
                "content": content, **more}  # fmt: skip

    def template(text):
        held = node("JsonNode", json.dumps(text), name="str")
        return node("DictNode", {"_parse_arg_template": held}, __id__=7)

    state = {
        "_sklearn_version": node("JsonNode", '"1.9.1"', name="str"),
        "n_features_in_": node("JsonNode", "2", name="str"),
        "evil": template(WRITES),
        "norm": node("ObjectNode", template(PARSERS), *NORMAL),
    }
    root = node("ObjectNode", node("DictNode", state), "sklearn.linear_model._ridge", "Ridge")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("schema.json", json.dumps(root))
    (tmp_path / "m.skops").write_bytes(data.getvalue())
    assert inspect(tmp_path / "m.skops").dangers


def nested(depth):
    """Pipelines of pipelines: each step twice, by the memo, so that 2**depth ways lead down."""
    body = model() + b"\x94"
    for index in range(depth):
        step = b"h" + bytes([index])
        steps = b"](" + (value("a") + step + b"\x86") + (value("b") + step + b"\x86") + b"e"
        pipeline = named("sklearn.pipeline", "Pipeline") + b")\x81"
        body += b"0" + pipeline + b"}" + value("steps") + steps + b"sb\x94"
    return program(Code(body))


def test_pipelines_that_hold_each_other_many_times_end_soon(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(nested(60))
    assert len(inspect(path).features) == 3
