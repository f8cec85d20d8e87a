"""Running programs: small real ones, through this Python."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mlship.errors import ToolFailed, ToolMissing
from mlship.runner import Command, Result, Runner

TALK = """
import sys
print("one", flush=True)
print("two", file=sys.stderr, flush=True)
print("three", flush=True)
sys.exit(3)
"""

# A program that uses Runner for a grandchild, which writes its process id first.
PARENT = """
import signal, sys
from pathlib import Path
from mlship import runner
runner._GRACE_SECONDS = 0.3
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    getattr(runner.Runner(), "{method}")(runner.Command((sys.executable, "-c", {child!r})), {more})
except KeyboardInterrupt:
    sys.exit(130)
"""
CHILD = """
import os, signal, time
from pathlib import Path
{prepare}
Path("pid.new").write_text(str(os.getpid()))
Path("pid.new").rename("pid")
time.sleep(60)
"""
# Uses what `background` gives, until it is stopped.
HOLDER = """
import signal, sys
from pathlib import Path
from mlship import runner
runner._GRACE_SECONDS = 0.3
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    with runner.Runner().background(runner.Command((sys.executable, "-c", {child!r}))) as lines:
        for line in lines:
            pass
except KeyboardInterrupt:
    sys.exit(130)
"""
STUBBORN = "[signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]"


def python(code, **kwargs):
    return Command((sys.executable, "-c", code), **kwargs)


def test_ask():
    assert Runner().ask(python(TALK)) == Result(3, "one\nthree\n", "two\n")


def test_ask_does_not_wait_for_input():
    assert Runner().ask(python("print(repr(input()))")).code == 1


def test_stream_keeps_order_and_exit_code():
    lines = []
    assert Runner().stream(python(TALK), lines.append) == 3
    assert lines == ["one", "two", "three"]


def test_stream_of_odd_bytes():
    code = r"import sys; sys.stdout.buffer.write(b'a\xff\r\n\n  b \nlast')"
    lines = []
    assert Runner().stream(python(code), lines.append) == 0
    assert lines == ["a\ufffd", "", "  b ", "last"]


def test_foreground(capfd):
    assert Runner().foreground(python(TALK)) == 3
    assert capfd.readouterr() == ("one\nthree\n", "two\n")


def test_echo_comes_first():
    seen = []
    command = python("print('ran')")
    Runner(echo=seen.append).stream(command, seen.append)
    assert seen == [command, "ran"]


def test_ask_is_not_echoed():
    seen = []
    Runner(echo=seen.append).ask(python(""))
    assert seen == []


def test_dry_run_only_echoes(tmp_path):
    command = python("open('made', 'w')", cwd=tmp_path)
    seen = []
    runner = Runner(dry_run=True, echo=seen.append)
    assert runner.stream(command, seen.append) == 0
    assert runner.foreground(command) == 0
    assert seen == [command, command]
    assert list(tmp_path.iterdir()) == []


def test_dry_run_asks():
    assert Runner(dry_run=True).ask(python("print(1)")) == Result(0, "1\n", "")


def test_cwd_and_env(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("REPLACED", "old")
    code = "import os; print(os.getcwd(), os.environ['KEPT'], os.environ['REPLACED'])"
    command = python(code, cwd=tmp_path, env={"REPLACED": "new"})
    lines = []
    assert Runner().ask(command).stdout == f"{tmp_path} kept new\n"
    assert Runner().stream(command, lines.append) == 0
    assert lines == [f"{tmp_path} kept new"]
    assert os.environ["REPLACED"] == "old"


@pytest.mark.parametrize("method", ["ask", "stream", "foreground", "background"])
def test_missing_program(method):
    runner = Runner()
    call = {
        "background": lambda command: runner.background(command).__enter__(),
        "ask": runner.ask,
        "stream": lambda command: runner.stream(command, print),
        "foreground": runner.foreground,
    }[method]
    with pytest.raises(ToolMissing) as caught:
        call(Command(("/opt/no-such-tool", "build", "a b")))
    assert caught.value.what == "/opt/no-such-tool is not installed, or not on PATH"
    assert caught.value.why == "It was needed for: /opt/no-such-tool build 'a b'"
    assert caught.value.next == "install no-such-tool, then run the command again"


@pytest.mark.parametrize("method", ["ask", "foreground"])
def test_program_that_may_not_be_run(method, tmp_path):
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(ToolMissing):
        getattr(Runner(), method)(Command((str(program), "info")))


def test_timeout():
    command = python("import time; time.sleep(30)")
    with pytest.raises(ToolFailed) as caught:
        Runner().ask(command, timeout=0.3)
    assert caught.value.what == f"{sys.executable} did not answer within 0.3 s"
    assert caught.value.why == f"$ {sys.executable} -c 'import time; time.sleep(30)'"


TUNNEL = """
import os, sys, time
print("pid", os.getpid(), flush=True)
print("ready", file=sys.stderr, flush=True)
time.sleep(60)
"""


def gone(pid):
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_background_lasts_as_long_as_its_context():
    seen = []
    with Runner(echo=seen.append).background(python(TUNNEL)) as lines:
        pid = int(next(lines).split()[1])
        assert next(lines) == "ready"
        os.kill(pid, 0)
    gone(pid)
    assert seen == [python(TUNNEL)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_background_ends_when_what_it_is_for_fails(error):
    with pytest.raises(error), Runner().background(python(TUNNEL)) as lines:
        pid = int(next(lines).split()[1])
        raise error
    gone(pid)


def test_background_that_ends_by_itself():
    with Runner().background(python(TALK)) as lines:
        assert list(lines) == ["one", "two", "three"]


def test_background_that_does_not_want_to_end(monkeypatch):
    monkeypatch.setattr("mlship.runner._GRACE_SECONDS", 0.3)
    code = f"import signal; {STUBBORN}; {TUNNEL}"
    with Runner().background(python(code)) as lines:
        pid = int(next(lines).split()[1])
    gone(pid)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Command(("docker", "ps")), "docker ps"),
        (Command(("docker", "--format", "{{.Id}}")), "docker --format '{{.Id}}'"),
        (Command(("echo", "it's", "")), "echo 'it'\"'\"'s' ''"),
        (Command(("make",), env={"A": "1", "B": "x y"}), "A=1 B='x y' make"),
    ],
)
def test_as_one_would_type_it(command, text):
    assert str(command) == text


def started(folder, method, prepare):
    more = {"stream": "print", "foreground": "", "background": ""}[method]
    text = HOLDER if method == "background" else PARENT
    code = text.format(method=method, child=CHILD.format(prepare=prepare), more=more)
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 10
    while not (folder / "pid").exists():
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.01)
    return parent, int((folder / "pid").read_text())


@pytest.mark.parametrize("method", ["stream", "foreground", "background"])
@pytest.mark.parametrize("prepare", ["", STUBBORN], ids=["obedient", "stubborn"])
@pytest.mark.parametrize("how", ["ctrl-c", "terminated"])
def test_nothing_is_left_running(tmp_path, method, prepare, how):
    parent, grandchild = started(tmp_path, method, prepare)
    if how == "ctrl-c":  # a terminal signals the whole group
        os.killpg(parent.pid, signal.SIGINT)
    else:
        parent.terminate()
    assert parent.wait(10) == {"ctrl-c": 130, "terminated": 143}[how]
    with pytest.raises(ProcessLookupError):
        os.kill(grandchild, 0)
