"""Reading MLflow folders made by hand: MLmodel, signature, requirements, limits on YAML."""

import json
import pickle
import random

import pytest

from mlship import inspection
from mlship.card import Feature, ModelCard
from mlship.errors import ModelError
from mlship.inspection.mlflow import read

MLMODEL = """\
flavors:
  python_function:
    loader_module: mlflow.pyfunc.model
    python_model: python_model.pkl
    cloudpickle_version: 3.1.2
mlflow_version: 3.17.2
saved_input_example_info:
  artifact_path: input_example.json
signature:
  inputs: '[{"type": "string", "name": "who", "required": true}, {"type": "long", "name": "times",
    "required": false}]'
"""
NATIVE = """\
flavors:
  sklearn: {pickled_model: model.pkl, code: null}
  python_function: {loader_module: mlflow.sklearn}
signature:
  inputs: '[{"type": "long", "name": "age"}, {"type": "string", "name": "city", "required": false}]'
"""


class Code:
    def __reduce__(self):
        return print, ("it ran",)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "python_model.pkl").write_bytes(pickle.dumps(Code()))
    (tmp_path / "input_example.json").write_text(
        '{"columns": ["who", "times"], "data": [["Ada", 2]]}'
    )
    (tmp_path / "requirements.txt").write_text(
        "mlflow==3.17.2\ncloudpickle==3.1.2\nattrs==25.1.0\n"
    )
    (tmp_path / "python_env.yaml").write_text("python: 3.11.7\n")
    return tmp_path


@pytest.fixture
def native(folder, monkeypatch):
    """A folder around a scikit-learn model, and what its own reader says, as a list to change."""
    (folder / "MLmodel").write_text(NATIVE)
    (folder / "model.pkl").write_bytes(b"x")
    (folder / "requirements.txt").write_text(
        "mlflow==3.17.2\nscikit-learn==1.7.2\nnumpy==2.1.0\nmatplotlib==3.9\n"
    )
    card = ModelCard(
        path=folder / "model.pkl", framework="scikit-learn", format="pickle",
        framework_version="1.7.2", description="SVC", task="classification", takes="frame",
        features=(Feature("x0", "float64"), Feature("x1", "float64")),
        requirements=("scikit-learn==1.7.2", "numpy>=2", "pandas"), python_range=(10, 14),
    )  # fmt: skip
    cards = [card]
    monkeypatch.setattr(inspection, "read_native", lambda path: cards[0], raising=False)
    return folder, cards


def refusal(folder):
    with pytest.raises(ModelError) as caught:
        read(folder)
    return f"{caught.value.what}. {caught.value.why}"


def test_a_python_model(folder, capsys):
    card = read(folder)
    assert (card.framework, card.format, card.framework_version) == ("mlflow", "mlflow", "3.17.2")
    assert [(f.name, f.dtype, f.nullable, f.value) for f in card.features] == [
        ("who", "string", False, "Ada"),
        ("times", "int64", True, 2),
    ]
    assert card.requirements[0] == "mlflow-skinny==3.17.2"
    assert set(card.requirements[1:]) == {"cloudpickle==3.1.2", "attrs==25.1.0", "pandas"}
    assert card.python_range == (11, 11)
    assert [str(d) for d in card.dangers] and card.dangers[0].name == "print"
    assert capsys.readouterr().out == ""


def test_a_native_model_is_refined(native):
    folder, _ = native
    card = read(folder)
    assert (card.path, card.framework, dict(card.options)["inner"]) == (
        folder, "scikit-learn", "model.pkl",
    )  # fmt: skip
    assert [(f.name, f.dtype, f.nullable) for f in card.features] == [
        ("age", "int64", False),
        ("city", "string", True),
    ]
    assert card.requirements == ("scikit-learn==1.7.2", "numpy==2.1.0", "pandas")
    assert (card.python_range, card.python_reason) == ((11, 11), "python_env.yaml")
    assert not card.warnings


def test_a_matrix_keeps_its_type(native):
    folder, cards = native
    cards[0] = ModelCard(**{**vars(cards[0]), "takes": "matrix"})
    assert [(f.name, f.dtype) for f in read(folder).features] == [
        ("age", "float64"),
        ("city", "float64"),
    ]


def test_other_columns_and_an_old_python_are_told(native):
    folder, cards = native
    cards[0] = ModelCard(**{**vars(cards[0]), "features": (Feature("other", "float64"),)})
    (folder / "python_env.yaml").write_text("python: 3.8.10\n")
    card = read(folder)
    assert card.features == (Feature("other", "float64"),)
    assert card.python_range == (10, 14)
    assert len(card.warnings) == 2


@pytest.mark.parametrize("name", ["../secret.pkl", "/etc/passwd", "", "a\0b", "missing.pkl", "."])
def test_paths_stay_inside(native, name):
    folder, _ = native
    (folder.parent / "secret.pkl").write_bytes(b"x")
    text = NATIVE.replace("model.pkl", json.dumps(name))
    (folder / "MLmodel").write_text(text)
    assert "is not complete" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flavors: {spark: {}}\n", "can't serve the MLflow model"),
        ("flavors: 3\n", "can't serve the MLflow model"),
        ("[1, 2]\n", "not a mapping"),
        ("a: &a [1]\nb: *a\n", "has an alias"),
        ("a: !!python/object/apply:os.system [ls]\n", "is no YAML"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("? [a, b]\n: 1\n", "is damaged"),
        ("a: 2026-99-99\n", "is damaged"),
        ("a: \x07\n", "is no YAML"),
        ("a: " + "x" * (2 << 20), "longer than"),
        (MLMODEL.replace("3.17.2", "3.17.2; evil"), "does not name the MLflow version"),
        (MLMODEL.replace('"long"', '"datetime"'), "is of type datetime"),
        (MLMODEL.replace('"name"', '"nome"'), "no signature with named columns"),
        (MLMODEL.replace("[{", "[[{"), "is damaged"),
        (MLMODEL.replace("python_model.pkl", "MLmodel"), "is no pickle"),
    ],
)
def test_refused(folder, text, words):
    (folder / "MLmodel").write_text(text)
    assert words in refusal(folder)


def test_mutated_files_raise_nothing_else(folder):
    rng = random.Random(0)
    for name in ("MLmodel", "input_example.json", "requirements.txt", "python_model.pkl"):
        file = folder / name
        whole = file.read_bytes()
        for _ in range(200):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.choice(b'{}[]",:0-9e&*!\x00\xff\n ')
            file.write_bytes(data)
            try:
                card = read(folder)
            except ModelError:
                continue
            assert not any('"' in r or "\n" in r for r in card.requirements)
        file.write_bytes(whole)
