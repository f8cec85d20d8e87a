"""Conversion for real: which of the zoo's models become ONNX, and that those answer the same."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mlship import conversion
from mlship.errors import ModelError
from mlship.inspection import inspect
from mlship.runner import Runner
from tests.projects.test_zoo import OLD, ident, serve_and_compare
from tests.support import models, zoo
from tests.support.projects import mlship

# What becomes of a model: "onnx", "served" (for real, too), or the reason why it stays native.
ZOO = {
    ("sklearn_old", "scikit-learn==1.2.2", *OLD): {
        "classifier.joblib": "served", "regressor.pkl": "onnx",
    },
    ("sklearn_models",): {
        "columns.joblib": "onnx", "columns.skops": "served", "plane.joblib": "onnx",
        "outliers.joblib": "onnx", "holes.joblib": "served", "stack.joblib": "onnx",
        "ranks.joblib": "served",
        "text.joblib": "texts are split", "text-column.joblib": "works on texts",
        "outputs.pkl": "several outputs", "logs.pkl": "FunctionTransformer",
        "kmeans.joblib": "rows differ",
    },
    ("xgboost_models",): {
        "binary.json": "served", "three.ubj": "onnx", "stopped.json": "onnx",
        "garbled.json": "onnx", "softmax.ubj": "onnx",
        "categories.json": "categories", "linear.json": "boosted trees only",
        "dart.ubj": "gbtree_model_param", "quantiles.json": "rows differ",
        "hinge.json": "rows differ", "ranker.json": "rows differ",
    },
    ("torch_models",): {
        "table.pt": "served", "sentence.pt2": "served", "photo.pt2": "onnx", "pair.pt": "onnx",
        "steps.pt": "rows differ", "centered.pt2": "rows differ", "image.pt": "of any length",
    },
}  # fmt: skip
ALL = [(maker, name) for maker, found in ZOO.items() for name in found]
SERVED = [(m, name) for m, found in ZOO.items() for name, how in found.items() if how == "served"]


@pytest.mark.slow
@pytest.mark.parametrize(("maker", "name"), ALL, ids=ident)
def test_which_models_become_onnx(maker, name, tmp_path, monkeypatch):
    for variable, value in zoo.environment().items():
        monkeypatch.setenv(variable, value)
    folder, _ = zoo.made(*maker)
    card, wanted = inspect(folder / name), ZOO[maker][name]
    if wanted in ("onnx", "served"):
        found = conversion.convert(card, zoo.PYTHON, tmp_path, Runner())
        assert found.card.features == card.features and found.card.path.is_file()
        return
    with pytest.raises(ModelError) as caught:
        conversion.convert(card, zoo.PYTHON, tmp_path, Runner())
    assert wanted in caught.value.why


@pytest.mark.slow
@pytest.mark.parametrize(("maker", "name"), SERVED, ids=ident)
def test_the_same_model_becomes_the_same_file(maker, name, tmp_path, monkeypatch):
    """Else each `init --force` would make another image, and roll out for nothing."""
    for variable, value in zoo.environment().items():
        monkeypatch.setenv(variable, value)
    card = inspect(zoo.made(*maker)[0] / name)
    hashes = set()
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        (tmp_path / seed).mkdir()
        found = conversion.convert(card, zoo.PYTHON, tmp_path / seed, Runner())
        hashes.add(found.card.sha256)
    assert len(hashes) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("maker", "name"), SERVED, ids=ident)
def test_converted_project_answers_like_the_model(maker, name, tmp_path, monkeypatch):
    project = serve_and_compare(maker, name, "onnx", tmp_path, monkeypatch)
    for library in ("scikit-learn", "xgboost", "pandas", "joblib", "torch"):
        assert f"\n{library}" not in (project / "requirements.lock").read_text()


@pytest.mark.slow
def test_the_projects_own_test_fails_for_another_model(projects):
    project = projects.get("fastapi", "tumor.converted")
    golden = project / "tests" / "original.json"
    before = golden.read_text()
    spoiled = json.loads(before)
    flipped = {"benign": "malignant", "malignant": "benign"}
    spoiled["predictions"][3] = flipped[spoiled["predictions"][3]]
    try:
        golden.write_text(json.dumps(spoiled))
        done = subprocess.run([".venv/bin/pytest", "-q", "tests/test_original.py"], cwd=project,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 1 and "2 failed" in done.stdout, done.stdout
        del spoiled["probabilities"][0][0]
        spoiled["predictions"] = json.loads(before)["predictions"]
        golden.write_text(json.dumps(spoiled))
        done = subprocess.run([".venv/bin/pytest", "-q", "tests/test_original.py"], cwd=project,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 1 and "2 failed" in done.stdout, done.stdout
    finally:
        golden.write_text(before)


def test_without_a_network_the_model_stays_native(tmp_path):
    model = models.save("tumor.joblib", tmp_path)
    offline = {**os.environ, "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "empty"),
               "XDG_CACHE_HOME": str(tmp_path / "none")}  # fmt: skip
    done = mlship("init", "a", "--model", model, "--no-input", cwd=tmp_path, env=offline)
    assert "the model stays with scikit-learn" in done.stderr
    assert (tmp_path / "a" / "model" / "tumor.joblib").is_file()
    done = mlship("init", "b", "--model", model, "--no-input", "--no-lock", cwd=tmp_path,
                  env=offline)  # fmt: skip
    assert "--no-lock stands for no network" in done.stderr and "Warning" not in done.stderr
    done = mlship("init", "c", "--model", model, "--no-input", "--runtime", "onnx", cwd=tmp_path,
                  env=offline, check=False)  # fmt: skip
    assert done.returncode == 6 and not (tmp_path / "c").exists()
    assert not list(Path(tmp_path / "none").rglob("python"))
