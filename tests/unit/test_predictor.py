"""Reading predictor.py: parsed, never imported."""

import pytest

from mlship.errors import ModelError
from mlship.inspection.predictor import read

GOOD = '''\
"""Guesses an income."""
import json, os.path
import sklearn.linear_model
from PIL import Image

EXAMPLE = {"age": 39, "city": "Paris", "scores": [1, 2.5], "member": True}

def load():
    return 1

def predict(model, instances):
    import yaml
    return [model for _ in instances]
'''


def written(tmp_path, text):
    path = tmp_path / "predictor.py"
    path.write_text(text)
    return path


def refusal(path):
    with pytest.raises(ModelError) as caught:
        read(path)
    assert caught.value.next
    return f"{caught.value.what}. {caught.value.why}"


def test_card(tmp_path):
    card = read(written(tmp_path, GOOD))
    assert [(f.name, f.dtype, f.shape, f.value) for f in card.features] == [
        ("age", "int64", (), 39),
        ("city", "string", (), "Paris"),
        ("scores", "float64", (2,), [1, 2.5]),
        ("member", "bool", (), True),
    ]
    assert card.requirements == ("pillow", "pyyaml", "scikit-learn")
    assert "the lock takes the newest" in card.warnings[0]
    assert (card.framework, card.format, card.task) == ("python", "predictor", "inference")
    assert card.description == "Guesses an income."
    assert dict(card.options) == {"takes_model": True, "loads": True}
    assert not card.dangers


def test_code_is_not_run(tmp_path):
    flag = tmp_path / "ran"
    read(written(tmp_path, f"open({str(flag)!r}, 'w')\n" + GOOD))
    assert not flag.exists()


def test_several_examples_show_null_and_any_length(tmp_path):
    text = GOOD.replace(
        'EXAMPLE = {"age": 39, "city": "Paris", "scores": [1, 2.5], "member": True}',
        'EXAMPLES = [{"a": None, "b": [[1, 2]]}, {"a": 1, "b": [[3, 4], [5, 6]]},'
        ' {"a": 2.5, "b": [[0, 0]]}]',
    )
    a, b = read(written(tmp_path, text)).features
    assert (a.dtype, a.nullable, a.value) == ("float64", True, 1)
    assert (b.dtype, b.shape, b.nullable) == ("int64", (None, 2), False)


def test_classes(tmp_path):
    card = read(written(tmp_path, GOOD + 'CLASSES: list[str] = ["no", "yes"]\n'))
    assert (card.task, card.classes) == ("classification", ("no", "yes"))
    assert "no list of labels" in refusal(written(tmp_path, GOOD + 'CLASSES = ["a", "a"]\n'))


@pytest.mark.parametrize(
    ("signature", "takes_model"),
    [("instances", False), ("model, instances", True), ("model, instances, *, n=1", True)],
)
def test_signatures(tmp_path, signature, takes_model):
    text = GOOD.replace("def predict(model, instances)", f"def predict({signature})")
    assert dict(read(written(tmp_path, text)).options)["takes_model"] is takes_model


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "def predict(model, instances)",
            "def answer(model, instances)",
            "has no function predict",
        ),
        (
            "def predict(model, instances)",
            "async def predict(model, instances)",
            "has no function predict",
        ),
        ("def predict(model, instances)", "def predict(a, b, c)", "predict that can't be called"),
        ("def predict(model, instances)", "def predict()", "predict that can't be called"),
        (
            "def predict(model, instances)",
            "def predict(model, *, k)",
            "predict that can't be called",
        ),
        ("def load()", "def load(path)", "load that can't be called"),
        ("def load()", "def open_it()", "has no function load"),
        ("EXAMPLE =", "SHOWN =", "does not show what an instance looks like"),
        ("EXAMPLE = {", "EXAMPLE = dict() or {", "EXAMPLE that is computed"),
        ('"age": 39', '"age": None', "shows no single type for 'age'"),
        ('"age": 39', '"age": {}', "shows no single type for 'age'"),
        ('"age": 39', '"age": []', "shows no single type for 'age'"),
        ('"age": 39', '"age": [1, "a"]', "shows no single type for 'age'"),
        ('"age": 39', '"age": 1e999', "shows no single type for 'age'"),
        ('"age": 39', "1: 39", "has a name that is no text"),
        ("import json", "import json,", "is no Python code"),
        ("import json", "\0", "is no Python code"),
    ],
)
def test_what_is_missing_is_named(tmp_path, old, new, words):
    assert words in refusal(written(tmp_path, GOOD.replace(old, new)))


def test_deep_code_is_refused(tmp_path):
    assert "is no Python code" in refusal(written(tmp_path, GOOD + "x = " + "(" * 10_000))
    assert refusal(written(tmp_path, GOOD + "y = " + "-" * 90_000 + "1"))


def test_a_file_that_imports_its_neighbour_asks_for_the_folder(tmp_path):
    (tmp_path / "helpers.py").write_text("import scipy\n")
    path = written(tmp_path, GOOD + "import helpers\n")
    assert "would stay behind" in refusal(path)
    assert "scipy" in read(tmp_path).requirements
    assert "helpers" not in read(tmp_path).requirements


def test_requirements_txt(tmp_path):
    written(tmp_path, GOOD)
    (tmp_path / "requirements.txt").write_text(
        '# mine\nscikit-learn == 1.7.2\nPyYAML>=6,<7 ; python_version > "3.8"\n'
        "torch==2.7.0+cpu --hash=sha256:ab\n-r other.txt\ngit+https://host/x.git\nx @ file:///y\n"
    )
    card = read(tmp_path)
    assert card.requirements == (
        "scikit-learn==1.7.2", "PyYAML>=6,<7; python_version > '3.8'", "torch==2.7.0",
    )  # fmt: skip
    assert "left out: -r other.txt, git+https://host/x.git" in card.warnings[0]
    assert "imports PIL" in card.warnings[1]
