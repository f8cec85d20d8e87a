"""Finding a project, and naming its image by what the image holds."""

import pytest

from mlship.errors import ProjectError
from mlship.project import find


@pytest.mark.parametrize("where", [".", "app", "app/../model"])
def test_find(project, where):
    found = find(project / where)
    assert found.root == project
    assert found.config.name == "iris"


def test_find_from_here(project, monkeypatch):
    monkeypatch.chdir(project / "app")
    assert find(type(project)()).root == project


def test_find_none(tmp_path):
    with pytest.raises(ProjectError) as caught:
        find(tmp_path)
    assert caught.value.what == f"No mlship project in {tmp_path}"
    assert caught.value.why == "Neither it nor a folder above holds mlship.yaml."
    assert caught.value.next == (
        "cd into the project, pass --project DIR, or make one: mlship init NAME --model FILE"
    )


def test_find_ignores_a_folder_of_that_name(project):
    (project / "app" / "mlship.yaml").mkdir()
    assert find(project / "app").root == project


def test_content_hash_is_the_same_anywhere(project, tmp_path):
    copy = project.rename(tmp_path / "elsewhere")
    assert find(copy).content_hash() == (
        "065856d3ce470f8e2777b91859d02352283c14df26f849582e0c4ff97a890a48"
    )


@pytest.mark.parametrize(
    "name",
    [
        "Dockerfile",
        "requirements.lock",
        "model/iris.onnx",
        "gunicorn.conf.py",
        "app/main.py",
        "app/__init__.py",
    ],
)
def test_content_hash_changes_with(project, name):
    before = find(project).content_hash()
    with (project / name).open("a") as file:
        file.write("# more\n")
    assert find(project).content_hash() != before


def test_content_hash_changes_with_a_new_file(project):
    before = find(project).content_hash()
    (project / "app" / "new.py").write_text("")
    assert find(project).content_hash() != before


def test_content_hash_changes_with_a_new_name(project):
    before = find(project).content_hash()
    (project / "app" / "main.py").rename(project / "app" / "other.py")
    assert find(project).content_hash() != before


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "requirements-dev.lock",
        "sample.json",
        "k8s/deployment.yaml",
        "tests/test_service.py",
        ".venv/bin/python",
        "app/__pycache__/main.cpython-312.pyc",
        "app/sub/__pycache__/x.pyc",
    ],
)
def test_content_hash_does_not_change_with(project, name):
    before = find(project).content_hash()
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("other")
    assert find(project).content_hash() == before


def test_content_hash_of_fastapi_needs_no_gunicorn(project):
    config = project / "mlship.yaml"
    config.write_text(config.read_text().replace("flask", "fastapi"))
    before = find(project).content_hash()
    (project / "gunicorn.conf.py").unlink()
    assert find(project).content_hash() == before


def test_content_hash_without_a_lock(project):
    (project / "requirements.lock").unlink()
    with pytest.raises(ProjectError, match=r"requirements\.lock is missing") as caught:
        find(project).content_hash()
    assert "mlship build" in caught.value.next


@pytest.mark.parametrize("name", ["Dockerfile", "model/iris.onnx", "gunicorn.conf.py"])
def test_content_hash_misses(project, name):
    (project / name).unlink()
    with pytest.raises(ProjectError) as caught:
        find(project).content_hash()
    assert caught.value.what == f"{project / name} is missing"
    assert caught.value.why == "The image is made of it."
    assert caught.value.next == f"mlship init iris --force, from {project.parent}"


def test_image(project):
    found = find(project)
    assert found.image() == f"registry.example.com/team/iris:0.2.0-{found.content_hash()[:8]}"
