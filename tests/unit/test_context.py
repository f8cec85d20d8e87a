"""The plain values that templates print."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlship import context, plan
from mlship import text as text_of
from mlship.card import Feature, ModelCard, Original
from tests.support import models


def card(dtype, example):
    return ModelCard(
        path=Path("model.onnx"),
        framework="onnx",
        format="onnx",
        framework_version=None,
        description="SVC",
        task="classification",
        features=tuple(
            Feature(name, dtype, example=value)
            for name, value in zip(("sepal length", "b"), example, strict=True)
        ),
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("mean radius", '"mean radius"'),
        ("it's", '"it\'s"'),
        ('6" pipe', "'6\" pipe'"),
        ("6\" it's", '"6\\" it\'s"'),
        ("a\\b", '"a\\\\b"'),
        ('a\\"b', "'a\\\\\"b'"),
        ("a\nb", '"a\\nb"'),
        ("größe 模型", '"größe 模型"'),
    ],
)
def test_literal(value, written):
    assert text_of.literal(value) == written


@settings(database=None, deadline=None, derandomize=True)
@given(st.text())
def test_literal_is_the_value(value):
    assert ast.literal_eval(text_of.literal(value)) == value


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("Pipeline(StandardScaler, SVC)", "Pipeline(StandardScaler, SVC)"),
        ("scikit-learn==1.5.0 + x; y: 3.1", "scikit-learn==1.5.0 + x; y: 3.1"),
        ("a \"b\" `c` $d {e} [f] <g> \\h #i *j* 'k' |l|\nm", "a b c d e f g h i j k lm"),
        ("Größe 模型", "Größe 模型"),
        ("a" * 300, "a" * 200),
    ],
)
def test_plain(text, harmless):
    assert text_of.plain(text) == harmless


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("iris.onnx", "model/iris.onnx"),
        ("/data/My Model v2.joblib", "model/My-Model-v2.joblib"),
        ("a&$(b)'.pkl", "model/a-b-.pkl"),
        (".hidden.onnx", "model/hidden.onnx"),
        ("--force.onnx", "model/force.onnx"),
        ("model.v1.2.onnx", "model/model.v1.2.onnx"),
        ("模型.onnx", "model/model.onnx"),
        ("---.joblib", "model/model.joblib"),
    ],
)
def test_model_file(path, inside):
    assert context.model_file(Path(path)) == inside


@pytest.mark.parametrize(
    ("size", "label"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1049, "1.0 kB"),
        (2_560, "2.6 kB"),
        (1_500_000, "1.5 MB"),
        (2_000_000_000, "2.0 GB"),
        (5_000_000_000_000, "5000.0 GB"),
    ],
)
def test_size(size, label):
    assert context._size(size) == label


@pytest.mark.parametrize(
    ("dtype", "example", "values"),
    [
        ("float32", (5.1, 2.0), ["5.1", "2.0"]),
        ("float64", (0.0, -1.5), ["0.0", "-1.5"]),
        ("int64", (5, -2), ["5", "-2"]),
        ("int32", (None, 7), ["0", "7"]),
        ("string", (None, "a"), ["'text'", "'a'"]),
        ("bool", (None, True), ["False", "True"]),
        ("float64", (True, None), ["1", "0.0"]),
    ],
)
def test_sample(dtype, example, values):
    (instance,) = json.loads(context.sample(card(dtype, example)))["instances"]
    assert list(instance) == ["sepal length", "b"]
    assert [repr(value) for value in instance.values()] == values


@pytest.mark.parametrize("converted", [False, True])
def test_only_what_survives_a_fork_is_loaded_before_it(tmp_path, converted):
    """A converted model keeps its framework's name, but runs in threads of ONNX Runtime."""
    wishes = plan.Wishes(model=models.save("tumor.joblib", tmp_path), server="flask")
    made = plan.make(tmp_path / "tumor", wishes)
    proof = Original("tumor.joblib", "0" * 64, "3.11", ("float32",), "same", ())
    read = replace(made.card, original=proof if converted else None)
    assert context.build(read, made.config, "")["preloads"] is not converted
