"""SavedModels, made by hand: what the card says, which operators are dangerous, and damage."""

import random

import pytest

from mlship.errors import ModelError
from mlship.inspection.savedmodel import read


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def put(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def info(dtype, *sizes, name="x:0"):
    shape = b"".join(put(2, put(1, size)) for size in sizes)
    return put(1, name) + put(2, dtype) + put(3, shape)


def entry(key, value):
    return put(1, key) + put(2, value)


def node(name, op, *inputs, function="", output=""):
    attributes = b""
    if function:
        attributes = put(5, entry("f", put(10, put(1, function))))
    if output:
        attributes = put(5, entry("output_stream", put(2, output)))
    return put(1, name) + put(2, op) + b"".join(put(3, each) for each in inputs) + attributes


def function(name, *nodes):
    return put(1, put(1, name)) + b"".join(put(3, each) for each in nodes)


def saved(
    inputs=None, outputs=None, nodes=(), functions=(), concrete=(), version="2.21.0",
    signature="serving_default",
):  # fmt: skip
    inputs = {"x": info(1, -1, 3)} if inputs is None else inputs
    outputs = {"y": info(1, -1, 1, name="out:0")} if outputs is None else outputs
    ends = b"".join(put(1, entry(*each)) for each in inputs.items())
    ends += b"".join(put(2, entry(*each)) for each in outputs.items())
    graph = b"".join(put(1, each) for each in nodes)
    graph += put(2, b"".join(put(1, each) for each in functions))
    meta = put(1, put(4, "serve") + put(5, version)) + put(2, graph)
    meta += put(5, entry(signature, ends))
    meta += put(7, b"".join(put(2, entry(name, b"")) for name in concrete))
    return put(1, 1) + put(2, meta)


def card_of(tmp_path, data):
    (tmp_path / "saved_model.pb").write_bytes(data)
    return read(tmp_path)


def test_signature_gives_the_card(tmp_path):
    card = card_of(tmp_path, saved())
    assert (card.format, card.framework_version) == ("saved_model", "2.21.0")
    assert card.requirements == ("tensorflow==2.21.0",)
    assert card.python_range == (10, 13)
    assert (card.task, card.takes, len(card.features)) == ("regression", "matrix", 3)
    assert card.input_names == ("x",)
    assert card.output_names == ("y",)
    assert not card.dangers


def test_several_inputs_are_features_of_their_own(tmp_path):
    inputs = {"text": info(7, -1), "image": info(1, -1, 2, -1)}
    outputs = {"a": info(9, -1), "b": info(7, -1)}
    card = card_of(tmp_path, saved(inputs, outputs))
    assert [(f.name, f.dtype, f.shape) for f in card.features] == [
        ("image", "float32", (2, None)), ("text", "string", ()),
    ]  # fmt: skip
    assert card.takes == "inputs"
    assert card.output_names == ("a", "b")
    assert ("text", True) in card.options


@pytest.mark.parametrize(
    ("version", "requirement", "said"),
    [
        ("2.15.0", "tensorflow==2.15.0", ""),
        ("2.4.1", "tensorflow>=2.16", "no build for the Pythons"),
        ("2.20.0-rc0", "tensorflow>=2.16", "no package index has"),
        ("", "tensorflow>=2.16", "names no TensorFlow version"),
    ],
)
def test_version_is_pinned_or_its_lack_is_said(tmp_path, version, requirement, said):
    card = card_of(tmp_path, saved(version=version))
    assert card.requirements == (requirement,)
    assert said in " ".join(card.warnings)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"signature": "other"}, "no signature serving_default"),
        ({"inputs": {"x": info(1, 1, 3)}}, "no free batch"),
        ({"inputs": {"x": info(1)}}, "no free batch"),
        ({"inputs": {"x": put(1, "x:0") + put(2, 1) + put(3, put(3, 1))}}, "no free batch"),
        ({"inputs": {"x": info(14, -1, 3)}}, "can't serve 'x'"),
        ({"inputs": {"x": info(1, -1, 3, name="")}}, "can't serve 'x'"),
        ({"inputs": {"x": info(1, -1, 1 << 60)}}, "can't be sent"),
        ({"inputs": {}}, "takes no input"),
        ({"outputs": {"y": info(1)}}, "no row for each row"),
    ],
)
def test_what_can_not_be_served_is_refused(tmp_path, changes, what):
    with pytest.raises(ModelError) as error:
        card_of(tmp_path, saved(**changes))
    assert what in error.value.what
    assert error.value.next


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": [node("a", "ReadFile")]},
        {"functions": [function("f", node("a", "WriteFile"))]},
        {"functions": [function("f", node("a", "EagerPyFunc"))]},
        {"functions": [function("f", node("a", "TextLineDataset"))]},
        {"functions": [function("f", node("a", "PrintV2", output="file:///etc/x"))]},
        # Saving is run by an initializer, by another function, or by the signature itself.
        {"functions": [function("f", node("a", "SaveV2"))], "concrete": ["f"]},
        {"functions": [function("f", node("a", "SaveV2")),
                       function("g", node("b", "PartitionedCall", function="f"))]},
        {"functions": [function("f", node("a", "SaveV2"))],
         "nodes": [node("out", "PartitionedCall", function="f")]},
        {"nodes": [node("out", "Identity", "^save"), node("save", "SaveV2")]},
    ],
)  # fmt: skip
def test_operators_that_reach_files_are_dangerous(tmp_path, changes):
    assert card_of(tmp_path, saved(**changes)).dangers


@pytest.mark.parametrize(
    "changes",
    [
        {"functions": [function("save", node("a", "SaveV2"), node("b", "MergeV2Checkpoints"))],
         "nodes": [node("saver", "StatefulPartitionedCall", function="save"),
                   node("out", "MatMul", "x")]},
        {"nodes": [node("save/SaveV2", "SaveV2"), node("out", "MatMul", "x")]},
        {"functions": [function("f", node("a", "PrintV2", output="stderr"))]},
    ],
)  # fmt: skip
def test_savers_that_nothing_runs_are_harmless(tmp_path, changes):
    assert not card_of(tmp_path, saved(**changes)).dangers


def test_damage_gives_a_model_error_only(tmp_path):
    functions = [function("f", node("a", "MatMul", "b", "c"))]
    whole = saved(nodes=[node("out", "MatMul", "x")], functions=functions, concrete=["f"])
    for length in range(len(whole)):
        with pytest.raises(ModelError):
            card_of(tmp_path, whole[:length])
    numbers = random.Random(0)
    refused = 0
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(numbers.randint(1, 3)):
            data[numbers.randrange(len(data))] = numbers.randrange(256)
        try:
            card_of(tmp_path, bytes(data))
        except ModelError:
            refused += 1
    assert refused > 300


def test_cycles_and_crowds_end(tmp_path, monkeypatch):
    ring = [node("out", "Identity", "b"), node("b", "Identity", "out")]
    assert card_of(tmp_path, saved(nodes=ring)).task == "regression"
    monkeypatch.setattr("mlship.inspection.savedmodel._MAX_NODES", 10)
    with pytest.raises(ModelError):
        card_of(tmp_path, saved(nodes=[node(f"n{i}", "MatMul") for i in range(11)]))
