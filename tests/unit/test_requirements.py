"""What a project installs, and the Python it runs on."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mlship import requirements
from mlship.card import Feature, ModelCard
from mlship.errors import UsageError

FASTAPI = [
    "fastapi-offline>=1.7",
    "fastapi>=0.115",
    "httptools>=0.6",
    "numpy",
    "prometheus-client>=0.20",
    "pydantic>=2.9",
    "python-json-logger>=3.1",
    "uvicorn>=0.30",
    "uvloop>=0.20; sys_platform != 'win32'",
]
FLASK = [
    "flask-swagger-ui>=5.0",
    "flask>=3.0",
    "gunicorn>=23.0",
    "numpy",
    "prometheus-client>=0.20",
    "pydantic>=2.9",
    "python-json-logger>=3.1",
]


def card(**values):
    return ModelCard(
        **{
            "path": Path("model.joblib"),
            "sha256": "a" * 64,
            "size": 1,
            "framework": "scikit-learn",
            "format": "joblib",
            "framework_version": "1.5.0",
            "description": "SVC",
            "task": "classification",
            "features": (Feature("a", "float64"),),
            "requirements": ("scikit-learn==1.5.0",),
            "python_range": (11, 13),
            **values,
        }
    )


@pytest.fixture(autouse=True)
def python_here(monkeypatch):
    version = SimpleNamespace(major=3, minor=12)
    monkeypatch.setattr(requirements, "sys", SimpleNamespace(version_info=version))


@pytest.mark.parametrize(
    ("python_range", "python", "reason"),
    [
        ((11, 13), "3.12", "the version that ran mlship; {} runs on 3.11 to 3.13"),
        ((12, 12), "3.12", "the version that ran mlship; {} runs on 3.12 only"),
        ((13, 14), "3.13", "nearest to 3.12, which ran mlship: {} runs on 3.13 to 3.14"),
        ((8, 11), "3.11", "nearest to 3.12, which ran mlship: {} runs on 3.11 only"),
    ],
)
def test_python_found(python_range, python, reason):
    found = requirements.python_for(card(python_range=python_range))
    assert found == (python, reason.format("scikit-learn==1.5.0"))


def test_python_of_onnx():
    onnx = card(framework="onnx", framework_version=None, python_reason="ONNX Runtime")
    assert requirements.python_for(onnx) == (
        "3.12",
        "the version that ran mlship; ONNX Runtime runs on 3.11 to 3.13",
    )


@pytest.mark.parametrize("wanted", ["3.11", "3.13"])
def test_python_asked_for(wanted):
    assert requirements.python_for(card(), wanted) == (
        wanted,
        "as asked; scikit-learn==1.5.0 runs on 3.11 to 3.13",
    )


@pytest.mark.parametrize("wanted", ["3.10", "3.14", "2.12", "3", "3.x", "", "3.12.1", "3.²"])
def test_python_out_of_range(wanted):
    with pytest.raises(UsageError) as caught:
        requirements.python_for(card(), wanted)
    assert caught.value.what == f"Python {wanted} can't serve this model"
    assert caught.value.why == "scikit-learn==1.5.0 runs on 3.11 to 3.13."
    assert caught.value.next == "--set python=3.13"


@pytest.mark.parametrize("wanted", [None, "3.9"])
def test_no_python_at_all(wanted):
    old = card(python_range=(6, 9), requirements=("scikit-learn==0.24.0",))
    with pytest.raises(UsageError) as caught:
        requirements.python_for(old, wanted)
    assert caught.value.what == (
        "No Python can serve this model: scikit-learn==0.24.0 ended with 3.9, the server "
        "libraries begin with 3.11"
    )
    assert caught.value.next == "convert the model to ONNX, or train it with a newer library"


@pytest.mark.parametrize(("server", "names"), [("fastapi", FASTAPI), ("flask", FLASK)])
def test_runtime(server, names):
    assert requirements.runtime(card(requirements=()), server) == names


@pytest.mark.parametrize(("server", "names"), [("fastapi", FASTAPI), ("flask", FLASK)])
def test_runtime_keeps_the_models_pins(server, names):
    pins = ("scikit-learn==1.5.0", "numpy==1.26.4", "pydantic==2.9.1")
    others = [name for name in names if name not in ("numpy", "pydantic>=2.9")]
    assert requirements.runtime(card(requirements=pins), server) == sorted([*others, *pins])
