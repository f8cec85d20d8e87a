"""What `mlship run` leaves behind: of the container nothing, unless it was asked to."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from mlship.project import find
from tests.support.projects import MLSHIP
from tests.support.servers import free_port
from tests.unit.conftest import write_program, write_project


class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def started(project, tmp_path):
    """Starts `mlship run` with an engine whose one container is the file ``made``."""
    made, diary = tmp_path / "made", tmp_path / "diary"
    processes = []

    @contextlib.contextmanager
    def call(*argv, run="", serves=True, label="iris", **kwargs):
        docker = write_program(tmp_path / "bin" / "docker", f"""echo "$*" >> {diary}
case "$*" in
--version) echo "Docker version 28.0.1, build abc" ;;
"container inspect"*) [ -e {made} ] && echo "running {label}" ;;
run*) {run or f"touch {made}"} ;;
"logs --follow"*) exec sleep 60 ;;
rm*) [ -e {made} ] && rm {made} && echo iris ;;
esac""")  # fmt: skip
        port = free_port()
        server = HTTPServer(("127.0.0.1", port), Ready) if serves else None
        if server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        process = subprocess.Popen(
            [*MLSHIP, "run", "--port", str(port), *argv], cwd=project, text=True,
            env=os.environ | {"MLSHIP_DOCKER": docker}, start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs},
        )  # fmt: skip
        processes.append(process)

        def said(word):
            deadline = time.monotonic() + 30
            while not (diary.exists() and word in diary.read_text()):
                assert time.monotonic() < deadline and process.poll() is None, process.stderr
                time.sleep(0.05)

        try:
            yield SimpleNamespace(process=process, made=made, diary=diary, said=said)
        finally:
            process.kill()
            process.communicate()
            if server:
                server.shutdown()
                server.server_close()

    return call


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.parametrize("number", CODES)
def test_stopped_while_it_follows_the_log(started, number):
    with started() as run:
        run.said("logs --follow iris")
        os.killpg(run.process.pid, number)  # as a terminal does
        # For a person who has seen enough, Ctrl-C is the way to end it.
        assert run.process.wait(20) == (0 if number == signal.SIGINT else CODES[number])
        assert not run.made.exists()
        verbs = [line.split()[0] for line in run.diary.read_text().splitlines()]
        assert verbs[-2:] == ["stop", "rm"]


@pytest.mark.parametrize("number", CODES)
def test_stopped_while_the_engine_makes_the_container(started, number, tmp_path):
    """The engine goes on making it without its client."""
    late = f"setsid sh -c 'sleep 1; touch {tmp_path}/made' >/dev/null 2>&1 & exec sleep 60"
    with started("--detach", run=late) as run:
        run.said("run --detach")
        os.killpg(run.process.pid, number)  # as a terminal does
        assert run.process.wait(20) == CODES[number]
        time.sleep(1)
        assert not run.made.exists()


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_stopped_while_it_waits(started, number, detach):
    with started(*detach, serves=False) as run:
        run.said("container inspect")
        while not run.made.exists():
            time.sleep(0.05)
        time.sleep(0.3)
        run.process.send_signal(number)
        assert run.process.wait(20) == CODES[number]
        assert not run.made.exists()


def test_what_was_detached_stays(started):
    with started("--detach") as run:
        assert run.process.wait(20) == 0
        assert run.made.exists() and "answers at http://127.0.0.1:" in run.process.stdout.read()


def test_a_closed_terminal(started):
    """Nothing can be printed there any more, and two signals come."""
    ours, theirs = pty.openpty()
    with started(stdin=theirs, stdout=theirs, stderr=theirs) as run:
        os.close(theirs)
        run.said("logs --follow iris")
        os.close(ours)
        os.killpg(run.process.pid, signal.SIGHUP)
        time.sleep(0.1)
        os.kill(run.process.pid, signal.SIGHUP)
        run.process.wait(20)
        assert not run.made.exists()


def test_nohup_stays_nohup(started):
    ignore = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with started(**ignore) as run:
        run.said("logs --follow iris")
        run.process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            run.process.wait(1)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(20) == 143


def test_it_runs_on_the_terms_of_the_pods(started, project):
    with (project / "mlship.yaml").open("a") as file:
        file.write('env: {THRESHOLD: "0.3"}\n')
    base = project / "k8s" / "base"
    base.mkdir(parents=True)
    (base / "config.env").write_text("DRAIN_SECONDS=6\n")
    (base / "deployment.yaml").write_text(json.dumps({"spec": {"template": {"spec": {
        "containers": [{"name": "server", "volumeMounts": [{"name": "t", "mountPath": "/tmp"}]}],
        "volumes": [{"name": "t", "emptyDir": {"sizeLimit": "1Gi"}}]}}}}))  # fmt: skip
    with started("--detach") as run:
        assert run.process.wait(20) == 0
        (line,) = (each for each in run.diary.read_text().splitlines() if each.startswith("run"))
    for words in ("--tmpfs /tmp:rw,exec,size=1g,mode=1777", "--env THRESHOLD=0.3",
                  "--env DRAIN_SECONDS=6", "--memory 2g --memory-swap 2g"):  # fmt: skip
        assert words in line


def test_a_container_of_another_project_of_that_name_stays(started, project, tmp_path):
    label = find(project).label
    other = find(write_project(tmp_path / "worktree" / "iris")).label
    assert label.startswith("iris-") and other.startswith("iris-") and label != other
    (tmp_path / "made").touch()
    with started("--detach", label=other) as run:
        assert run.process.wait(20) == 6 and run.made.exists()
        assert "exists and is not this project's" in run.process.stderr.read()
    with started("--detach", label=label) as run:
        assert run.process.wait(20) == 0
        assert f"--label mlship.project={label}" in run.diary.read_text()
        assert run.diary.read_text().count("rm --force iris") == 1
