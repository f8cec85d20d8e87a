"""What a generated project promises about itself: clean to every tool, free of mlship."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kubernetes_validate import validate

from mlship.config import load
from tests.conftest import SERVERS
from tests.support import models
from tests.support.projects import mlship

KINDS = ("tumor.onnx", "tumor.joblib", "tumor.converted", "diabetes.joblib", "diabetes.onnx",
         "diabetes.converted")  # fmt: skip
TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module", params=[(s, k) for s in SERVERS for k in KINDS], ids="-".join)
def project(request, projects):
    return projects.get(*request.param)


def run(*argv, cwd):
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def text_files(project):
    """What init wrote: other tests build there, run there, deploy from there."""
    for path in project.rglob("*"):
        inside = path.relative_to(project).parts
        ignored = inside[0] in (".venv", "model") or inside[:2] == (".mlship", "deploy")
        ignored = ignored or inside == ("sbom.json",)
        if path.is_file() and not ignored and "cache" not in str(path):
            yield path


def test_own_tests_pass(project):
    assert " passed" in run(".venv/bin/pytest", "-q", cwd=project)


def test_ruff_and_mypy_find_nothing(project):
    run(".venv/bin/ruff", "check", ".", cwd=project)
    run(".venv/bin/ruff", "format", "--check", ".", cwd=project)
    run(".venv/bin/mypy", cwd=project)


def test_hadolint_finds_nothing(project):
    assert run(TOOLS / "hadolint", "Dockerfile", cwd=project) == ""


def test_never_imports_mlship(project):
    for path in text_files(project):
        if path.suffix == ".py":
            assert not re.search(r"^\s*(import|from) mlship", path.read_text(), re.M), path
    assert "mlship" not in (project / "requirements.lock").read_text()


def test_no_template_syntax_is_left(project):
    for path in text_files(project):
        text = path.read_text()
        assert "cookiecutter" not in text and "{%" not in text and "{{" not in text, path


def test_locks_have_hashes_and_no_index(project):
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (project / name).read_text()
        pins = re.findall(r"^([a-z0-9][\w.-]*)==", text, re.M)
        assert len(pins) > 15 and text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text and "index" not in text


def test_locks_agree(project):
    def pins(name):
        return set(re.findall(r"^(\S+==\S+)", (project / name).read_text(), re.M))

    assert pins("requirements.lock") < pins("requirements-dev.lock")


def test_model_is_pinned_to_the_library_it_was_trained_with(project):
    import sklearn

    lock = (project / "requirements.lock").read_text()
    if load(project / "mlship.yaml").model.file.endswith(".joblib"):
        assert f"scikit-learn=={sklearn.__version__}" in lock
        assert "onnxruntime" not in lock
    else:
        assert "onnxruntime==" in lock and "scikit-learn" not in lock


def manifests(project):
    rendered = run(TOOLS / "kubectl", "kustomize", "k8s/overlays/prod", cwd=project)
    return {document["kind"]: document for document in yaml.safe_load_all(rendered)}


def newest_schema():
    import kubernetes_validate

    versions = (Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema").glob("v*")
    names = {re.match(r"v(\d+)\.(\d+)", path.name).groups() for path in versions}
    return ".".join(max(names, key=lambda name: (int(name[0]), int(name[1]))))


def test_strict_kubernetes_schemas_find_nothing(project):
    kinds = manifests(project)
    assert set(kinds) == {
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy",
        "PodDisruptionBudget", "Service", "ServiceAccount",
    }  # fmt: skip
    newest = newest_schema()
    assert int(newest.split(".")[1]) >= 36
    for version in ("1.30", newest):
        for document in kinds.values():
            validate(document, version, strict=True)


def test_restricted_pod_security(project):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod = manifests(project)["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {next(iter(v.keys() - {"name"})) for v in pod["volumes"]} == {"emptyDir"}


def test_grace_period_covers_the_drain(project):
    kinds = manifests(project)
    settings = kinds["ConfigMap"]["data"]
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain, shutdown = int(settings["DRAIN_SECONDS"]), int(settings["SHUTDOWN_SECONDS"])
    assert before + drain + shutdown < pod["terminationGracePeriodSeconds"]


def test_rollout_never_goes_below_the_wanted_count(project):
    kinds = manifests(project)
    spec = kinds["Deployment"]["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "replicas" not in spec  # the autoscaler's
    assert spec["selector"] == {"matchLabels": {"app.kubernetes.io/name": project.name}}
    container = spec["template"]["spec"]["containers"][0]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert container["resources"]["requests"]["cpu"]  # what the autoscaler's percent is of


def test_settings_in_the_cluster_are_settings_of_the_server(project):
    code = "from app.settings import Settings; print(*Settings.model_fields)"
    known = run(".venv/bin/python", "-c", code, cwd=project).upper().split()
    data = manifests(project)["ConfigMap"]["data"]
    assert set(data) <= set(known)
    for name in known:
        assert f"`{name}`" in (project / "README.md").read_text(), f"{name} is not in the README"


def test_every_file_is_in_the_readme(project):
    readme = (project / "README.md").read_text()
    for path in text_files(project):
        name = path.relative_to(project).as_posix()
        if name in ("README.md", ".gitignore", "app/__init__.py") or name.startswith("tests/"):
            continue
        assert f"`{name}`" in readme, name
    for name in re.findall(r"^\| `([^`]+)` \| ", readme.split("## The files")[1], re.M):
        if "/" in name or "." in name:
            assert (project / name).exists(), name


def test_sample_is_a_row_of_every_feature(project):
    sample = json.loads((project / "sample.json").read_text())
    (instance,) = sample["instances"]
    kind = project.name.rsplit("-", 1)[0].replace("-", ".")
    assert list(instance) == list(models.rows(kind, 1).columns)


def test_rendering_twice_gives_the_same(project, tmp_path):
    config = load(project / "mlship.yaml")
    again = tmp_path / project.name
    if config.original:  # which the project has no more
        shutil.copytree(
            project,
            again,
            ignore=shutil.ignore_patterns(
                ".venv", "*.lock", "app", "k8s", "README.md", "pyproject.toml", "test_*.py"
            ),
        )
        mlship("init", project.name, "--force", "--no-input", "--no-lock", cwd=tmp_path)
        assert (again / "tests" / "test_original.py").exists()
    else:
        mlship("init", project.name, "--model", project / config.model.file, "--server",
               config.server, "--runtime", "native", "--no-input", "--no-lock",
               cwd=tmp_path)  # fmt: skip
    for path in text_files(again):
        name = path.relative_to(again)
        if name.as_posix() != ".mlship/files.json":
            assert path.read_text() == (project / name).read_text(), name


def test_hostile_names_stay_text(tmp_path):
    """Column names go into Python, JSON, YAML and Markdown; none may break out."""
    import joblib
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    names = ['a"b', "c\\", "new\nline", "{{ 7*7 }}", "{% raw %}", "ü – 漢", "#", "'; import os"]
    frame = pd.DataFrame(np.eye(len(names)), columns=names)
    joblib.dump(LinearRegression().fit(frame, range(len(names))), tmp_path / "m.joblib")
    mlship("init", "odd", "--model", "m.joblib", "--no-input", "--no-lock", cwd=tmp_path)
    (instance,) = json.loads((tmp_path / "odd" / "sample.json").read_text())["instances"]
    assert list(instance) == names
    code = (
        "import sys, types; sys.modules['app.settings'] = types.SimpleNamespace("
        "settings=types.SimpleNamespace(max_batch_size=1)); from app.schema import FEATURES; "
        f"assert FEATURES == {names!r}, FEATURES"
    )
    run(sys.executable, "-c", code, cwd=tmp_path / "odd")
    run(TOOLS / "ruff", "check", ".", cwd=tmp_path / "odd")
    run(TOOLS / "ruff", "format", "--check", ".", cwd=tmp_path / "odd")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("bits", [32, 64])
def test_whole_numbers_beyond_the_models_type_are_refused(tmp_path, projects, server, bits):
    """They would overflow in numpy, a 500; and the API's version is the project's."""
    from onnx import TensorProto, helper

    kind = getattr(TensorProto, f"INT{bits}")
    rows = helper.make_tensor_value_info("rows", kind, [None, 2])
    out = helper.make_tensor_value_info("out", kind, [None, 2])
    graph = helper.make_graph([helper.make_node("Identity", ["rows"], ["out"])], "g", [rows], [out])
    path = tmp_path / "m.onnx"
    path.write_bytes(
        helper.make_model(
            graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]
        ).SerializeToString()
    )
    mlship("init", "whole", "--model", path, "--server", server, "--no-input", "--no-lock",
           "--set", "version=1.2.3", cwd=tmp_path)  # fmt: skip
    project = tmp_path / "whole"
    python = projects.get(server, "tumor.onnx") / ".venv" / "bin" / "python"
    (project / "tests" / "test_bounds.py").write_text(
        "def test_bounds(client):\n"
        f"    for most in (2**{bits - 1} - 1, -(2**{bits - 1})):\n"
        "        answer = client.post('/predict', json={'instances': [[most, 0]]})\n"
        "        assert answer.json()['predictions'] == [[most, 0]]\n"
        f"    for over in (2**{bits - 1}, -(2**{bits - 1}) - 1, 10**30):\n"
        "        answer = client.post('/predict', json={'instances': [[over, 0]]})\n"
        "        assert answer.status_code == 422 and answer.json()['errors'][0]['field'] == 'x0'\n"
        "    assert client.get('/openapi.json').json()['info']['version'] == '1.2.3'\n"
    )
    run(python, "-m", "pytest", "-q", cwd=project)
