"""XGBoost's JSON and UBJSON: what is read, what is stepped over, and what no bytes can do."""

import json
import random
import struct
import tracemalloc

import pytest

from mlship.errors import ModelError
from mlship.inspection import jsonscan, ubjson
from mlship.inspection.facts import FormatError
from mlship.inspection.xgboost import facts, read


def document(**learner):
    """A model as save_model writes it: keys are sorted, numbers are texts."""
    tree = {"base_weights": [0.5, -1.5], "id": 0, "tree_param": {"num_nodes": "2"}}
    model = {
        "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
        "gbtree_model_param": {"num_trees": "2"},
        "trees": [tree, tree],
    }
    learner = {
        "attributes": {},
        "feature_names": ["age", "plan"],
        "feature_types": ["float", "int"],
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {"num_class": "0", "num_feature": "2", "num_target": "1"},
        "objective": {"name": "binary:logistic"},
        **learner,
    }
    return {"learner": learner, "version": [3, 2, 0]}


def as_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def as_ubjson(value):
    """Encode as UBJWriter in xgboost's src/common/json.cc."""
    if isinstance(value, dict):
        return b"{" + b"".join(text(k) + as_ubjson(v) for k, v in value.items()) + b"}"
    if isinstance(value, str):
        return b"S" + text(value)
    if isinstance(value, float):
        return b"d" + struct.pack(">f", value)
    if isinstance(value, int):
        return b"l" + struct.pack(">i", value)
    if value and all(isinstance(item, float) for item in value):
        return b"[$d#L" + struct.pack(f">q{len(value)}f", len(value), *value)
    return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(as_ubjson, value))


def text(value):
    return b"L" + struct.pack(">q", len(value.encode())) + value.encode()


@pytest.mark.parametrize("encode", [as_json, as_ubjson])
def test_both_forms_tell_the_same(tmp_path, encode):
    path = tmp_path / "model"
    path.write_bytes(encode(document()))
    card = read(path)
    assert card.format == {as_json: "json", as_ubjson: "ubj"}[encode]
    assert [(f.name, f.dtype, f.nullable) for f in card.features] == [
        ("age", "float32", True), ("plan", "float32", True),
    ]  # fmt: skip
    assert (card.task, card.classes, card.probabilities) == ("classification", (0, 1), True)
    assert card.description == "XGBoost gbtree of 2 trees, binary:logistic"
    assert card.framework_version == "3.2.0"
    assert card.requirements == (
        "xgboost-cpu==3.2.0; sys_platform == 'linux'",
        "xgboost==3.2.0; sys_platform != 'linux'",
    )


def test_pretty_printed_json_is_read_as_well():
    assert facts(json.dumps(document(), indent=2).encode()) == facts(as_json(document()))


def test_a_pickled_boosters_snapshot_is_read():
    assert facts(as_ubjson({"Config": {"version": [9]}, "Model": document()})).version == "3.2.0"


@pytest.mark.parametrize(
    ("objective", "parameters", "task", "classes", "probabilities"),
    [
        ("reg:squarederror", {}, "regression", (), False),
        ("survival:cox", {}, "regression", (), False),
        ("rank:ndcg", {}, "regression", (), False),
        ("binary:hinge", {}, "classification", (0, 1), False),
        ("multi:softprob", {"num_class": "3"}, "classification", (0, 1, 2), True),
        ("multi:softmax", {"num_class": "3"}, "classification", (0, 1, 2), False),
    ],
)
def test_the_objective_decides_the_answer(objective, parameters, task, classes, probabilities):
    found = facts(as_json(document(
        objective={"name": objective}, learner_model_param={"num_feature": "2", **parameters}
    )))  # fmt: skip
    assert (found.task, found.classes, found.probabilities) == (task, classes, probabilities)
    assert bool(found.warnings) == bool(classes)


def test_several_targets_are_several_outputs():
    found = facts(as_json(document(learner_model_param={"num_feature": "2", "num_target": "3"})))
    assert found.output_classes == ((0, 1),) * 3 and not found.probabilities
    assert dict(found.options)["multilabel"] is True


def test_labels_of_an_old_wrapper_and_the_best_round():
    wrapper = json.dumps({"_le": {"classes_": ["no", "yes"]}, "missing": float("nan")})
    old = document(attributes={"scikit_learn": wrapper, "best_iteration": "7"})
    old["version"] = [1, 5, 2]
    found = facts(as_json(old))
    assert found.classes == ("no", "yes")
    assert dict(found.options)["trees"] == 8
    assert found.requirements == ("xgboost==1.7.6",)
    assert "1.5.2" in found.warnings[0]


def with_categories(texts, offsets, version=(3, 2, 0)):
    values = [byte - 256 if byte > 127 else byte for byte in texts]
    enc = [{"offsets": offsets, "values": values}, {"type": 15, "values": [30, 10]}]
    made = document(
        feature_types=["c", "c"],
        gradient_booster={"model": {"cats": {"enc": enc}}, "name": "gbtree"},
    )
    return {**made, "version": list(version)}


@pytest.mark.parametrize("encode", [as_json, as_ubjson])
def test_categories_in_the_order_of_their_codes(encode):
    found = facts(encode(with_categories(b"zoneab", [0, 4, 5, 6])))
    assert [(f.dtype, f.categories) for f in found.features] == [
        ("string", ("zone", "a", "b")), ("int64", (30, 10)),
    ]  # fmt: skip
    assert found.takes == "frame"


def test_categories_that_xgboost_garbles_become_codes():
    garbled = facts(as_json(with_categories("öa".encode(), [0, 2, 3])))
    assert [f.dtype for f in garbled.features] == ["int32", "int64"]
    assert "categories of age" in garbled.warnings[0]
    whole = facts(as_json(with_categories("öa".encode(), [0, 2, 3], (3, 4, 0))))
    assert whole.features[0].categories == ("ö", "a")


def test_texts_with_brackets_are_stepped_over():
    names = ['a]"}', "{["]
    assert facts(as_json(document(feature_names=names))).features[1].name == "{["
    tricky = document(zzz=[{"k]": '\\"]}'}, "[["] * 50_000)
    assert jsonscan.extract(as_json(tricky), {"version": None}) == {"version": [3, 2, 0]}


def test_large_trees_are_never_held(tmp_path):
    tree = as_json({"base_weights": [0.25] * 1000, "id": 1})
    head, tail = as_json(document(zz=["@"])).split(b'"@"')
    path = tmp_path / "big.json"
    path.write_bytes(head + b",".join([tree] * 8000) + tail)
    assert path.stat().st_size > 32 << 20
    tracemalloc.start()
    try:
        assert read(path).framework_version == "3.2.0"
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_large_trees_in_ubjson_are_leapt_over(tmp_path):
    made = document()
    made["learner"]["gradient_booster"]["model"]["trees"] = [{"w": [0.25] * 1000}] * 10_000
    path = tmp_path / "big.ubj"
    path.write_bytes(as_ubjson(made))
    assert path.stat().st_size > 33 << 20
    assert read(path).features[0].name == "age"


def is_refused(data):
    try:
        facts(data)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("encode", [as_json, as_ubjson])
def test_no_cut_or_changed_byte_does_more_than_an_error(encode):
    data = encode(with_categories(b"zoneab", [0, 4, 5, 6]))
    assert all(is_refused(data[:end]) for end in range(len(data)))
    dice = random.Random(0)
    refused = 0
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(data))] = dice.choice(b'\0"]{L\xff')
        refused += is_refused(bytes(changed))
    assert 500 < refused < 3000


def test_a_damaged_file_is_a_model_error(tmp_path):
    path = tmp_path / "model.json"
    for content in (b"", b"{", b"{L", as_json(document())[:-1]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is not an XGBoost model, or is damaged") as raised:
            read(path)
        assert raised.value.why and "save_model" in raised.value.next


@pytest.mark.parametrize(
    "value",
    [
        b"[#L" + b"\x7f" * 8,
        b"[$D#L" + b"\x7f" * 8,
        b"[$D#L" + b"\xff" * 8,
        b"SL" + b"\x7f" * 8,
        b"[" * 100_000,
        b"{" + (text("k") + b"{") * 100_000,
        b"[$Z#L" + b"\x7f" * 8,
        b"H",
        b"[#L" + struct.pack(">q", 1) + b"]",
        b"{" + text("k") + b"}",
    ],
)
def test_claims_of_ubjson_are_checked(value):
    for key in ("version", "unwanted"):
        with pytest.raises(FormatError):
            ubjson.extract(b"{" + text(key) + value, {"version": None})


@pytest.mark.parametrize("value", [b"[" * 100_000 + b"]" * 100_000, b'"' + b"x" * 5_000_000 + b'"'])
def test_claims_of_json_are_checked(value):
    with pytest.raises(FormatError):
        jsonscan.extract(b'{"version":' + value + b"}", {"version": None})
    assert jsonscan.extract(b'{"other":' + value + b"}", {"version": None}) == {}


def test_a_number_of_megabytes_is_none():
    for key in ("version", "other"):
        with pytest.raises(FormatError):
            jsonscan.extract(b'{"%s":' % key.encode() + b"1" * 5_000_000 + b"}", {"version": None})


@pytest.mark.parametrize(
    "learner",
    [
        {"learner_model_param": {"num_feature": "999999999"}},
        {"feature_names": []} | {"learner_model_param": {"num_feature": "0"}},
        {"feature_names": ["one"]},
        {"feature_names": [1, 2]},
        {"learner_model_param": {"num_feature": "2", "num_class": "999999999"}},
        {"objective": {"name": "\x1b[2J"}},
        {"gradient_booster": []},
    ],
)
def test_nonsense_is_refused(learner):
    with pytest.raises(FormatError):
        facts(as_json(document(**learner)))
