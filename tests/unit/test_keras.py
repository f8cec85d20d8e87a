""".keras files, made by hand: what the card says, what is dangerous, and that nothing escapes."""

import json
import random
import zipfile

import pytest

from mlship.errors import ModelError
from mlship.inspection.keras import read


def layer(kind, module="keras.layers", **config):
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def start(*shape, dtype="float32", name="rows"):
    return layer("InputLayer", batch_shape=[None, *shape], dtype=dtype, name=name)


def dense(units, activation="linear", inputs=(None, 4), **config):
    made = layer("Dense", units=units, activation=activation, name="dense", **config)
    return {**made, "build_config": {"input_shape": list(inputs)}}


def sequential(*layers, **more):
    return {"module": "keras", "class_name": "Sequential", "registered_name": None,
            "config": {"layers": list(layers)}, **more}  # fmt: skip


def made(path, config, metadata=None):
    with zipfile.ZipFile(path, "w") as file:
        text = json.dumps({"keras_version": "3.15.1"} if metadata is None else metadata)
        file.writestr("metadata.json", text)
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
    return path


def card_of(tmp_path, config, metadata=None):
    return read(made(tmp_path / "m.keras", config, metadata))


@pytest.mark.parametrize(
    ("last", "task", "classes", "binary"),
    [
        (dense(3, "softmax"), "classification", (0, 1, 2), False),
        (dense(1, "sigmoid"), "classification", (0, 1), True),
        (dense(1), "regression", (), False),
        (dense(2), "inference", (), False),
        (dense(5, "sigmoid"), "inference", (), False),
        (dense(3, "softmax", inputs=(None, 7, 4)), "inference", (), False),
        (dense(10**9, "softmax"), "inference", (), False),
    ],
)
def test_last_layer_tells_the_task(tmp_path, last, task, classes, binary):
    card = card_of(tmp_path, sequential(start(4), last))
    assert (card.task, card.classes, card.probabilities) == (task, classes, bool(classes))
    assert ("binary" in dict(card.options)) == binary
    assert [feature.name for feature in card.features] == ["x0", "x1", "x2", "x3"]
    assert card.requirements == ("keras==3.15.1", "jax>=0.4.30")
    assert not card.dangers
    assert any("no names of its classes" in w for w in card.warnings) == bool(classes)


def test_activation_after_a_dense_counts(tmp_path):
    card = card_of(
        tmp_path, sequential(start(4), dense(1), layer("Activation", activation="sigmoid"))
    )
    assert card.classes == (0, 1)


def test_text_needs_tensorflow(tmp_path):
    config = sequential(start(1, dtype="string"), layer("TextVectorization", vocabulary=None))
    card = card_of(tmp_path, config)
    assert card.takes == "texts"
    assert dict(card.options)["backend"] == "tensorflow"
    assert "tensorflow>=2.16" in card.requirements


def test_functional_model_names_inputs_and_outputs(tmp_path):
    inputs = [start(1, name="age"), start(1, name="rooms", dtype="int32")]
    config = {
        "module": "keras.src.models.functional", "class_name": "Functional",
        "config": {"layers": [*inputs, dense(1)], "input_layers": {"b": ["rooms", 0, 0],
                                                                   "a": ["age", 0, 0]},
                   "output_layers": {"z": ["dense", 0, 0]}},
        "registered_name": "Functional",
    }  # fmt: skip
    card = card_of(tmp_path, config)
    assert [(f.name, f.dtype, f.shape) for f in card.features] == [
        ("a", "float32", ()), ("b", "int32", ()),
    ]  # fmt: skip
    assert card.output_names == ("z",)
    assert {"columns", "inputs_by_name"} <= dict(card.options).keys()
    assert card.task == "inference"


@pytest.mark.parametrize(
    "extra",
    [
        layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEA"}}),
        layer("TFSMLayer", filepath="/tmp/x"),
        layer("StringLookup", vocabulary="/etc/passwd"),
        dense(1, {"module": "os", "class_name": "function", "config": "system",
                  "registered_name": "system"}),
        dense(1, {"module": "builtins", "class_name": "function", "config": "eval",
                  "registered_name": "eval"}),
        dense(1, {"module": "keras.utils", "class_name": "function", "config": "get_file",
                  "registered_name": "get_file"}),
        dense(1, {"module": "keras.config", "class_name": "function",
                  "config": "enable_unsafe_deserialization", "registered_name": None}),
    ],
)  # fmt: skip
def test_code_in_the_configuration_is_dangerous(tmp_path, extra):
    assert card_of(tmp_path, sequential(start(4), extra, dense(1))).dangers


@pytest.mark.parametrize(
    ("module", "registered", "named"),
    [("shop.layers", "Mine", "shop"), (None, "pack>Mine", "pack"), (None, "Mine", "Mine")],
)
def test_classes_of_others_are_named(tmp_path, module, registered, named):
    extra = {**layer("Mine", module=module), "registered_name": registered}
    card = card_of(tmp_path, sequential(start(4), extra, dense(1)))
    assert card.modules == (named,)


def test_own_loss_is_no_matter_as_nothing_is_compiled(tmp_path):
    loss = {"module": "shop.losses", "class_name": "function", "config": "mine",
            "registered_name": "mine"}  # fmt: skip
    card = card_of(tmp_path, sequential(start(4), dense(1), compile_config={"loss": loss}))
    assert not card.dangers
    assert not card.modules


def test_unknown_version_is_said(tmp_path):
    card = card_of(tmp_path, sequential(start(4), dense(1)), {"keras_version": "2.15.0"})
    assert card.framework_version is None
    assert card.requirements[0] == "keras>=3.0"
    assert "2.15.0" in card.warnings[0]


@pytest.mark.parametrize(
    "first",
    [
        start(10**12),
        start(0),
        start(4, dtype="complex64"),
        layer("InputLayer", batch_shape=[None, "four"], name="a"),
        layer("InputLayer", batch_shape=[None, 4], name="a", ragged=True),
        dense(1),
    ],
)
def test_inputs_that_can_not_be_sent_are_refused(tmp_path, first):
    with pytest.raises(ModelError) as error:
        card_of(tmp_path, sequential(first, dense(1)))
    assert error.value.next


def test_nothing_else_escapes(tmp_path):
    whole = made(tmp_path / "whole", sequential(start(4), dense(3, "softmax"))).read_bytes()
    numbers = random.Random(0)
    path = tmp_path / "damaged.keras"
    refused = 0
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            read(path)
    odd = [None, -1, 10**30, "", "x", [], {}, [None], {"class_name": 1}, True, 1.5]
    for _ in range(500):
        config = sequential(start(4), dense(3, "softmax"))
        place = config
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = numbers.choice(keys)
            if numbers.random() < 0.3 or not isinstance(place[key], dict | list):
                place[key] = numbers.choice(odd)
                break
            place = place[key]
        try:
            card_of(tmp_path, config)
        except ModelError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "null", "[]", '{"class_name": "Sequential"}'])
def test_damaged_configuration_is_refused(tmp_path, text):
    with pytest.raises(ModelError):
        card_of(tmp_path, text)
