"""Each check of an image by what a played engine says, and the words of each failure."""

import contextlib
import json
import signal
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mlship import client, container, golden, ownership, podspec, recording, verifying
from mlship.cli import verify as cli
from mlship.commands import verifying as argv
from mlship.config import load
from mlship.container import Container
from mlship.engine import Engine
from mlship.errors import ProjectError, ServiceError, ToolFailed
from mlship.golden import Golden
from mlship.podspec import Pod
from mlship.project import find
from mlship.runner import Command, Result, Runner
from tests.unit.conftest import write_program

DOCKER, PODMAN = Engine("docker", "docker"), Engine("podman", "podman")
GOLDEN = Golden([[1.0], [2.0]], ["a", "b"], [[0.9, 0.1], [0.2, 0.8]], source="the model")
RIGHT = {"predictions": ["a", "b"], "probabilities": [[0.9, 0.1], [0.2, 0.8]]}


@pytest.mark.parametrize("engine", [DOCKER, PODMAN])
def test_start(engine, tmp_path):
    command = argv.start(
        engine, "iris:1", "mlship-verify-7", 9000,
        Pod(memory="512Mi", cpu="500m", env={"WORKERS": "1", "A": "b c"},
            scratch={"/tmp": "64Mi", "/srv/cache": ""}),
        model=tmp_path,
    )  # fmt: skip
    # podman's own default makes /run and /var/tmp writable.
    read_only = ("--read-only", *(["--read-only-tmpfs=false"] if engine is PODMAN else []))
    assert command == Command((
        engine.program, "run", "--detach", "--name", "mlship-verify-7", "--label", "mlship.verify",
        *read_only, "--tmpfs", "/tmp:rw,exec,size=64m,mode=1777",
        "--tmpfs", "/srv/cache:rw,exec,mode=1777",
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "10001:10001",
        "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024",
        "--memory", "512m", "--memory-swap", "512m",
        "--env", "WORKERS=1", "--env", "A=b c", "--env", "PORT=9000",
        "--mount", f"type=bind,source={tmp_path},target=/srv/model,readonly",
        "--cpu-period", "100000", "--cpu-quota", "50000",
        "--dns", "127.0.0.1", "--publish", "127.0.0.1::9000", "iris:1",
    ))  # fmt: skip


def test_start_as_a_patch_has_it():
    command = argv.start(
        DOCKER, "iris:1", "n", 9000, Pod(scratch={}, user="20000:0", read_only=False),
        address="0.0.0.0",
    )  # fmt: skip
    assert "--read-only" not in command.argv and "--tmpfs" not in command.argv
    assert command.argv[command.argv.index("--user") + 1] == "20000:0"
    assert "0.0.0.0::9000" in command.argv


def test_two_verifications_never_share_a_container():
    # Jobs in containers have the same process ids, and may share an engine.
    first, second = (Container(DOCKER, "iris:1", 8000, Pod(), Runner()).name for _ in range(2))
    assert first != second and first.startswith("mlship-verify-")


def test_the_other_commands():
    def words(command):
        assert command.argv[0] == "docker"
        return command.argv[1:]

    assert words(argv.user(DOCKER, "i:1")) == (
        "image", "inspect", "--format", "{{.Config.User}}", "i:1")  # fmt: skip
    assert words(argv.port(DOCKER, "n", 9000)) == ("port", "n", "9000/tcp")
    assert words(argv.changes(DOCKER, "n")) == ("diff", "n")
    assert words(argv.remove(DOCKER, "n")) == ("rm", "--force", "--volumes", "n")
    assert words(argv.sockets(DOCKER, "n")) == (
        "exec", "n", "cat", "/proc/net/tcp", "/proc/net/tcp6")  # fmt: skip
    mounts = "{{range .Mounts}}{{println .Destination}}{{end}}"
    assert words(argv.mounts(DOCKER, "n")) == ("container", "inspect", "--format", mounts, "n")
    assert words(argv.stop(DOCKER, "n", 33)) == ("stop", "--time", "33", "n")
    assert words(argv.memory(DOCKER, "n"))[:4] == ("exec", "n", "sh", "-c")
    form = "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}"
    assert words(argv.state(DOCKER, "n")) == ("container", "inspect", "--format", form, "n")


@pytest.mark.parametrize(("cpu", "quota"), [("1", 100_000), ("2.5", 250_000), ("1m", 1000)])
def test_cpu_quota(cpu, quota):
    assert argv.cpu_quota(cpu) == quota


class Played(Runner):
    """An engine whose answers are given by the first words of what it is asked."""

    def __init__(self, **said):
        super().__init__()
        self.said = {
            "image": "10001:10001\n", "port": "127.0.0.1:32768\n",
            "container": "running 0 false\n", "exec": "62914560\noom_kill 0\n",
            "stop": "", "diff": "", "logs": "", "rm": "", "mounts": "", "sockets": "",
        } | said  # fmt: skip
        self.ran, self.started = [], ()

    def ask(self, command, timeout=60):
        verb = command.argv[1]
        self.ran.append(verb)
        verb = "mounts" if "Mounts" in str(command) else verb
        verb = "sockets" if "/proc/net/tcp" in command.argv else verb
        if verb == "stop" and self.said["container"].startswith("running 0 false"):
            self.said["container"] = "exited 0 false\n"
        text = self.said[verb]
        return Result(1, "", text[1:]) if text.startswith("!") else Result(0, text, "")

    def stream(self, command, on_line):
        self.ran.append(command.argv[1])
        self.started = command.argv
        on_line("WARNING: Localhost DNS setting may fail")
        on_line("docker: no space left")
        return 125 if self.said.get("run") == "!" else 0


def test_a_container_that_comes_after_ctrl_c_is_removed(monkeypatch):
    """The engine's client is stopped, and the engine goes on making the container."""
    monkeypatch.setattr(container.time, "sleep", lambda _: None)

    class Interrupted(Played):
        removals = 0

        def stream(self, command, on_line):
            raise KeyboardInterrupt

        def ask(self, command, timeout=60):
            if command.argv[1] == "rm":
                self.removals += 1
                assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN, "a second Ctrl-C"
                self.said["rm"] = "!No such container" if self.removals < 3 else "n\n"
            return super().ask(command, timeout)

    runner = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        made = Container(DOCKER, "iris:1", 8000, Pod(), runner)
        list(verifying.Trial(made, GOLDEN).checks())
    assert runner.removals == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def look(monkeypatch):
    """Returns the checks of a played engine, and that it was cleaned up after."""

    def call(
        runner, answer=RIGHT, *, ready=True, answered="", host="127.0.0.1", pod=None, golden=GOLDEN
    ):
        def wait(url, seconds, alive, direct):
            assert url.startswith(f"http://{host}:") and seconds == 180 and direct
            if not ready:
                raise ServiceError("no", why=answered)

        def predict(url, body, timeout, direct):
            assert direct
            if isinstance(answer, ServiceError):
                raise answer
            at = [GOLDEN.rows.index(row) for row in body["instances"]]
            return {key: [values[i] for i in at] for key, values in answer.items()}

        monkeypatch.setattr(client, "wait_until_ready", wait)
        monkeypatch.setattr(client, "predict", predict)
        made = Container(DOCKER, "iris:1", 8000, pod or Pod(), runner)
        found = list(verifying.Trial(made, golden).checks())
        assert runner.ran[-1] == "rm" and runner.ran.count("rm") == 1
        return found

    return call


def failed(checks):
    (only,) = (check for check in checks if not check.ok)
    assert only.next
    return only


def test_a_fit_image_passes_all(look):
    found = look(Played())
    assert [check.name for check in found] == [
        "user", "ready", "answers", "memory", "stop", "disk"]  # fmt: skip
    assert all(check.ok for check in found)
    assert found[2].what == "2 golden rows answered alike, at once and one by one"
    assert found[3].what == "peak 60 of 512 MiB"


@pytest.mark.parametrize(
    ("user", "said"),
    [("\n", "as root"), ("0:0", "as root"), ("root", "as root"), ("app", "names its user app")],
)
def test_user(look, user, said):
    check = failed(look(Played(image=user)))
    assert check.name == "user" and said in check.what


def test_no_image_and_no_start(look):
    with pytest.raises(ToolFailed, match="is not here") as caught:
        look(Played(image="!no such image"))
    assert caught.value.next.startswith("mlship build; or --image")
    with pytest.raises(ToolFailed, match="could not start the image") as caught:
        look(Played(run="!"))
    assert caught.value.why == "docker: no space left"


@pytest.mark.parametrize(
    ("state", "log", "name", "said"),
    [
        ("running 0 false", "loading", "ready", "not ready within 180 s"),
        ("exited 1 false", "sha256 differs", "ready", "ended with exit code 1 before"),
        ("exited 137 true", "", "memory", "more memory than its limit of 512Mi"),
        ("exited 137 false", "", "memory", "more memory than its limit of 512Mi"),
        ("exited 1 false", "OSError: [Errno 30] Read-only file system: '/srv/x'", "ready",
         "writes to its disk, which is read-only"),
    ],
)  # fmt: skip
def test_not_ready(look, state, log, name, said):
    check = failed(look(Played(container=state, logs=log), ready=False))
    assert (check.name, said in check.what, log in check.why) == (name, True, True)


def logged(error, *more):
    """A server's log as the generated app/logs.py writes it, a long traceback within."""
    trace = "Traceback (most recent call last):\n" + "  File 'a.py', line 1, in f\n" * 30 + error
    entry = {"level": "CRITICAL", "message": "the model could not be loaded", "exc_info": trace}
    return "\n".join([json.dumps(entry), *more])


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (logged("OSError: [Errno 30] Read-only file system: '/srv/x'"), "writes to its disk"),
        (logged("PermissionError: [Errno 1] Operation not permitted: '/x'"), "no capabilities"),
        (logged("ValueError: no such table", *["INFO stopping"] * 7), "ended with exit code 3"),
        ("mbind: Operation not permitted\n" + logged("KeyError: 'a'"), "ended with exit code 3"),
        ("exec /usr/bin/python: exec format error", "another architecture"),
    ],
)
def test_the_reason_is_found_in_the_servers_log(look, log, said):
    check = failed(look(Played(container="exited 3 false", logs=log), ready=False))
    error = (
        log
        if log.startswith("exec")
        else json.loads(next(line for line in log.splitlines() if line[0] == "{"))[
            "exc_info"
        ].splitlines()[-1]
    )
    assert said in check.what and error in check.why  # fmt: skip


SOCKET = "   0: {}:{:04X} 00000000:0000 0A 00000000:00000000 00:00000000 0 10001 0 1\n"


@pytest.mark.parametrize(
    ("sockets", "answered", "said"),
    [
        (SOCKET.format("00000000", 9999), "", "listens on port 9999, not on 8000"),
        (SOCKET.format("0100007F", 8000), "", "port 8000 of its own loopback alone"),
        (SOCKET.format("0" * 32, 8000), "", "can't be reached from here at http://127.0.0.1:32768"),
        ("", "", "not ready within 180 s"),
        (SOCKET.format("00000000", 8000), "/readyz answered 503 Busy", "not ready within 180 s"),
    ],
)
def test_why_nothing_answered(look, sockets, answered, said):
    check = failed(look(Played(sockets=sockets), ready=False, answered=answered))
    assert said in check.what and answered in check.why


def test_an_engine_of_another_machine_is_asked_there(look, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://docker:2376")
    runner = Played(port="0.0.0.0:32768\n")
    assert all(check.ok for check in look(runner, host="docker"))
    assert "0.0.0.0::8000" in runner.started
    monkeypatch.setenv("DOCKER_HOST", "tcp://localhost:2375")
    runner = Played()
    assert all(check.ok for check in look(runner))
    assert "127.0.0.1::8000" in runner.started


def test_another_answer_is_shown_with_its_row(look):
    other = RIGHT | {"predictions": ["a", "c"]}
    check = failed(look(Played(), other))
    assert check.what.endswith("than the model did, on 1 of 2 rows")
    assert "row 1: [2.0]" in check.why and '"predictions": "b"' in check.why
    assert '"predictions": "c"' in check.why and "from the model" in check.why
    # --record is refused for the original of a converted model, whose answers name no other.
    assert "--record" not in check.next and "mlship init NAME --force --model" in check.next
    check = failed(look(Played(), other, golden=replace(GOLDEN, model="a" * 64)))
    assert "mlship verify --record" in check.next


@pytest.mark.parametrize(
    ("env", "seconds", "said"),
    [
        ({"MAX_BATCH_SIZE": "3"}, 0, "8 golden rows answered alike, 3 at once and one by one"),
        ({"MAX_BATCH_SIZE": "8"}, 0, "8 golden rows answered alike, at once and one by one"),
        ({}, 100, "8 golden rows answered alike, at once and 1 of them alone"),
        ({}, 121, "The image does not answer the golden rows"),  # one row alone is too slow
    ],
)
def test_a_batch_has_the_size_and_the_time_that_the_server_allows_it(
    monkeypatch, env, seconds, said
):
    clock, golden = [0.0], Golden([[float(i)] for i in range(8)], [float(i) for i in range(8)])

    def predict(url, body, timeout, direct):
        rows = body["instances"]
        if len(rows) > int(env.get("MAX_BATCH_SIZE", "1000")):
            raise ServiceError("The service answered 422 Unprocessable Content")
        clock[0] += seconds * len(rows)
        if seconds * len(rows) > timeout:
            raise ServiceError("No service answers", why="timed out")
        return {"predictions": [row[0] for row in rows]}

    monkeypatch.setattr(client, "wait_until_ready", lambda *_, **__: None)
    monkeypatch.setattr(client, "predict", predict)
    monkeypatch.setattr(verifying.time, "monotonic", lambda: clock[0])
    made = Container(DOCKER, "iris:1", 8000, Pod(env=env), Played())
    assert list(verifying.Trial(made, golden).checks())[2].what == said


def test_rows_of_a_later_batch_are_named(look):
    other, pod = RIGHT | {"predictions": ["a", "c"]}, Pod(env={"MAX_BATCH_SIZE": "1"})
    check = failed(look(Played(), other, pod=pod))
    assert check.what.endswith("on 1 of 1 rows") and '"predictions": "c"' in check.why
    assert "row 1: [2.0]" in check.why and check.figures == {"row": 1}


def test_numbers_have_a_tolerance(look):
    near = RIGHT | {"probabilities": [[0.9000049, 0.1], [0.2, 0.8]]}
    assert all(check.ok for check in look(Played(), near))
    far = RIGHT | {"probabilities": [[0.901, 0.099], [0.2, 0.8]]}
    assert failed(look(Played(), far)).name == "answers"


@pytest.mark.parametrize(
    ("played", "name", "said"),
    [
        ({}, "answers", "does not answer the golden rows"),
        ({"logs": "OSError: Read-only file system"}, "answers", "writes to its disk"),
        ({"container": "exited 3 false"}, "answers", "ended with exit code 3 while it answered"),
        # A worker was killed, and the server lives.
        ({"exec": "5\noom_kill 1\n"}, "memory", "more memory than its limit"),
        ({"container": "exited 137 true", "exec": "!gone"}, "memory", "more memory than"),
        # podman does not tell.
        ({"container": "exited 137 false", "exec": "!gone"}, "memory", "more memory than"),
    ],
)
def test_no_answer(look, played, name, said):
    check = failed(look(Played(**played), ServiceError("No service answers", why="reset")))
    assert (check.name, said in check.what) == (name, True)


def test_memory_without_a_kernel_that_tells(look):
    assert "the kernel tells no peak" in look(Played(exec="!no sh"))[3].what
    # Version 2 of cgroups, and files that count as memory.
    check = look(Played(exec=f"{520 << 20}\noom_kill 0\n"))[3]
    assert check.ok and "give way" in check.what


@pytest.mark.parametrize(
    ("code", "said"), [(137, "did not stop within 33 s of SIGTERM"), (1, "exit code 1 on SIGTERM")]
)
def test_stop(look, code, said):
    class Stubborn(Played):
        def ask(self, command, timeout=60):
            if command.argv[1] == "stop":
                self.said["container"] = f"exited {code} false"
            return super().ask(command, timeout)

    check = failed(look(Stubborn()))
    assert check.name == "stop" and said in check.what and check.figures["exit_code"] == code


@pytest.mark.parametrize(
    ("looks", "state", "name", "said"),
    [
        # Right after the last answer, and between the memory and the stop.
        (1, "exited 1 false", "stop", "ended with exit code 1 after it had answered"),
        (2, "exited 0 false", "stop", "ended with exit code 0 after it had answered"),
        (2, "exited 137 false", "memory", "more memory than its limit"),
    ],
)
def test_a_server_that_ends_after_its_answers_is_not_fit(look, looks, state, name, said):
    class Dying(Played):
        looks = 0

        def ask(self, command, timeout=60):
            if command.argv[1] == "container" and "Mounts" not in str(command):
                self.looks += 1
                if self.looks > looks:
                    self.said |= {"container": state, "logs": "SystemExit: a thread"}
            return super().ask(command, timeout)

    found = look(Dying())
    assert found[2].ok and found[2].name == "answers"
    check = failed(found)
    assert (check.name, said in check.what, "a thread" in check.why) == (name, True, True)


def test_disk(look):
    mounts = "C /etc\nA /etc/resolv.conf\nC /run\nA /tmp\n"
    assert all(check.ok for check in look(Played(diff=mounts)))
    check = failed(look(Played(diff=mounts + "A /srv/cache\n")))
    assert check.why == "A /srv/cache"


@pytest.fixture
def recorded(project, monkeypatch):
    """Records what a server says to two rows, where there were answers before."""
    (project / "tests").mkdir()
    file, found = project / "tests" / "golden.json", find(project)
    file.write_text(golden.written(Golden([[1], [2]], ["a", "b"], model=found.config.model.sha256)))
    monkeypatch.setattr(recording, "_ensure_environment", lambda *_: None)
    monkeypatch.setattr(recording, "_served", lambda *_: contextlib.nullcontext("url"))
    monkeypatch.setattr(verifying.Trial, "checks", lambda _: (check for check in ()))

    def record(second):
        def predict(url, body, **_):
            answer = {"predictions": ["new"]} if body["instances"] == [[1]] else second
            if isinstance(answer, ServiceError):
                raise answer
            return answer

        monkeypatch.setattr(client, "predict", predict)
        cli.verify(found, "iris:1", DOCKER, Played(), record=True)

    return SimpleNamespace(record=record, file=file)


def test_rows_that_the_server_refuses_are_not_recorded(recorded, capsys):
    recorded.record(ServiceError("The service answered 422", status=422))
    assert json.loads(recorded.file.read_text())["rows"] == [[1]]
    assert "Recorded 1 answers" in (said := capsys.readouterr().err)
    assert said.rstrip().endswith("golden.json; left out 1 that it refuses")


@pytest.mark.parametrize(
    "second",
    [
        ServiceError("The service answered 500", status=500),
        ServiceError("No service answers at url", why="timed out"),
        {"predictions": []},
        {"predictions": ["new"], "probabilities": []},
    ],
)
def test_where_the_server_fails_the_former_answers_stay(recorded, second):
    before = recorded.file.read_text()
    with pytest.raises(ToolFailed, match="fails at golden row 2 of 2; nothing was recorded"):
        recorded.record(second)
    assert recorded.file.read_text() == before


def test_places_of_volumes_are_no_writes(look):
    made = "C /srv\nA /srv/model\nA /data\n"
    assert all(check.ok for check in look(Played(diff=made, mounts="/srv/model\n/data\n")))
    check = failed(look(Played(diff=made + "A /srv/models\n", mounts="/srv/model\n/data\n")))
    assert check.why == "A /srv/models"
    assert look(Played(diff="C /srv\nA /srv/cache\n"), pod=Pod(scratch={"/srv/cache": ""}))[-1].ok
    assert look(Played(diff="A /x\n"), pod=Pod(read_only=False))[-1].ok


def test_terms_of_the_pods(project):
    config = load(project / "mlship.yaml")
    assert podspec.read(project, config) == Pod(memory="2Gi", cpu="2")
    base = project / "k8s" / "base"
    base.mkdir(parents=True)
    (base / "config.env").write_text("# a comment\nDRAIN_SECONDS=6\nX=a=b\n")
    (base / "deployment.yaml").write_text(json.dumps({"spec": {"template": {"spec": {
        "terminationGracePeriodSeconds": 50,
        "containers": [{"startupProbe": {"periodSeconds": 2, "failureThreshold": 30},
                        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
    }}}}))  # fmt: skip
    assert podspec.read(project, config) == Pod(
        60, 45, "2Gi", "2", {"/tmp": "1Gi"}, env={"DRAIN_SECONDS": "6", "X": "a=b"}
    )
    one = (base / "deployment.yaml").read_text()
    other = '{"kind": "Service", "spec": {"ports": []}}'
    two = one.replace("{", '{"kind": "Deployment", ', 1)
    (base / "deployment.yaml").write_text(f"{other}\n---\n---\n{two}\n")
    assert podspec.read(project, config).ready_seconds == 60
    (base / "deployment.yaml").write_text("a: [")
    with pytest.raises(ProjectError, match="not valid YAML"):
        podspec.read(project, config)


def deployment(**container):
    given = {"name": "server", "resources": {"limits": {"memory": "512Mi", "cpu": "1"}}}
    return {"spec": {"template": {"spec": {
        "securityContext": {"runAsUser": 10001, "runAsGroup": 10001},
        "containers": [{"name": "sidecar"}, given | container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": 1000}},
                    {"name": "cache", "emptyDir": {}}, {"name": "model", "emptyDir": {}}],
    }}}}  # fmt: skip


def test_terms_of_patched_pods(project):
    config = load(project / "mlship.yaml")
    base = project / "k8s" / "base"
    base.mkdir(parents=True)
    (base / "deployment.yaml").write_text(json.dumps(deployment()))
    ownership.write_record(project)
    # What a patch leaves alone is of mlship.yaml, also where k8s/base was not written again yet.
    found = podspec.read(project, config, deployment(
        resources={"limits": {"memory": "1Gi", "cpu": "1"}},
        securityContext={"runAsUser": 20000, "readOnlyRootFilesystem": False},
        env=[{"name": "WORKERS", "value": "4"}, {"name": "MODEL_FILE", "value": "/model/m"},
             {"name": "TOKEN", "valueFrom": {"secretKeyRef": {}}}],
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"},
                      {"name": "cache", "mountPath": "/srv/cache"},
                      {"name": "model", "mountPath": "/model", "readOnly": True}],
    ))  # fmt: skip
    assert (found.memory, found.cpu) == ("1Gi", "2")
    assert (found.user, found.read_only) == ("20000:10001", False)
    assert found.env == {"WORKERS": "4"}
    assert found.scratch == {"/tmp": "1000", "/srv/cache": ""}
    # A file that was edited is deployed as it is.
    assert podspec.read(project, config).memory == "2Gi"
    (base / "deployment.yaml").write_text(json.dumps(deployment(), indent=1))
    assert podspec.read(project, config).memory == "512Mi"


def test_patches_are_read_by_kubectl(project, monkeypatch):
    assert cli.patched(find(project), Runner()) is None
    with (project / "mlship.yaml").open("a") as file:
        file.write("patches: [memory.yaml]\n")
    asked, named = [], deployment() | {"kind": "Deployment", "metadata": {"name": "iris"}}

    class Kubectl(Runner):
        def ask(self, command, timeout=60):
            asked.append(command.argv)
            return Result(0, json.dumps(named), "")

    assert cli.patched(find(project), Kubectl()) == named
    assert asked == [("kubectl", "kustomize", "k8s/overlays/prod")]
    monkeypatch.setenv("PATH", str(project))
    assert cli.patched(find(project), Runner()) is None


def test_an_image_that_is_not_here_is_told_before_answers_are_recorded(project, monkeypatch):
    monkeypatch.setattr(recording, "record", lambda *_: pytest.fail("recorded"))
    with pytest.raises(ToolFailed, match="nope:1 is not here"):
        cli.verify(find(project), "nope:1", DOCKER, Played(image="!no such image"))


def test_fields_without_a_value_have_kubernetes_defaults(project):
    base = project / "k8s" / "base"
    base.mkdir(parents=True)
    text = json.dumps(deployment(startupProbe={"failureThreshold": None, "periodSeconds": 1},
                                 lifecycle={"preStop": {"sleep": {"seconds": "2"}}}))  # fmt: skip
    (base / "deployment.yaml").write_text(text)
    found = podspec.read(project, load(project / "mlship.yaml"))
    assert (found.ready_seconds, found.stop_seconds) == (3, 33)


def test_recording_tells_of_a_server_that_does_not_start(project, monkeypatch):
    monkeypatch.setattr(recording.environment, "ensure", lambda *_: None)
    program = project / ".venv" / "bin" / "gunicorn"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'No module named app.schema'\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(ToolFailed, match="could not be recorded: the server ended") as caught:
        recording.record(find(project), Runner(), {})
    assert "No module named app.schema" in caught.value.why


SERVER = """#!{python}
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, value):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def do_GET(self):
        self.answer("ready")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer({{"predictions": [float(os.environ["THRESHOLD"])] * len(asked["instances"])}})

http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_answers_are_recorded_with_the_settings_of_the_pods(project, monkeypatch):
    """A predictor of the user's own may read them."""
    monkeypatch.setattr(recording.environment, "ensure", lambda *_: None)
    monkeypatch.setattr(verifying.Trial, "checks", lambda _: (check for check in ()))
    monkeypatch.delenv("THRESHOLD", raising=False)
    write_program(project / ".venv" / "bin" / "gunicorn", "")
    (project / ".venv" / "bin" / "gunicorn").write_text(SERVER.format(python=sys.executable))
    with (project / "mlship.yaml").open("a") as file:
        file.write('env: {THRESHOLD: "0.3"}\n')
    settings = project / "k8s" / "base" / "config.env"
    settings.parent.mkdir(parents=True)
    settings.write_text("HOST=192.0.2.1\nTHRESHOLD=0.5\n")  # mlship.yaml is above it
    (project / "tests").mkdir()
    cli.verify(find(project), "iris:1", DOCKER, Played())
    assert json.loads((project / "tests" / "golden.json").read_text())["predictions"] == [0.3]
