"""Finding a project, and naming its image by what the image holds."""

import os

import pytest

from mlship.digest import sha256_of
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
        "k8s/base/deployment.yaml",
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


def test_content_hash_knows_what_dockerignore_lets_through(project):
    def changes(path, text):
        before = find(project).content_hash()
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return find(project).content_hash() != before

    extra = project / "extra" / "words.txt"
    assert not changes(extra, "a")
    assert changes(project / ".dockerignore", "*\n!/extra/\n!wheels\n!a**b\n!missing\n!*.cfg\n")
    assert changes(extra, "b") and changes(project / "my.cfg", "c")
    assert not changes(project / "wheels" / "numpy.whl", "w")
    assert changes(project / ".dockerignore", "!.")
    assert changes(project / "more.txt", "d") and not changes(project / "sbom.json", "{}")
    (project / "extra" / "out").symlink_to("/")
    (project / "out").symlink_to("extra")
    find(project).content_hash()


def test_content_hash_knows_what_can_be_run(project):
    before = find(project).content_hash()
    (project / "app" / "main.py").chmod(0o755)
    assert find(project).content_hash() != before


def test_content_hash_of_names_of_any_bytes(project):
    before = find(project).content_hash()
    name = os.fsdecode(b"caf\xe9")
    (project / "app" / name).write_text("")
    (project / "app" / "link").symlink_to(name)
    (project / "model" / "folder").mkdir()
    (project / "model" / "folder" / name).write_text("")
    assert find(project).content_hash() != before and sha256_of(project / "model")


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


def test_what_a_link_leads_to_is_not_in_the_image(project, tmp_path):
    found = find(project)
    link, other = project / "app" / "data", tmp_path / "data"
    other.mkdir()
    link.symlink_to(other)
    before = found.content_hash()
    (other / "file").write_text("x")
    assert found.content_hash() == before
    link.unlink()
    link.symlink_to("/mounted/later")
    assert found.content_hash() != before


def test_a_model_that_is_elsewhere_is_refused(project, tmp_path):
    found = find(project)
    model = project / "model" / "iris.onnx"
    model.rename(project / "model" / "other.onnx")
    model.symlink_to("other.onnx")
    found.require_links()
    found.require_model()
    model.unlink()
    (project / "model" / "other.onnx").rename(tmp_path / "other.onnx")
    model.symlink_to(tmp_path / "other.onnx")
    with pytest.raises(ProjectError, match="would not have what it leads to"):
        found.require_links()


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("app/shared.py", "../../shared.py"),
        ("app/shared", "../../shared"),
        ("app/sub/data", "../../mlship.yaml"),
        ("app/nothing.py", "missing.py"),
        ("app/circle", "circle"),
        ("model/other.onnx", "{project}/model/iris.onnx"),
        ("model", "../models"),
        ("gunicorn.conf.py", "../shared.py"),
        ("requirements.lock", "../shared.py"),
    ],
)
def test_a_link_that_leads_nowhere_in_the_image_is_refused(project, link, target):
    for name in ("shared", "models", "iris/app/sub"):
        (project.parent / name).mkdir()
    (project.parent / "shared.py").touch()
    path, found = project / link, find(project)
    (project / "app" / "good").symlink_to("sub/../main.py")
    (project / "app" / "weights").symlink_to("../model")
    found.require_links()
    if path.exists():
        path.rename(project / "aside")
    path.symlink_to(target.format(project=project))
    with pytest.raises(ProjectError, match="would not have what it leads to") as caught:
        found.require_links()
    assert caught.value.what.startswith(f"{path} is a link")


def test_another_base_is_another_image(project):
    """A registry may refuse to replace a tag, and a deploy must not take the former digest."""
    config = project / "mlship.yaml"
    names = [find(project).image()]
    for base in ("registry.example.com/python:3.12-slim", "registry.example.com/python:3.12.1"):
        config.write_text(f"{config.read_text().partition('base:')[0]}base: {base}\n")
        names.append(find(project).image())
    assert len(set(names)) == 3


def test_the_base_has_the_python_of_the_lock(project):
    found = find(project)
    python = found.config.python
    for base in (
        "",
        f"mirror/python:{python}-slim",
        f"python:{python}.4",
        "mirror/base:1",
        "python:3",
    ):
        found.require_python(base)
    with pytest.raises(
        ProjectError, match=f"would have Python 3.10, and mlship.yaml says {python}"
    ):
        found.require_python("registry.example.com:5000/python:3.10-slim")
    dockerfile = project / "Dockerfile"
    dockerfile.write_text("# base\nARG PYTHON_IMAGE=python:3.9-slim\nFROM ${PYTHON_IMAGE}\n")
    with pytest.raises(ProjectError) as caught:
        found.require_python()
    assert caught.value.why.startswith("Its base is python:3.9-slim; ")
    assert "--force --set python=3.9" in caught.value.next
    dockerfile.unlink()
    found.require_python()
