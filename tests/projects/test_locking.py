"""The locks of a project, made by uv itself."""

import json
import re
import subprocess

import pytest

from mlship import ownership
from mlship.commands import uv
from tests.support.projects import copied, mlship

# As the project's README has them.
BY_HAND = re.compile(r"`(uv pip compile [^`]*)`")


@pytest.fixture
def project(projects, tmp_path):
    source = projects.get("fastapi", "tumor.onnx", installed=False)
    return copied(source, tmp_path / source.name)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_lock_made_by_hand_is_as_good(project):
    for name in ("requirements.lock", "requirements-dev.lock"):
        (project / name).unlink()
    commands = BY_HAND.findall((project / "README.md").read_text())
    assert len(commands) == 2
    for command in commands:
        argv = [uv.program(), *command.split()[1:], "--quiet"]
        subprocess.run(argv, cwd=project, check=True)
    said = mlship("lock", "--check", cwd=project).stdout
    assert said == "Fresh: the locks are what pyproject.toml asks for\n"
    before = (project / "requirements.lock").read_bytes()
    mlship("lock", cwd=project)
    assert (project / "requirements.lock").read_bytes() == before


def test_lock_moves_what_it_must_and_nothing_else(project):
    edit(project / "pyproject.toml", '"numpy>=1.26"', '"numpy>=1.26,<2.3",\n    "tomli-w<1.2"')
    refused = mlship("build", "--dry-run", cwd=project, check=False)
    assert refused.returncode == 6 and "Next: mlship lock" in refused.stderr
    moved = json.loads(mlship("lock", "--json", cwd=project).stdout)["moved"]
    assert [move["name"] for move in moved] == ["numpy", "tomli-w"]
    assert moved[0]["to"].startswith("2.2.") and moved[1]["from"] is None
    # Nothing newer is taken by itself, and without network where nothing changed.
    offline = {"PATH": "/nowhere", "HTTPS_PROXY": "http://127.0.0.1:9", "UV_OFFLINE": "1"}
    done = mlship("lock", cwd=project, env=offline)
    assert done.stdout.startswith("Fresh")
    upgraded = json.loads(
        mlship("lock", "--upgrade-package", "tomli-w", "--json", cwd=project).stdout
    )
    assert upgraded == {"stale": [], "moved": []}
    edit(project / "pyproject.toml", "tomli-w<1.2", "tomli-w")
    mlship("lock", cwd=project)
    (move,) = json.loads(
        mlship("lock", "--upgrade-package", "tomli-w", "--json", cwd=project).stdout
    )["moved"]
    assert move["name"] == "tomli-w" and move["from"].startswith("1.1") and move["in_image"]
    # They stay mlship's, so `init --force` may write them again.
    locks = ["requirements.lock", "requirements-dev.lock"]
    assert ownership.ours(project, locks) == locks


def test_what_no_image_can_install_leaves_the_locks(project, tmp_path):
    own = tmp_path / "own"
    (own / "own").mkdir(parents=True)
    (own / "own" / "__init__.py").touch()
    (own / "pyproject.toml").write_text('[project]\nname = "own"\nversion = "1"\n')
    before = {path: path.read_bytes() for path in project.glob("*.lock")}
    edit(project / "pyproject.toml", '"numpy>=1.26"', f'"numpy>=1.26",\n    "own @ {own.as_uri()}"')
    done = mlship("lock", cwd=project, check=False)
    assert done.returncode == 6 and f"An image can't install own ({own.as_uri()})" in done.stderr
    # As a source of uv's own settings, it has no name in the lock.
    edit(project / "pyproject.toml", f"own @ {own.as_uri()}", "own")
    with (project / "pyproject.toml").open("a") as file:
        file.write('\n[tool.uv.sources]\nown = {path = "../own", editable = true}\n')
    done = mlship("lock", cwd=project, check=False)
    assert done.returncode == 6 and "An image can't install -e ../own" in done.stderr
    assert {path: path.read_bytes() for path in project.glob("*.lock")} == before


def test_a_merge_is_locked_again(project):
    lock = project / "requirements.lock"
    text = lock.read_text()
    line = next(line for line in text.splitlines(True) if line.startswith("numpy=="))
    sides = f"<<<<<<< HEAD\n{line}=======\n{line.replace('==2.', '==2.0.', 1)}>>>>>>> other\n"
    lock.write_text(text.replace(line, sides))
    refused = mlship("build", "--dry-run", cwd=project, check=False)
    assert refused.returncode == 6 and "conflict marks of a merge" in refused.stderr
    mlship("lock", cwd=project)
    assert lock.read_text() == text
    assert mlship("lock", "--check", cwd=project).stdout.startswith("Fresh")
