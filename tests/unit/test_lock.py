"""Whether a lock is fresh, what a new one moved, and that a failure leaves the old one."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlship import building, freshness, lock, lockfile, ownership, pyproject
from mlship.commands import uv
from mlship.errors import ProjectError, ToolFailed, UsageError
from mlship.project import find
from mlship.runner import Runner

PYPROJECT = """\
[project]
name = "iris"
dependencies = ["numpy>=1.26", "Flask[async]>=3.0", "uvloop>=0.20; sys_platform != 'win32'"]

[dependency-groups]
dev = ["pytest>=8", {include-group = "types"}]
types = ["mypy"]

[tool.ruff]
line-length = 100
"""


def pin(name, version, *, via="iris (pyproject.toml)", marker="", hashes=1):
    marker = f" ; {marker}" if marker else ""
    lines = [f"{name}=={version}{marker}"]
    lines += [f"    --hash=sha256:{str(n) * 64}" for n in range(hashes)]
    return " \\\n".join(lines) + f"\n    # via {via}\n"


# As uv writes it, with a library for a newer Python too, and one of another system.
RUNTIME = (
    pin("blinker", "1.9", via="flask")
    + pin("flask", "3.1")
    + pin("numpy", "2.4.6", marker="python_full_version < '3.13'")
    + pin("numpy", "2.5.1", marker="python_full_version >= '3.13'")
    + pin("uvloop", "0.22.1", marker="sys_platform != 'win32'")
)
TESTS = pin("mypy", "1.18", via="iris (pyproject.toml:dev)") + pin("pytest", "8.4")


def locked_by_hand(root: Path) -> Path:
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / uv.LOCK).write_text(RUNTIME)
    (root / uv.DEV_LOCK).write_text(RUNTIME + TESTS)
    return root


@dataclass
class Uv(Runner):
    """Stands in for uv: writes what it is told, and keeps the argv."""

    runtime: str = RUNTIME
    dev: str = RUNTIME + TESTS
    code: int = 0
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def stream(self, command, on_line):
        self.ran.append(command.argv)
        name = command.argv[-1]
        if name == uv.DEV_LOCK and self.code:
            on_line("no version of pytest fits")
            return self.code
        text = self.runtime if name == uv.LOCK else self.dev
        (command.cwd / name).write_text(text)
        return 0


@pytest.fixture
def made(project):
    """A project whose locks mlship made."""
    locked_by_hand(project)
    lock.lock(project, "3.12", Uv())
    return project


@pytest.fixture
def by_hand(project):
    return locked_by_hand(project)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_fresh_as_made_and_by_hand(made, tmp_path):
    assert lock.stale(made, "3.12") == []
    other = tmp_path / "other"
    other.mkdir()
    assert lock.stale(locked_by_hand(other), "3.12") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"numpy>=1.26", ', '\n    "numpy >= 1.26",  # arrays\n    '),
        ('"numpy>=1.26", "Flask[async]>=3.0"', '"flask[async]>=3.0", "NumPy>=1.26"'),
        ("line-length = 100", "line-length = 80"),
        ('name = "iris"', 'name = "iris"\nversion = "2"'),
    ],
)
def test_form_and_other_settings_do_not_matter(made, old, new):
    edit(made / "pyproject.toml", old, new)
    assert lock.stale(made, "3.12") == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("numpy>=1.26", "numpy>=1.26,<2.4", "numpy<2.4,>=1.26 is asked for, 2.4.6 is pinned"),
        ("numpy>=1.26", 'numpy>=1.26", "rich', "rich is asked for, and not pinned"),
        ('"numpy>=1.26", ', "", "numpy 2.4.6 is pinned, and no longer asked for"),
        ("pytest>=8", "pytest>=9", "pytest>=9 is asked for, 8.4 is pinned"),
        ('types = ["mypy"]', 'types = ["mypy>2"]', "mypy>2 is asked for, 1.18 is pinned"),
    ],
)
@pytest.mark.parametrize("header", [True, False], ids=["made", "by hand"])
def test_another_wish_makes_it_stale(made, old, new, reason, header):
    if not header:
        locked_by_hand(made)
    edit(made / "pyproject.toml", old, new)
    assert reason in lock.stale(made, "3.12")


@pytest.mark.parametrize(
    "change",
    [
        lambda path: edit(path, "numpy>=1.26", "numpy>=1.25"),
        lambda path: path.write_text(path.read_text() + '[tool.uv]\nprerelease = "allow"\n'),
    ],
)
def test_what_the_pins_do_not_show_is_seen_by_the_digest(made, change):
    change(made / "pyproject.toml")
    assert "has changed since" in lock.stale(made, "3.12")[0]
    locked_by_hand(made)
    change(made / "pyproject.toml")
    assert lock.stale(made, "3.12") == [], "by hand, what fits is right"


def test_optional_dependencies_count_where_uv_takes_them(made):
    path = made / "pyproject.toml"
    path.write_text(path.read_text() + '[project.optional-dependencies]\ngpu = ["a"]\n')
    assert lock.stale(made, "3.12") == []
    for settings in ('extra = ["gpu"]', "all-extras = true"):
        path.write_text(path.read_text() + f"[tool.uv.pip]\n{settings}\n")
        lock.lock(made, "3.12", Uv())
        assert lock.stale(made, "3.12") == []
        edit(path, '["a"]', '["a<2"]')
        assert "has changed since" in lock.stale(made, "3.12")[0]
        edit(path, f"[tool.uv.pip]\n{settings}\n", "")
        edit(path, '["a<2"]', '["a"]')


def test_names_of_groups_compare_as_those_of_packages(made):
    path = made / "pyproject.toml"
    edit(path, 'include-group = "types"', 'include-group = "t-y.pes"')
    edit(path, "types =", "T_Y_pes =")
    edit(path, "dev =", "Dev =")
    assert lock.stale(made, "3.12") == []
    edit(path, '["mypy"]', '["mypy>2"]')
    assert "mypy>2 is asked for, 1.18 is pinned" in lock.stale(made, "3.12")


def test_without_a_group_dev_uv_is_not_asked_for_it(project):
    """uv itself, which refuses a group that is not there."""
    (project / "pyproject.toml").write_text('[project]\nname = "iris"\nversion = "1"\n')
    lock.lock(project, "3.11", Runner(env={"UV_OFFLINE": "1"}))
    assert lock.stale(project, "3.11") == []


def test_a_uv_toml_in_place_of_the_settings_in_pyproject_counts(made):
    path = made / "uv.toml"
    for text in ("", 'prerelease = "allow"\n', 'prerelease = "if-necessary"\n'):
        path.write_text(text)
        assert "uv.toml or the Python" in lock.stale(made, "3.12")[0]
        lock.lock(made, "3.12", Uv())
        assert lock.stale(made, "3.12") == []
    path.unlink()
    assert lock.stale(made, "3.12")


def test_another_python_makes_it_stale(made):
    assert lock.stale(made, "3.13")
    assert lock.stale(made, "3.12") == []


def test_a_marker_that_is_not_for_the_image_asks_for_nothing(by_hand):
    edit(by_hand / "pyproject.toml", "numpy>=1.26", "numpy>=1.26\", \"pywin32; os_name=='nt'")
    assert lock.stale(by_hand, "3.12") == []
    # The image's own Python chooses among two pins of one name.
    edit(by_hand / "pyproject.toml", "numpy>=1.26", "numpy>=2.5")
    assert lock.stale(by_hand, "3.13") == []
    assert lock.stale(by_hand, "3.12") == ["numpy>=2.5 is asked for, 2.4.6 is pinned"]


def test_a_marker_that_compares_what_can_not_be_compared_asks_for_it(by_hand):
    edit(by_hand / "pyproject.toml", "numpy>=1.26", "numpy>=1.26\", \"x; os_name ~= 'a'")
    assert lock.stale(by_hand, "3.12")[0].endswith("is asked for, and not pinned")


def test_a_hand_edited_lock_is_held_against_its_content(made):
    path = made / uv.LOCK
    edit(path, "flask==3.1", "flask==2.9")
    assert "flask[async]>=3.0 is asked for, 2.9 is pinned" in lock.stale(made, "3.12")
    edit(path, "flask==2.9", "flask==3.0.5")
    reasons = lock.stale(made, "3.12")
    assert reasons == ["requirements.lock pins flask 3.0.5, requirements-dev.lock does not"]
    edit(made / uv.DEV_LOCK, "flask==3.1", "flask==3.0.5")
    assert lock.stale(made, "3.12") == [], "a version that fits, in both"
    edit(path, "    --hash=sha256:" + "0" * 64, "    --nothing")
    assert "blinker 1.9 is pinned without a hash" in lock.stale(made, "3.12")


MERGED = "<<<<<<< HEAD\n{}=======\n{}>>>>>>> other\n"


@pytest.mark.parametrize("where", lock.LOCKS)
def test_a_lock_with_the_marks_of_a_merge_is_stale_and_locked_again(made, where):
    path = made / where
    mine = pin("numpy", "2.4.6", marker="python_full_version < '3.13'")
    text = path.read_text()
    path.write_text(text.replace(mine, MERGED.format(mine, mine.replace("2.4.6", "2.4.5")), 1))
    assert f"{where} has the conflict marks of a merge" in lock.stale(made, "3.12")
    # Only a comment may be in conflict: the pins are those of the header then.
    path.write_text(text + MERGED.format("    # via a\n", "    # via b\n"))
    assert lock.stale(made, "3.12") == [f"{where} has the conflict marks of a merge"]
    seen = []

    class Reading(Uv):
        def stream(self, command, on_line):
            seen.extend((made / name).read_text() for name in lock.LOCKS)
            return super().stream(command, on_line)

    lock.lock(made, "3.12", Reading())
    assert not any("<<<<" in text or "====" in text or ">>>>" in text for text in seen)
    assert lock.stale(made, "3.12") == []


def test_a_lock_that_is_no_text_is_stale_and_locked_again(made):
    (made / uv.LOCK).write_bytes(b"\xff\xfe\x00")
    assert "requirements.lock is not in UTF-8" in lock.stale(made, "3.12")
    lock.lock(made, "3.12", Uv())
    assert lock.stale(made, "3.12") == []


def test_pins_beside_a_comment_of_another_encoding_stay(made):
    path, seen = made / uv.LOCK, []
    path.write_bytes(path.read_bytes() + "# für uns\n".encode("latin-1"))
    assert lock.stale(made, "3.12") == ["requirements.lock is not in UTF-8"]
    assert len(building.read_lock(find(made)).pins) == 5

    class Reading(Uv):
        def stream(self, command, on_line):
            seen.append(path.read_text())
            return super().stream(command, on_line)

    lock.lock(made, "3.12", Reading())
    assert "flask==3.1\n" in seen[0] and lock.stale(made, "3.12") == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("own @ git+file:///own@3c4cf9cf3\n", "own (git+file:///own@3c4cf9cf3)"),
        ("own @ file:///own\n", "own (file:///own)"),
        ("own @ file:///own.whl \\\n    --hash=sha256:" + "0" * 64 + "\n", "own (file:///own.whl)"),
        ("-e ../own\n", "-e ../own"),
        ("../own\n", "../own"),
        ("../own.whl \\\n    --hash=sha256:" + "0" * 64 + "\n", "../own.whl"),
    ],
)
def test_what_an_image_cannot_install_is_refused(made, line, said):
    before = {name: (made / name).read_bytes() for name in lock.LOCKS}
    with pytest.raises(ToolFailed) as caught:
        lock.lock(made, "3.12", Uv(runtime=RUNTIME + line))
    assert caught.value.what == f"An image can't install {said}"
    assert "--include" in caught.value.next
    assert {name: (made / name).read_bytes() for name in lock.LOCKS} == before
    wheel = pin("own", "1").replace("own==1", "own @ https://example.invalid/own-1.whl")
    lock.lock(made, "3.12", Uv(runtime=RUNTIME + wheel))


def test_a_mistake_in_the_settings_of_uv_is_no_lock_without_them(project):
    """uv itself, which ignores the whole table then, warns, and succeeds."""
    path = project / "pyproject.toml"
    path.write_text('[project]\nname = "iris"\nversion = "1"\n[dependency-groups]\ndev = []\n')
    lock.lock(project, "3.11", Runner(env={"UV_OFFLINE": "1"}))
    before = {name: (project / name).read_bytes() for name in lock.LOCKS}
    path.write_text(path.read_text() + "[tool.uv]\nexclude-newer = 2024-01-01T00:00:00Z\n")
    assert lock.stale(project, "3.11")  # a time, which JSON has not
    with pytest.raises(ProjectError, match=r"uv can't read \[tool.uv\]") as caught:
        lock.lock(project, "3.11", Runner(env={"UV_OFFLINE": "1"}))
    assert "exclude-newer = 2024-01-01T00:00:00Z" in caught.value.why
    assert {name: (project / name).read_bytes() for name in lock.LOCKS} == before
    path.write_text(path.read_text().replace("2024-01-01T00:00:00Z", '"2024-01-01T00:00:00Z"'))
    lock.lock(project, "3.11", Runner(env={"UV_OFFLINE": "1"}))
    assert lock.stale(project, "3.11") == []


def test_comments_and_order_of_a_lock_do_not_matter(made):
    path = made / uv.LOCK
    path.write_text(path.read_text() + "\n# mine\n")
    assert freshness.read(made, uv.LOCK).is_as_made


def test_without_pyproject_a_lock_is_its_owners_matter(by_hand):
    (by_hand / "pyproject.toml").unlink()
    assert lock.stale(by_hand, "3.12") == []
    with pytest.raises(ProjectError, match=r"pyproject\.toml is missing"):
        lock.lock(by_hand, "3.12", Uv())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[project", "not valid TOML"),
        ('[project]\ndependencies=["a b"]', "'a b'"),
        ('[project]\ndependencies="numpy"', "dependencies that are no list"),
        ("[dependency-groups]\ndev=3", "asks for 3, which is no requirement"),
        ('[project]\ndynamic=["version", "dependencies"]', "leaves its dependencies to its build"),
    ],
)
def test_a_broken_pyproject_is_named(project, text, said):
    (project / "pyproject.toml").write_text(text)
    with pytest.raises(ProjectError, match=said):
        pyproject.read(project)


def test_a_group_of_no_name_is_empty(project):
    (project / "pyproject.toml").write_text(
        '[dependency-groups]\ndev = ["a", {include-group = ["b"]}]\n'
    )
    assert [each.name for each in pyproject.read(project).dev] == ["a"]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [(">=3.12,<3.13", True), (">=3.12.4", True), ("==3.12.*", True), (">=3.11,<3.12", False)],
)
def test_one_python_for_project_and_lock(made, wanted, fits):
    edit(made / "pyproject.toml", "[project]", f'[project]\nrequires-python = "{wanted}"')
    if fits:
        lock.lock(made, "3.12", Uv())
        return
    with pytest.raises(ProjectError, match=r"for Python >=3\.11,<3\.12, mlship\.yaml for 3\.12"):
        lock.lock(made, "3.12", Uv())


def test_groups_that_include_each_other_end(project):
    (project / "pyproject.toml").write_text(
        '[dependency-groups]\ndev = ["a", {include-group = "b"}]\nb = [{include-group = "dev"}]\n'
    )
    assert [each.name for each in pyproject.read(project).dev] == ["a"]


def test_build_wants_a_fresh_lock_of_the_image_alone(made):
    found, runner = find(made), Uv()
    lock.require_fresh(found, runner)
    edit(made / "pyproject.toml", "pytest>=8", "pytest>=9")
    lock.require_fresh(found, runner)
    edit(made / "pyproject.toml", "numpy>=1.26", "numpy>=3")
    with pytest.raises(ToolFailed, match="not what pyproject") as caught:
        lock.require_fresh(found, runner)
    assert caught.value.next == "mlship lock"
    assert "numpy>=3 is asked for" in caught.value.why
    assert runner.ran == []
    (made / uv.LOCK).unlink()
    lock.require_fresh(found, runner)
    assert len(runner.ran) == 2


def test_upgrades_reach_uv_and_moves_are_told(made):
    image = RUNTIME.replace("3.1", "3.2") + pin("werkzeug", "3", via="flask")
    newer = Uv(runtime=image, dev=image + pin("pytest", "8.4"))
    moved = lock.lock(made, "3.12", newer, upgrade=True)
    assert all("--upgrade" in argv for argv in newer.ran)
    assert [(m.name, m.before, m.after) for m in moved.image if m.name != "numpy"] == [
        ("flask", "3.1", "3.2"),
        ("werkzeug", None, "3"),
    ]
    assert [(m.name, m.before, m.after) for m in moved.dev] == [("mypy", "1.18", None)]
    one = Uv()
    lock.lock(made, "3.12", one, packages=("Flask",))
    assert one.ran[0][-4:-2] == ("--upgrade-package", "Flask")
    with pytest.raises(UsageError) as caught:
        lock.lock(made, "3.12", one, packages=("flsk",))
    assert "--upgrade-package flask" in caught.value.next


def test_a_failure_leaves_both_locks_as_they_were(made):
    before = {name: (made / name).read_bytes() for name in lock.LOCKS}
    with pytest.raises(ToolFailed) as caught:
        lock.lock(made, "3.12", Uv(runtime=RUNTIME.replace("3.1", "3.9"), code=1))
    assert "no version of pytest fits" in caught.value.why
    assert {name: (made / name).read_bytes() for name in lock.LOCKS} == before
    for name in lock.LOCKS:
        (made / name).unlink()
    with pytest.raises(ToolFailed):
        lock.lock(made, "3.12", Uv(code=1))
    assert not any((made / name).exists() for name in lock.LOCKS)


def test_locks_that_are_mlships_stay_so(by_hand):
    ownership.write_record(by_hand)
    lock.lock(by_hand, "3.12", Uv(runtime=RUNTIME.replace("3.1", "3.2")))
    assert ownership.ours(by_hand, lock.LOCKS) == list(lock.LOCKS)
    edit(by_hand / uv.LOCK, "flask==3.2", "flask==3.3")
    lock.lock(by_hand, "3.12", Uv())
    assert ownership.ours(by_hand, lock.LOCKS) == [uv.DEV_LOCK]


def test_what_pyproject_pins_is_said_to_stay(made):
    edit(made / "pyproject.toml", "numpy>=1.26", "numpy==2.4.6")
    said = lock.held(made, lock.Locked([], []), (), upgrade=True)
    assert len(said) == 1 and said[0].startswith("numpy stays: pyproject.toml asks for ==2.4.6")
    assert lock.held(made, lock.Locked([], []), ("flask",), upgrade=False) == []


@pytest.mark.parametrize(
    "line",
    ["a==1 --hash=sha256:00", "a == 1 \\\n  --hash=sha256:00", "A[x]==1 ; os_name=='posix' \\"],
)
def test_other_forms_of_pins(line):
    (found,) = lockfile.parse(f"--index-url https://example.invalid\n# note\n{line}\n").pins
    assert (found.name, found.version) == ("a", "1")


def test_what_moved_is_told_where_all_is_new(made, monkeypatch):
    from typer.testing import CliRunner

    from mlship.cli import app, console

    image = RUNTIME + pin("rich", "15")
    runner = Uv(runtime=image, dev=image + TESTS)
    monkeypatch.setattr(console, "runner", lambda **_: runner)
    monkeypatch.chdir(made)
    edit(made / "pyproject.toml", "numpy>=1.26", 'numpy>=1.26", "rich')
    with console.out.capture() as shown:
        assert CliRunner().invoke(app, ["lock"]).exit_code == 0
    assert "rich" in shown.get() and "none" in shown.get() and "Locked 1" not in shown.get()
    for name in lock.LOCKS:
        (made / name).unlink()
    with console.out.capture() as shown:
        assert CliRunner().invoke(app, ["lock"]).exit_code == 0
    assert "Locked 5 libraries for the image, 2 more for its tests" in shown.get()


def test_no_password_of_an_address_is_shown(made, monkeypatch):
    from typer.testing import CliRunner

    from mlship.cli import app, console

    monkeypatch.setattr(console, "out", console.out)  # --json exchanges it
    monkeypatch.setattr(console, "_owes_json", False)
    monkeypatch.chdir(made)
    url = "https://ann:S3cret@h.example.com/own-1-py3-none-any.whl"
    own = pin("own", "1").replace("own==1", f"own @ {url}")
    edit(made / "pyproject.toml", "numpy>=1.26", f'numpy>=1.26", "own @ {url}')
    (reason, *_) = lock.stale(made, "3.12")
    assert reason == f"own @ {url.replace('ann:S3cret@', '')} is asked for, and not pinned"
    monkeypatch.setattr(console, "runner", lambda **_: Uv(runtime=RUNTIME + own,
                                                          dev=RUNTIME + own + TESTS))  # fmt: skip
    done = CliRunner().invoke(app, ["lock", "--json"])
    assert "h.example.com/own-1" in done.stdout and "S3cret" not in done.stdout
    edit(made / "pyproject.toml", "own-1", "own-2")
    assert "S3cret" not in str(lock.stale(made, "3.12"))
    git = lockfile.parse("-e git+https://ann:S3cret@h.example.com/own\n")
    assert lockfile.elsewhere(git) == ["-e git+https://h.example.com/own"]
    edit(made / "pyproject.toml", "own @ ", "own of ")
    with pytest.raises(ProjectError) as caught:
        lock.stale(made, "3.12")
    assert "h.example.com" in caught.value.what and "S3cret" not in caught.value.what


def test_no_password_that_uv_prints_is_shown(made, monkeypatch, tmp_path):
    from tests.unit.conftest import write_program

    program = write_program(tmp_path / "uv", 'echo "no way to $HTTPS_PROXY"; exit 1')
    monkeypatch.setattr(uv, "program", lambda: program)
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:S3cret#Pw@proxy.example.com:3128")
    with pytest.raises(ToolFailed) as caught:
        lock.lock(made, "3.12", Runner())
    assert caught.value.why == "no way to http://ann:****@proxy.example.com:3128"


def test_check_and_json(made, monkeypatch):
    from typer.testing import CliRunner

    from mlship.cli import app, console

    monkeypatch.setattr(console, "out", console.out)  # --json exchanges it
    monkeypatch.setattr(console, "_owes_json", False)
    monkeypatch.chdir(made)
    fresh = CliRunner().invoke(app, ["lock", "--json"])
    assert json.loads(fresh.stdout) == {"stale": [], "moved": []}
    edit(made / "pyproject.toml", "numpy>=1.26", "numpy>=3")
    stale = CliRunner().invoke(app, ["lock", "--check"])
    assert isinstance(stale.exception, ToolFailed) and stale.exception.exit_code == 6
    assert isinstance(
        CliRunner().invoke(app, ["lock", "--check", "--upgrade"]).exception, UsageError
    )
