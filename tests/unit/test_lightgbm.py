"""LightGBM's text: the head, the tail, and what no bytes can do."""

import random

import pytest

from mlship.errors import ModelError
from mlship.inspection.facts import FormatError
from mlship.inspection.lightgbm import facts, read


def model(tail="pandas_categorical:null\n", **head):
    """A model as Booster.save_model writes it."""
    lines = {
        "version": "v4",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "label_index": "0",
        "max_feature_idx": "2",
        "objective": "binary sigmoid:1",
        "feature_names": "age plan code",
        "feature_infos": "[18:80] none 0:1:4",
        "tree_sizes": "300 310",
        **head,
    }
    written = "".join(f"{k}={v}\n" for k, v in lines.items() if v is not None)
    return (
        f"tree\n{written}\nTree=0\nnum_leaves=2\nleaf_value=1 2\n\nTree=1\nnum_leaves=1\n\n"
        f"end of trees\n\nparameters:\n[boosting: gbdt]\nend of parameters\n\n{tail}"
    ).encode()


def test_the_head_names_features_and_what_was_seen(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(model())
    card = read(path)
    assert (card.framework, card.format, card.framework_version) == ("lightgbm", "txt", None)
    assert [(f.name, f.dtype, f.example, f.nullable) for f in card.features] == [
        ("age", "float64", 49.0, True), ("plan", "float64", None, True), ("code", "int32", 0, True),
    ]  # fmt: skip
    assert card.features[0].description == "From 18 to 80 in the training data."
    assert (card.task, card.classes, card.probabilities) == ("classification", (0, 1), True)
    assert card.description == "LightGBM of 2 trees, binary"
    assert card.takes == "matrix"
    assert "does not name the LightGBM" in card.warnings[0]


@pytest.mark.parametrize(
    ("objective", "count", "task", "classes"),
    [
        ("regression", "1", "regression", ()),
        ("lambdarank", "1", "regression", ()),
        ("cross_entropy", "1", "regression", ()),
        ("multiclass num_class:3", "3", "classification", (0, 1, 2)),
        ("multiclassova num_class:3 sigmoid:1", "3", "classification", (0, 1, 2)),
        (None, "1", "regression", ()),
    ],
)
def test_the_objective_decides_the_answer(objective, count, task, classes):
    found = facts(model(objective=objective, num_class=count))
    assert (found.task, found.classes) == (task, classes)
    assert found.probabilities == bool(classes)
    assert any("of its own" in warning for warning in found.warnings) == (objective is None)


def test_no_names_are_numbers():
    found = facts(model(feature_names="Column_0 Column_1 Column_2"))
    assert [f.name for f in found.features] == ["x0", "x1", "x2"]


def test_pandas_categories_belong_to_the_columns_with_codes():
    found = facts(model('pandas_categorical:[["b", "a", "ü", "d", "e"]]\n'))
    assert found.takes == "frame"
    assert found.features[2].dtype == "string"
    assert found.features[2].categories == ("b", "a", "ü", "d", "e")
    numbers = facts(model("pandas_categorical:[[10, 20, 30, 40, 50]]\n"))
    assert numbers.features[2].dtype == "int64"


@pytest.mark.parametrize("lists", ['[["a"], ["b"]]', '[["a", "b"]]', '[["a", 1, "c", "d", "e"]]'])
def test_pandas_categories_of_unknown_columns_are_codes(lists):
    found = facts(model(f"pandas_categorical:{lists}\n"))
    assert found.takes == "matrix" and not found.features[2].categories
    assert any("does not say which columns" in warning for warning in found.warnings)


def is_refused(data):
    try:
        facts(data)
    except ValueError:
        return True
    return False


def test_no_cut_or_changed_byte_does_more_than_an_error():
    data = model('pandas_categorical:[["b", "a", "c", "d", "e"]]\n')
    last_tree = data.index(b"end of trees")
    assert all(is_refused(data[:end]) for end in range(last_tree))
    dice = random.Random(0)
    refused = 0
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(data))] = dice.choice(b'\0\n= :[]9-e"\xff')
        refused += is_refused(bytes(changed[: dice.randrange(last_tree, len(data) + 1)]))
    assert 500 < refused < 3000


def test_a_damaged_file_is_a_model_error(tmp_path):
    path = tmp_path / "model.txt"
    for content in (b"", b"tree\n", model()[:100]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is not a LightGBM model, or is damaged") as raised:
            read(path)
        assert raised.value.why and "save_model" in raised.value.next


@pytest.mark.parametrize(
    "head",
    [
        {"max_feature_idx": "999999999"},
        {"max_feature_idx": "-5"},
        {"max_feature_idx": "9" * 5000},
        {"max_feature_idx": "3"},
        {"feature_infos": "[0:1]"},
        {"feature_infos": "[0:1] none ?"},
        {"feature_infos": "[1.2.3:1] none none"},
        {"objective": "\x1b[2J"},
        {"objective": "multiclass", "num_class": "999999999"},
        {"version": "4"},
    ],
)
def test_nonsense_is_refused(head):
    assert is_refused(model(**head))


def test_infinite_ranges_give_no_example():
    found = facts(model(feature_infos="[-inf:inf] [-1e308:1.7e308] none"))
    assert found.features[0].example is None
    assert found.features[1].example == pytest.approx(3.5e307)


@pytest.mark.parametrize("tail", ["{", "[1]", "[" * 50_000])
def test_a_broken_tail_is_refused(tail):
    with pytest.raises(FormatError):
        facts(model(f"pandas_categorical:{tail}"))
