"""Real models of every library: the card equals the truth, and the project answers like it."""

import json
import math
import subprocess

import pytest

from mlship import environment
from mlship.inspection import inspect
from mlship.project import find
from mlship.runner import Runner
from tests.support import zoo
from tests.support.projects import mlship, slim
from tests.support.servers import Server

# (script, extra requirements): its models; those marked "serve" are served for real.
OLD = ("numpy<2", "pandas<3", "joblib")
ZOO = {
    ("sklearn_old", "scikit-learn==1.2.2", *OLD): {
        "classifier.joblib": "serve", "regressor.pkl": "",
    },
    ("sklearn_old", "scikit-learn==1.4.2", *OLD): {
        "classifier.joblib": "", "regressor.pkl": "serve",
    },
    ("sklearn_old", "scikit-learn==1.5.2", "joblib", "pandas<3"): {
        "classifier.joblib": "serve", "regressor.pkl": "",
    },
    ("sklearn_old", "scikit-learn==1.7.2", "joblib", "pandas<3"): {
        "classifier.joblib": "serve", "regressor.pkl": "",
    },
    ("sklearn_models",): {
        "columns.joblib": "", "columns.skops": "serve", "text.joblib": "serve",
        "text-search.pkl": "", "text-column.joblib": "", "outputs.pkl": "",
        "multilabel.joblib": "serve", "margins.pkl": "", "plane.joblib": "", "kmeans.joblib": "",
        "outliers.joblib": "", "holes.joblib": "serve", "logs.pkl": "", "stack.joblib": "",
        "ranks.joblib": "",
    },
    ("xgboost_models",): {
        "binary.json": "serve", "categories.ubj": "serve", "binary.ubj": "", "three.json": "",
        "three.ubj": "", "categories.json": "", "garbled.json": "", "stopped.json": "",
        "linear.json": "", "dart.ubj": "", "quantiles.json": "", "several.json": "",
        "softmax.ubj": "", "hinge.json": "", "ranker.json": "",
    },
    ("xgboost_old",): {"classifier.json": "serve"},
    ("lightgbm_models",): {
        "three.txt": "serve", "binary.txt": "", "unnamed.txt": "", "coded.txt": "",
        "ordered.txt": "", "each.txt": "", "ranker.txt": "", "own.txt": "",
    },
    ("catboost_models", "catboost==1.2.10", "pandas"): {
        "mixed.cbm": "serve", "binary.cbm": "", "numbered.cbm": "", "flags.cbm": "",
        "each.cbm": "", "unnamed.cbm": "", "counts.cbm": "", "pairs.cbm": "", "several.cbm": "",
        "ranker.cbm": "",
    },
    ("torch_models",): {
        "table.pt": "serve", "named.pt2": "serve", "double.pt": "", "image.pt": "", "frozen.pt": "",
        "pair.pt": "", "named.pt": "", "table.pt2": "", "image.pt2": "", "pair.pt2": "",
        "keyword.pt2": "",
    },
    ("keras_models",): {
        "softmax.keras": "serve", "functional.keras": "", "binary.keras": "",
        "regressor.keras": "", "image.keras": "", "named.keras": "",
    },
    ("tensorflow_models",): {
        "mixed": "serve", "text.keras": "", "linear": "", "exported": "", "text": "",
    },
    ("transformers_models",): {
        "classifier": "serve", "writer": "serve", "several-labels": "", "rating": "",
        "entities": "", "masked": "", "vectors": "", "answers": "", "translator": "",
    },
    ("mlflow_models",): {
        "forest": "serve", "greeter": "serve", "boosted": "", "line": "", "light": "",
    },
    ("predictor_models",): {"alone/predictor.py": "serve", "greeter": "serve"},
}  # fmt: skip
ALL = [(maker, name) for maker, models in ZOO.items() for name in models]
SERVED = [(maker, name) for maker, models in ZOO.items() for name, how in models.items() if how]


def ident(value):
    return "-".join(value) if isinstance(value, tuple) else value


def described(card, key):
    """The card's value of ``key`` as truth.json writes it."""
    value = getattr(card, key)
    if key == "features":
        return [[feature.name, feature.dtype] for feature in value]
    return json.loads(json.dumps(value))


@pytest.mark.slow
@pytest.mark.parametrize(("maker", "name"), ALL, ids=ident)
def test_card_equals_the_truth(maker, name):
    folder, truth = zoo.made(*maker)
    card = inspect(folder / name)
    found = {key: described(card, key) for key in truth[name]["card"]}
    assert found == truth[name]["card"]
    pinned = [r.partition(";")[0].partition("==")[2] for r in card.requirements]
    if card.framework_version and maker[0] != "xgboost_old":  # that one is told in a warning
        assert card.framework_version in pinned


def serve_and_compare(maker, name, runtime, tmp_path, monkeypatch):
    """Make the project, run its own checks, ask it what the training process was asked."""
    for variable, value in zoo.environment().items():
        monkeypatch.setenv(variable, value)
    folder, truth = zoo.made(*maker)
    truth = truth[name]
    server = "flask" if len(name) % 2 else "fastapi"
    mlship("init", "served", "--model", folder / name, "--server", server, "--no-input",
           "--runtime", runtime, *truth.get("init", []), cwd=tmp_path)  # fmt: skip
    project = tmp_path / "served"
    environment.ensure(project, find(project).config.python, Runner())
    for tool in ("ruff check .", "ruff format --check .", "mypy", "pytest -q"):
        done = subprocess.run(
            f".venv/bin/{tool}", shell=True, cwd=project, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    slim(project)  # what the image leaves out is missed by no library
    running = Server(project, tmp_path / "log")
    try:
        answer = running.client.post("/predict", json={"instances": truth["rows"]})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert close(body["predictions"], truth["predictions"]), (body, truth["predictions"])
        if "probabilities" in truth:
            assert close(body["probabilities"], truth["probabilities"])
    finally:
        assert running.stop() == 0, running.logs.read_text()
    return project


@pytest.mark.slow
@pytest.mark.parametrize(("maker", "name"), SERVED, ids=ident)
def test_project_answers_like_the_model(maker, name, tmp_path, monkeypatch):
    serve_and_compare(maker, name, "native", tmp_path, monkeypatch)


def close(found, wanted):
    """Equal, numbers within one part in ten thousand, however deep they lie."""
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(close, found, wanted))
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(close(found[k], wanted[k]) for k in wanted)
    if isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-4, abs_tol=1e-5)
    return found == wanted
