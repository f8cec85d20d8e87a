"""All of a project or nothing of it: failures, kills, full disks, and other people's files."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlship import ownership, plan, scaffold
from mlship.errors import ProjectError
from tests.support.projects import MLSHIP, mlship


def write(target, *, server=None, force=False, finish=lambda project: None, **values):
    made = plan.make(target, plan.Wishes(server=server, values=values))
    return scaffold.scaffold(made.card, made.context(), target, force=force, finish=finish)


def snapshot(folder):
    return {name: (folder / name).read_bytes() for name in ownership.files_in(folder)}


def test_writes_every_file_and_nothing_beside(tmp_path):
    done = write(tmp_path / "iris")
    assert [p.name for p in tmp_path.iterdir()] == ["iris"]
    assert sorted(done.changes.written) == list(ownership.files_in(tmp_path / "iris"))
    assert "model/iris.onnx" in done.changes.written


def test_into_an_empty_folder(tmp_path):
    (tmp_path / "iris").mkdir()
    write(tmp_path / "iris")
    assert (tmp_path / "iris" / "mlship.yaml").is_file()


@pytest.mark.parametrize("make", ["file", "folder with something in it"])
def test_what_is_in_the_way_stays(tmp_path, make):
    target = tmp_path / "iris"
    if make == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "notes.txt").write_text("mine")
    with pytest.raises(ProjectError):
        write(target)
    assert "mine" in (target if make == "file" else target / "notes.txt").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["iris"]


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), SystemExit(1)],
)
def test_a_failure_leaves_nothing(tmp_path, failure):
    def fail(project):
        raise failure

    with pytest.raises(type(failure)):
        write(tmp_path / "iris", finish=fail)
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_only_what_is_mlships(tmp_path):
    target = tmp_path / "iris"
    write(target)
    (target / "notes.txt").write_text("mine")
    (target / "README.md").write_text("my own words")
    (target / "app" / "extra.py").write_text("mine")
    changes = write(target, force=True, port=9001).changes
    assert (target / "notes.txt").read_text() == "mine"
    assert (target / "app" / "extra.py").read_text() == "mine"
    assert changes.kept == ["README.md"]
    assert (target / "README.md").read_text() == "my own words"
    assert "port: 9001" in (target / "mlship.yaml").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["iris"]
    # What was kept stays the user's at the next time as well.
    assert write(target, force=True).changes.kept == ["README.md"]


def test_force_over_a_folder_that_was_never_mlships(tmp_path):
    target = tmp_path / "iris"
    (target / "app").mkdir(parents=True)
    (target / "Dockerfile").write_text("FROM mine")
    (target / "app" / "main.py").write_text("mine")
    changes = write(target, force=True).changes
    assert sorted(changes.kept) == ["Dockerfile", "app/main.py"]
    assert (target / "Dockerfile").read_text() == "FROM mine"
    assert (target / "k8s" / "base" / "deployment.yaml").is_file()


def test_force_keeps_the_projects_model_and_settings(tmp_path):
    target = tmp_path / "iris"
    write(target, server="flask", port=9001, replicas=4)
    before = snapshot(target)
    write(target, force=True)
    assert snapshot(target) == before


def test_another_server_takes_the_files_of_the_former_away(tmp_path):
    target = tmp_path / "iris"
    write(target, server="fastapi")
    changes = write(target, server="flask", force=True).changes
    assert {"app/__main__.py"} <= set(changes.removed)
    other = tmp_path / "other" / "iris"
    write(other, server="flask")
    assert snapshot(target) == snapshot(other)


def test_a_link_in_the_project_is_not_followed(tmp_path):
    target = tmp_path / "iris"
    write(target)
    outside = tmp_path / "outside.md"
    outside.write_text((target / "README.md").read_text())
    (target / "README.md").unlink()
    (target / "README.md").symlink_to(outside)
    changes = write(target, force=True, port=9001).changes
    assert "README.md" in changes.kept and (target / "README.md").is_symlink()
    assert "9001" not in outside.read_text()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("after", [0, 1, 5, 20])
def test_a_failure_during_force_puts_everything_back(tmp_path, monkeypatch, failure, after):
    target = tmp_path / "iris"
    write(target)
    (target / "notes.txt").write_text("mine")
    before = snapshot(target)
    real, calls = Path.replace, []

    def replace(self, other):
        calls.append(self)
        if len(calls) == after + 1:
            raise failure("now")
        return real(self, other)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(failure):
        write(target, force=True, port=9001, server="flask")
    monkeypatch.undo()
    assert snapshot(target) == before
    assert [p.name for p in tmp_path.iterdir()] == ["iris"]


def start_init(cwd):
    argv = [*MLSHIP, "init", "iris", "--no-input", "--no-lock"]
    return subprocess.Popen(argv, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def duration(tmp_path):
    started = time.monotonic()
    assert start_init(tmp_path).wait() == 0
    return time.monotonic() - started


def test_kill_9_at_ten_random_moments(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = duration(tmp_path / "whole")
    want = snapshot(tmp_path / "whole" / "iris")
    chance, outcomes = random.Random(), []
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        process = start_init(folder)
        time.sleep(chance.uniform(0.2, 1.0) * whole)
        process.kill()
        process.wait()
        exists = (folder / "iris").exists()
        outcomes.append(exists)
        if exists:
            assert snapshot(folder / "iris") == want
        else:  # the next one succeeds, and sweeps up what the killed one left
            mlship("init", "iris", "--no-input", "--no-lock", cwd=folder)
            assert [p.name for p in folder.iterdir()] == ["iris"]
            assert snapshot(folder / "iris") == want
    assert not all(outcomes), "no kill came early enough to mean anything"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(tmp_path, sent):
    """Stopped while it renders: the hidden folder beside the target is gone too."""
    code = (
        "import os, signal, sys; from pathlib import Path; from mlship import scaffold;"
        "real = scaffold._render\n"
        f"def render(*a): r = real(*a); os.kill(os.getpid(), {int(sent)}); return r\n"
        "scaffold._render = render;"
        "sys.argv = ['mlship', 'init', 'iris', '--no-input', '--no-lock'];"
        "from mlship.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode in (129, 130, 143), done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
def test_a_full_disk_leaves_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk]).returncode:
        pytest.skip("can't mount here")
    try:
        done = mlship("init", "iris", "--no-input", "--no-lock", cwd=disk, check=False)
        assert done.returncode == 1 and "No space left" in done.stderr
        assert len([line for line in done.stderr.splitlines() if "Error:" in line]) == 1
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_force_takes_over_an_edited_mlship_yaml_with_a_new_model(tmp_path):
    from tests.support import models

    target = tmp_path / "iris"
    write(target)
    path = target / "mlship.yaml"
    path.write_text(path.read_text().replace("replicas: 2", "replicas: 4"))
    made = plan.make(target, plan.Wishes(models.save("tumor.onnx", tmp_path)))
    scaffold.scaffold(made.card, made.context(), target, force=True)
    config = plan.former(target)
    assert (config.replicas, config.model.file) == (4, "model/tumor.onnx")
    assert [p.name for p in (target / "model").iterdir()] == ["tumor.onnx"]


def test_a_mistake_in_mlship_yaml_stops_force_before_anything_changes(tmp_path):
    target = tmp_path / "iris"
    write(target, replicas=3)
    path = target / "mlship.yaml"
    path.write_text(path.read_text().replace("replicas: 3", "replicas: 3x"))
    before = snapshot(target)
    done = mlship("init", "iris", "--force", "--no-input", "--no-lock", cwd=tmp_path, check=False)
    assert done.returncode == 3 and "replicas" in done.stderr
    assert snapshot(target) == before


def test_what_a_process_of_the_same_pid_left_is_swept_up(tmp_path):
    (tmp_path / f".iris.{os.getpid()}.abc.tmp").mkdir()
    (tmp_path / ".iris.1.abc.tmp").mkdir()  # pid 1 runs
    write(tmp_path / "iris")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".iris.1.abc.tmp", "iris"]
