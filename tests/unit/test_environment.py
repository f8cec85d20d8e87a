"""What is installed into a project's environment, and from where; which locks stay."""

import shutil
from dataclasses import dataclass, field

import pytest

from mlship import environment, golden, lock, recording
from mlship.cli import verify
from mlship.commands import uv
from mlship.errors import ToolFailed
from mlship.golden import Golden
from mlship.project import find
from tests.unit.conftest import write_program
from tests.unit.test_lock import Uv, edit, locked_by_hand


@dataclass
class Installing(Uv):
    """Locks as the stand-in for uv does, and keeps what uv is asked for."""

    failing: str = "nothing"
    words: list[str] = field(default_factory=list)

    def stream(self, command, on_line):
        if "compile" in command.argv:
            self.words.append(f"lock {command.argv[-1]}")
            return super().stream(command, on_line)
        words = [each for each in command.argv[1:] if each in ("venv", "sync", "--no-index")]
        self.words.append(" ".join([*words, command.argv[-1]]))
        if words == ["venv"]:
            shutil.rmtree(command.cwd / ".venv", ignore_errors=True)
            (command.cwd / ".venv").mkdir()
        if self.failing in command.argv:
            on_line("no route to host")
            return 1
        return 0


VENV, DEV = "venv .venv", "sync requirements-dev.lock"
OFFLINE = "sync --no-index requirements.lock"


@pytest.fixture
def made(project):
    locked_by_hand(project)
    lock.lock(project, "3.12", Uv())
    return project


def ensured(project, runner, wheels=None):
    environment.ensure(project, "3.12", runner, wheels)
    return runner.words


def test_a_lock_of_the_image_that_is_fresh_stays(made):
    """The image that was just built is named by it."""
    before = (made / uv.LOCK).read_bytes()
    edit(made / "pyproject.toml", "pytest>=8", "pytest>=8.1")
    assert ensured(made, Installing()) == [f"lock {uv.DEV_LOCK}", VENV, DEV]
    assert (made / uv.LOCK).read_bytes() == before and lock.stale(made, "3.12") == []
    assert ensured(made, Installing()) == []
    edit(made / "pyproject.toml", "numpy>=1.26", "numpy>=1.27")
    assert ensured(made, Installing())[:2] == [f"lock {uv.LOCK}", f"lock {uv.DEV_LOCK}"]


def test_from_a_folder_of_wheels(made, tmp_path):
    wheels = tmp_path / "w"
    edit(made / "pyproject.toml", "pytest>=8", "pytest>=8.1")  # no index could lock that
    assert ensured(made, Installing(failing="compile"), wheels) == [VENV, OFFLINE]
    assert ensured(made, Installing(), wheels) == []
    assert not environment.is_current(made, "3.12"), "what tests need is not there"
    assert ensured(made, Installing()) == [f"lock {uv.DEV_LOCK}", VENV, DEV]
    assert ensured(made, Installing(), wheels) == []


def test_wheels_of_another_machine_are_no_hindrance(made, tmp_path):
    """Those for a Linux image on a Mac."""
    found = ensured(made, Installing(failing="--no-index"), tmp_path / "w")
    assert found == [VENV, OFFLINE, VENV, DEV]
    assert environment.is_current(made, "3.12")


def test_where_no_answers_can_be_recorded(made):
    with pytest.raises(ToolFailed, match="records the golden answers") as caught:
        recording.prepare(find(made), Installing(failing="sync"))
    assert "no route to host" in caught.value.why
    for way in ("check the network", "commit tests/golden.json", "mlship build --no-verify"):
        assert way in caught.value.next
    (made / "tests").mkdir()
    sha256 = find(made).config.model.sha256
    (made / golden.FILE).write_text(golden.written(Golden([[1]], ["a"], model=sha256)))
    recording.prepare(find(made), runner := Installing(failing="sync"))
    assert runner.words == []


def test_recording_locks_nothing_anew(made):
    edit(made / "pyproject.toml", "numpy>=1.26", "numpy>=3")
    with pytest.raises(ToolFailed, match="not what pyproject") as caught:
        recording.record(find(made), runner := Installing(), {})
    assert caught.value.next == "mlship lock" and runner.words == []


@pytest.fixture
def build(project, monkeypatch, tmp_path):
    """Runs `mlship build --verify` with a docker and a uv that keep a diary; returns it."""
    from typer.testing import CliRunner

    from mlship.cli import app

    diary = tmp_path / "diary"

    def call(*argv, uv_code=0):
        docker = write_program(tmp_path / "bin" / "docker", f"""case "$*" in
--version) echo "Docker version 20.10.24, build abc" ;;
"buildx version") exit 1 ;;
build*) ls wheels 2>/dev/null; echo "docker build" >> {diary} ;;
esac""")  # fmt: skip
        program = write_program(
            tmp_path / "bin" / "uv",
            f'echo "uv $1 $UV_DEFAULT_INDEX $SSL_CERT_FILE" >> {diary}; mkdir -p .venv; '
            f"exit {uv_code}",
        )
        monkeypatch.setenv("MLSHIP_DOCKER", docker)
        monkeypatch.setattr(uv, "program", lambda: program)
        monkeypatch.setattr(verify, "verify", lambda *_: diary.open("a").write("verify\n"))
        done = CliRunner().invoke(
            app, ["build", "--verify", "--project", str(project), *map(str, argv)]
        )
        return done, diary.read_text().splitlines()

    return call


def test_the_environment_comes_from_where_the_image_comes_from(build, tmp_path):
    conf, bundle = tmp_path / "pip.conf", tmp_path / "ca.pem"
    conf.write_text("[global]\nindex-url = https://me:secret@pypi.acme.test/simple\n")
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    done, diary = build("--pip-conf", conf, "--ca-bundle", bundle)
    assert done.exception is None
    told = f"https://me:secret@pypi.acme.test/simple {bundle}"
    assert diary == [f"uv venv {told}", f"uv pip {told}", "docker build", "verify"]


def test_nobody_waits_for_an_image_that_can_not_be_tried(build):
    done, diary = build(uv_code=2)
    assert isinstance(done.exception, ToolFailed) and "--no-verify" in done.exception.next
    assert len(diary) == 1 and diary[0].startswith("uv venv")
