"""Golden rows: how they are made, kept, and compared."""

import json

import pytest

from mlship import golden, goldenrows
from mlship.card import Feature, ModelCard
from mlship.errors import ProjectError
from mlship.golden import Golden

SHA = "a" * 64


def card(tmp_path, *features, framework="scikit-learn"):
    path = tmp_path / "m.joblib"
    path.write_bytes(b"m")
    return ModelCard(path=path, format="joblib", framework=framework, framework_version="1",
                     task="regression", features=features, takes="frame", sha256=SHA, size=1,
                     description="a model")  # fmt: skip


FEATURES = (
    Feature("age", "int64", example=40),
    Feature("share", "float64", example=0.5, nullable=True),
    Feature("city", "string", categories=("Oslo", "Rome")),
    Feature("member", "bool"),
    Feature("small", "uint8", example=254),
    Feature("note", "string", example="hello"),
)


def test_rows_fit_the_schema_and_begin_with_the_example(tmp_path):
    made = card(tmp_path, *FEATURES)
    rows = goldenrows.of(made, [])
    assert rows[0] == list(made.example) and 20 < len(rows) <= 32
    assert rows == goldenrows.of(made, []), "the same for the same model"
    for age, share, city, member, small, note in rows:
        assert isinstance(age, int) and (share is None or isinstance(share, float))
        assert city in ("Oslo", "Rome") and isinstance(member, bool)
        assert 0 <= small <= 255 and note == "hello"
    assert any(row[1] is None for row in rows) and len({json.dumps(row) for row in rows}) > 20


def test_without_a_hint_rows_reach_beyond_zero(tmp_path):
    """A model trained on lengths of centimetres answers all rows around 0 alike."""
    flower = card(tmp_path, *(Feature(name, "float64") for name in "abcd"), Feature("n", "int64"))
    *sizes, whole = zip(*goldenrows.of(flower, []), strict=True)
    for values in sizes:
        assert sum(value > 2.5 for value in values) >= 4 and max(map(abs, values)) < 2000
    assert max(map(abs, whole)) > 20 and all(isinstance(value, int) for value in whole)
    tensor = goldenrows.of(card(tmp_path, Feature("x", "float32", (None, 3))), [])
    assert len(tensor) == 32 and {len(row) for (x,) in tensor for row in x} == {3}


def test_of_code_and_of_texts_only_the_example(tmp_path):
    assert len(goldenrows.of(card(tmp_path, *FEATURES, framework="python"), [])) == 1


def test_large_tensors_make_no_file(tmp_path):
    picture = Feature("x", "float32", shape=(3, 224, 224))
    assert goldenrows.files(card(tmp_path, picture), None, tmp_path) == {}
    small = goldenrows.of(
        card(tmp_path, Feature("x", "float32", (2, 2), example=[[1.0, 2.0]] * 2)), []
    )
    assert len(small) > 5 and all(len(row[0]) == 2 for row in small)


def test_a_sample_gives_rows(tmp_path):
    sample = tmp_path / "s.csv"
    sample.write_text(
        "age,share,city,member,small,note\n" + "7,,Oslo,true,3,hi\n,1,Rome,true,3,x\n"
    )
    text = goldenrows.files(card(tmp_path, *FEATURES), sample, tmp_path)[golden.FILE]
    rows = json.loads(text)["rows"]
    assert [7, None, "Oslo", True, 3, "hi"] in rows
    assert not any(row[0] is None for row in rows), "age takes no null"


def test_answers_of_the_same_model_survive_another_init(tmp_path):
    place = tmp_path / golden.FILE
    place.parent.mkdir()
    place.write_text(golden.written(Golden([[1]], [2.0], model=SHA)))
    made = card(tmp_path, Feature("age", "int64"))
    assert json.loads(goldenrows.files(made, None, tmp_path)[golden.FILE])["predictions"] == [2.0]
    place.write_text(golden.written(Golden([[1]], [2.0], model="b" * 64)))
    assert "predictions" not in goldenrows.files(made, None, tmp_path)[golden.FILE]


def test_answers_count_for_their_model_only(project):
    assert golden.read(project, SHA) == Golden([{"a": 1.5, "b": 2}])
    (project / "tests").mkdir()
    asked = Golden([[1], [2], [3]])
    answers = [{"predictions": [1.5], "probabilities": None}, {"predictions": [2.5]}]
    found = golden.answered(asked, [0, 2], answers, SHA, "numpy==2\ntorch==2.9\n")
    assert (found.rows, found.predictions, found.probabilities) == ([[1], [3]], [1.5, 2.5], None)
    assert found.tolerance == {"absolute": 1e-4, "relative": 1e-4}
    (project / golden.FILE).write_text(golden.written(found))
    assert golden.read(project, SHA).predictions == [1.5, 2.5]
    assert golden.read(project, "b" * 64).predictions == []
    assert golden.read(project, "b" * 64).rows == [[1], [3]]


def test_the_original_comes_first(project):
    (project / "tests").mkdir()
    kept = {"rows": [[1]], "predictions": ["x"], "probabilities": None,
            "tolerance": {"absolute": 0.1, "relative": 0.1}}  # fmt: skip
    (project / "tests" / "original.json").write_text(json.dumps(kept))
    (project / golden.FILE).write_text(golden.written(Golden([[2]])))
    found = golden.read(project, SHA)
    assert (found.rows, found.predictions, found.tolerance["absolute"]) == ([[1]], ["x"], 0.1)
    assert "before its conversion" in found.source


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"rows": []}', '{"rows": 3}', "null",
        '{"rows": [[1], [2]], "predictions": [1.0]}',
        '{"rows": [[1]], "predictions": [1.0], "probabilities": [[1.0], [0.0]]}',
        '{"rows": [[1]], "predictions": [1.0], "tolerance": {"absolute": 1e-5}}',
        '{"rows": [[1]], "predictions": [1.0], "tolerance": {"absolute": 1, "relative": "0"}}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(project, text):
    (project / "tests").mkdir()
    (project / golden.FILE).write_text(text)
    with pytest.raises(ProjectError, match=r"golden\.json can't be read") as caught:
        golden.read(project, SHA)
    assert f"git checkout {project / golden.FILE}" in caught.value.next


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "a", True), ("a", "b", False), (1, 1, True), (1, True, False), (1, 1.0, False),
        (1.0, 1.000001, True), (1.0, 1.1, False), ([1.0, 2.0], [1.0, 2.0], True),
        ([1.0], [1.0, 2.0], False), ({"y": [1.0]}, {"y": [1.0]}, True), ({"y": 1}, {"z": 1}, False),
        (None, None, True), ([1.0], None, False),
    ],
)  # fmt: skip
def test_alike(one, other, same):
    assert golden.alike(one, other, {"absolute": 1e-5, "relative": 1e-5}) is same


def test_an_answer_of_another_length_differs_everywhere():
    kept = Golden([[1], [2]], ["a", "b"])
    assert golden.differing(kept, {"predictions": ["a"]}, range(2)) == [0, 1]
    assert golden.differing(kept, {}, range(1, 2)) == [1]
    assert golden.differing(kept, {"predictions": ["b"]}, range(1, 2)) == []
