"""mlship.yaml: what is accepted, and how each mistake is told."""

from dataclasses import asdict

import pytest

from mlship import config
from mlship.errors import ProjectError, UsageError
from tests.unit.conftest import CONFIG, MODEL_SHA256

MINIMAL = {
    "name": "iris",
    "python": "3.12",
    "model": {"file": "model/iris.onnx", "sha256": "a" * 64},
    "image": "iris",
}


NO_SOURCE = {"source": None, "fetch_image": None, "size_limit": None}
NO_PLATFORM = {
    "ingress": None,
    "gateway": None,
    "image_pull_secrets": (),
    "env_from": None,
    "env": {},
    "node_selector": {},
    "tolerations": (),
    "gpu": 0,
    "gpu_resource": "nvidia.com/gpu",
    "priority_class": None,
    "monitoring": None,
    "keda": None,
    "patches": (),
}


def load(folder, text):
    path = folder / "mlship.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return config.load(path)


def mistakes(folder, text) -> list[str]:
    with pytest.raises(ProjectError) as caught:
        load(folder, text)
    lines = caught.value.why.splitlines()
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    assert caught.value.what == f"{folder / 'mlship.yaml'} has {count}"
    assert caught.value.next == "correct mlship.yaml and run the command again"
    return lines


def test_whole_file(tmp_path):
    assert asdict(load(tmp_path, CONFIG)) == {
        "name": "iris",
        "version": "0.2.0",
        "server": "flask",
        "runtime": "auto",
        "original": None,
        "base": None,
        "python": "3.12",
        "model": {"file": "model/iris.onnx", "sha256": MODEL_SHA256, **NO_SOURCE},
        "image": "registry.example.com/team/iris",
        "port": 9000,
        "namespace": "ml",
        "replicas": 3,
        "autoscale": {"max": 8, "cpu": 60},
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"cpu": "2", "memory": "2Gi"},
        },
        "include": (),
        **NO_PLATFORM,
    }


def test_defaults():
    assert asdict(config.build(MINIMAL)) == {
        **MINIMAL,
        "model": {**MINIMAL["model"], **NO_SOURCE},
        "version": "0.1.0",
        "server": "fastapi",
        "runtime": "auto",
        "original": None,
        "base": None,
        "port": 8000,
        "namespace": "default",
        "replicas": 2,
        "autoscale": {"max": 6, "cpu": 75},
        "resources": {
            "requests": {"cpu": "250m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "include": (),
        **NO_PLATFORM,
    }


@pytest.mark.parametrize("written", ["3.10", '"3.10"', "3.11"])
def test_python_as_written(tmp_path, written):
    text = CONFIG.replace('"3.12"', written)
    assert load(tmp_path, text).python == written.strip('"')


@pytest.mark.parametrize("written", ["1", "1.10", "1.0.0", "0.1.0rc1", "2024.1-beta"])
def test_version_as_written(tmp_path, written):
    assert load(tmp_path, CONFIG.replace("0.2.0", written)).version == written


@pytest.mark.parametrize(
    ("cpu", "text"), [("1", "1"), ("0.5", "0.5"), ("250m", "250m"), ("'4'", "4")]
)
def test_cpu(tmp_path, cpu, text):
    assert load(tmp_path, CONFIG.replace("500m", cpu)).resources.requests.cpu == text


@pytest.mark.parametrize("memory", ["512Ki", "512Mi", "1.5Gi", "1Ti", "100k", "64M", "2G", "1024"])
def test_memory(tmp_path, memory):
    assert load(tmp_path, CONFIG.replace("1Gi", memory)).resources.requests.memory == memory


@pytest.mark.parametrize("memory", ["512ki", "512K", "512MB", "-1Gi", "1 Gi", "lots", "Gi", "512m"])
def test_bad_memory(tmp_path, memory):
    assert mistakes(tmp_path, CONFIG.replace("1Gi", memory)) == [
        f"line 18: resources.requests.memory can't be '{memory}'"
    ]


@pytest.mark.parametrize(
    "image", ["iris", "team/iris", "localhost:5000/iris", "ghcr.io/a-team/my_model", "a/b/c"]
)
def test_image(image):
    assert config.build({**MINIMAL, "image": image}).image == image


@pytest.mark.parametrize("image", ["iris:1.0", "Iris", "a//b", "/iris", "iris@sha256:00", "a b"])
def test_bad_image(tmp_path, image):
    text = CONFIG.replace("registry.example.com/team/iris", image)
    assert mistakes(tmp_path, text) == [f"line 8: image can't be '{image}'"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: iris", "name: 3d", "line 1: name can't be '3d'"),
        ("version: 0.2.0", "version: one", "line 2: version can't be 'one'"),
        (
            "server: flask",
            "server: django",
            "line 3: server input should be 'fastapi' or 'flask' (it is 'django')",
        ),
        ('"3.12"', '"2.7"', "line 4: python can't be '2.7'"),
        (MODEL_SHA256, "abc", "line 7: model.sha256 can't be 'abc'"),
        (
            "port: 9000",
            "port: web",
            "line 9: port input should be a valid integer, unable to parse string as an integer "
            "(it is 'web')",
        ),
        (
            "port: 9000",
            "port: 80",
            "line 9: port input should be greater than or equal to 1024 (it is 80)",
        ),
        ("namespace: ml", "namespace: My_Team", "line 10: namespace can't be 'My_Team'"),
        (
            "max: 8",
            "max: 1001",
            "line 13: autoscale.max input should be less than or equal to 1000 (it is 1001)",
        ),
        ("cpu: 500m", "cpu: lots", "line 17: resources.requests.cpu can't be 'lots'"),
        ("port: 9000", "prot: 9000", "line 9: prot is not a setting; did you mean port?"),
        ("port: 9000", "zzz: 1", "line 9: zzz is not a setting"),
        ("max: 8", "maxi: 8", "line 13: autoscale.maxi is not a setting; did you mean max?"),
        (
            "    memory: 2Gi",
            "    memroy: 2Gi",
            "line 21: resources.limits.memroy is not a setting; did you mean memory?",
        ),
        ("name: iris\n", "", "line 1: name is missing"),
        ("  file: model/iris.onnx\n", "", "line 5: model.file is missing"),
        ("max: 8", "max: 2", "line 13: autoscale.max is 2, below replicas"),
    ],
)
def test_mistake(tmp_path, old, new, message):
    assert old in CONFIG
    assert mistakes(tmp_path, CONFIG.replace(old, new)) == [message]


def test_true_is_no_number(tmp_path):
    text = CONFIG.replace("replicas: 3", "replicas: true")
    (line,) = mistakes(tmp_path, text)
    assert line.startswith("line 11: replicas ")


def test_all_mistakes_at_once(tmp_path):
    text = CONFIG.replace("flask", "flask\nserve: 1").replace("namespace: ml", "namespace: ML")
    assert sorted(mistakes(tmp_path, text)) == [
        "line 11: namespace can't be 'ML'",
        "line 4: serve is not a setting; did you mean server?",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "- name: iris\n", "iris\n"])
def test_no_mapping(tmp_path, text):
    assert mistakes(tmp_path, text) == [
        "line 1: name is missing",
        "line 1: python is missing",
        "line 1: model is missing",
        "line 1: image is missing",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [("name: iris\nport: [1\nimage: x\n", 3), ("name: iris\nport: 1: 2\n", 2), ("\tname: x\n", 1)],
)
def test_broken_yaml(tmp_path, text, line):
    with pytest.raises(ProjectError) as caught:
        load(tmp_path, text)
    assert caught.value.what == f"{tmp_path / 'mlship.yaml'}:{line} is not valid YAML"
    assert caught.value.why
    assert caught.value.next == "correct mlship.yaml and run the command again"


@pytest.mark.parametrize("content", [b"name: caf\xe9\n", b"name: \x00\n"])
def test_not_text(tmp_path, content):
    with pytest.raises(ProjectError, match=r"mlship\.yaml.* is not valid YAML"):
        load(tmp_path, content)


def test_build_names_the_setting():
    with pytest.raises(UsageError) as caught:
        config.build({**MINIMAL, "resources": {"limits": {"cpu": "lots"}}})
    assert caught.value.what == "resources.limits.cpu can't be 'lots'"
    assert caught.value.next == "mlship init NAME --set resources.limits.cpu=VALUE"


def test_build_more_replicas_than_autoscale_max():
    with pytest.raises(UsageError) as caught:
        config.build({**MINIMAL, "replicas": 9})
    assert caught.value.what == "Settings disagree"
    assert caught.value.why == "autoscale.max is 6, below replicas."
    assert caught.value.next == "mlship init NAME --set autoscale.max=VALUE"
