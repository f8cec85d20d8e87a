"""CatBoost's .cbm: the features and settings of its flatbuffer, and what no bytes can do."""

import json
import random
import struct

import pytest

from mlship.errors import ModelError
from mlship.inspection.catboost import facts, read
from mlship.inspection.facts import FormatError


class Fields(dict):
    """A table by field number; a value is (struct code, number), a text, a Fields or a list."""


def encode(value):
    """Encode a flatbuffer's value: its length or vtable first, then what it points to."""
    if isinstance(value, str):
        data = value.encode()
        return struct.pack("<I", len(data)) + data + b"\0"
    if isinstance(value, list):
        if value and isinstance(value[0], float):
            return struct.pack(f"<I{len(value)}f", len(value), *value)
        head, tail = struct.pack("<I", len(value)), b""
        for index, item in enumerate(value):
            begin = start_of(item)
            head += struct.pack("<I", 4 * (len(value) - index) + len(tail) + begin)
            tail += encode(item)
        return head + tail
    count = max(value, default=-1) + 1
    places, inline, pointers = [0] * count, b"", []
    for index, item in value.items():
        places[index] = 4 + len(inline)
        if isinstance(item, tuple):
            inline += struct.pack(f"<{item[0]}", item[1])
        else:
            pointers.append((4 + len(inline), item))
            inline += b"\0\0\0\0"
    vtable = struct.pack(f"<HH{count}H", 4 + 2 * count, 4 + len(inline), *places)
    table = bytearray(struct.pack("<i", len(vtable)) + inline)
    tail = b""
    for at, item in pointers:
        struct.pack_into("<I", table, at, len(table) - at + len(tail) + start_of(item))
        tail += encode(item)
    return vtable + bytes(table) + tail


def start_of(value):
    """Where a table begins behind its vtable; texts and vectors have none."""
    return 4 + 2 * (max(value, default=-1) + 1) if isinstance(value, Fields) else 0


def model(trees=None, settings=None, parts=b""):
    """A model of two numbers around a category and a text, as save_model lays it out."""
    number = [
        Fields({0: ("?", True), 1: ("i", 0), 2: ("i", 0), 3: [1.0, 2.0, 3.0], 4: "age"}),
        Fields({1: ("i", 1), 2: ("i", 2), 3: [-3.4028235e38], 4: "size"}),
    ]
    category = [Fields({0: ("i", 0), 1: ("i", 1), 2: "colour"})]
    seen = [Fields({0: ("i", 0), 2: ["red", "blue"]})]
    note = [Fields({0: ("i", 0), 1: ("i", 3), 2: "note"})]
    trees = {0: ("i", 1), 2: [1.0, 1.0], 4: category, 5: number, 6: seen, 12: note} | (trees or {})
    given = {
        "catboost_version_info": "Git info:\n Branch: tags/v1.2.10\n Summary: release",
        "class_params": json.dumps({"class_names": ["no", "yes"], "class_label_type": "String"}),
        "params": json.dumps({"loss_function": {"type": "Logloss", "params": {}}}),
    } | (settings or {})
    pairs = [Fields({0: key, 1: value}) for key, value in given.items() if value is not None]
    root = Fields({0: "FlabuffersModel_v1", 1: Fields(trees), 2: pairs})
    if parts:
        root[3] = ["static_ctr_provider_v1"]
    core = struct.pack("<I", 4 + start_of(root)) + encode(root)
    return b"CBM1" + struct.pack("<I", len(core)) + core + parts


def test_features_come_in_column_order(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(model())
    card = read(path)
    assert (card.framework, card.format, card.framework_version) == ("catboost", "cbm", "1.2.10")
    assert [(f.name, f.dtype, f.nullable, f.example) for f in card.features] == [
        ("age", "float32", True, 2.0), ("colour", "string", False, "red"),
        ("size", "float32", True, None), ("note", "string", False, None),
    ]  # fmt: skip
    assert card.features[0].description == ""
    assert card.features[2].description == "Never missing in the training data."
    assert (card.task, card.classes, card.probabilities) == ("classification", ("no", "yes"), True)
    assert card.description == "CatBoost of 2 trees, Logloss"
    assert card.requirements == ("catboost==1.2.10",)
    assert card.python_range == (8, 14)


def test_no_class_parameters_is_a_regression():
    found = facts(model(settings={"class_params": None, "params": "{}"}))
    assert (found.task, found.classes, found.probabilities) == ("regression", (), False)


def test_multilabel_has_an_output_per_dimension():
    loss = json.dumps({"loss_function": {"type": "MultiLogloss"}})
    found = facts(model({0: ("i", 3)}, {"params": loss}))
    assert found.output_classes == ((0, 1),) * 3 and not found.probabilities


@pytest.mark.parametrize(
    ("parameters", "classes"),
    [
        ({"class_names": [0, 1], "class_label_type": "Integer"}, (0, 1)),
        ({"class_names": [], "class_to_label": [0.0, 1.0], "class_label_type": "Integer"}, (0, 1)),
        ({"class_names": [1.5, 2.5], "class_label_type": "Float"}, (1.5, 2.5)),
        ({"class_names": [False, True], "class_label_type": "Boolean"}, (False, True)),
    ],
)
def test_labels_are_of_the_type_they_were_given_in(parameters, classes):
    found = facts(model(settings={"class_params": json.dumps(parameters)})).classes
    assert found == classes and list(map(type, found)) == list(map(type, classes))


@pytest.mark.parametrize(
    ("info", "version", "requirements", "last"),
    [
        ("tags/v1.2.7", "1.2.7", ("catboost==1.2.7", "numpy<2"), 12),
        ("CatBoost Release 1.2.2.", "1.2.2", ("catboost==1.2.2", "numpy<2"), 11),
        ("tags/v1.0.6", "1.0.6", ("catboost>=1.2.8",), 14),
        ("heads/master", None, ("catboost>=1.2.8",), 14),
    ],
)
def test_the_version_decides_what_is_installed(info, version, requirements, last):
    found = facts(model(settings={"catboost_version_info": info}))
    assert (found.version, found.requirements) == (version, requirements)
    assert found.python_range == (8, last)
    assert bool(found.warnings) == requirements[0].startswith("catboost>=")


def test_columns_without_a_feature_are_kept_and_unnamed_ones_numbered():
    numbers = [Fields({2: ("i", 0), 4: "0"}), Fields({2: ("i", 2), 4: "2"})]
    found = facts(model({4: [], 5: numbers, 12: []}))
    assert [f.name for f in found.features] == ["x0", "x1", "x2"]
    assert found.features[1].description == "The model does not look at it."


def test_embeddings_are_refused_in_plain_words():
    with pytest.raises(ModelError, match="embedding"):
        facts(model({18: [Fields({1: ("i", 4), 2: "face"})]}))


def is_refused(data):
    try:
        facts(data)
    except (ValueError, ModelError):
        return True
    return False


def test_no_cut_or_changed_byte_does_more_than_an_error():
    data = model()
    assert all(is_refused(data[:end]) for end in range(len(data)))
    dice = random.Random(0)
    refused = 0
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(data))] = dice.choice([0, 1, 4, 0x7F, 0x80, 0xFF])
        refused += is_refused(bytes(changed))
    assert 500 < refused < 3000


def test_a_damaged_file_is_a_model_error(tmp_path):
    path = tmp_path / "model.cbm"
    for content in (b"", b"CBM1", model()[:-100]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is not a CatBoost model, or is damaged") as raised:
            read(path)
        assert raised.value.why and "save_model" in raised.value.next


def test_missing_parts_are_noticed():
    whole = model(parts=b"ctr")
    assert facts(whole).version == "1.2.10"
    with pytest.raises(FormatError, match="missing"):
        facts(whole[:-3])


def test_many_offsets_to_one_long_text_are_refused():
    """In the file it lies once; read for each of a thousand settings, it would fill the memory."""
    root = Fields({1: Fields({}), 2: []})
    core = bytearray(struct.pack("<I", 4 + start_of(root)) + encode(root))
    pair = Fields({0: "key", 1: "x" * 1_000_000})
    count = 1000
    core[-4:] = struct.pack("<I", count)  # the empty list of settings comes last
    for index in range(count):
        core += struct.pack("<I", 4 * (count - index) + start_of(pair))
    core += encode(pair)
    with pytest.raises(FormatError, match="too long"):
        facts(b"CBM1" + struct.pack("<I", len(core)) + bytes(core))


@pytest.mark.parametrize("index", [-5, 2**31 - 1, 0])
def test_a_feature_must_have_a_column_of_its_own(index):
    with pytest.raises(FormatError, match="column"):
        facts(model({4: [Fields({1: ("i", index), 2: "colour"})]}))
