"""The command line as a user meets it: exit codes, one red line, no traceback."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from mlship import __version__, ownership
from mlship.__main__ import main
from mlship.cli import console
from tests.support.projects import MLSHIP
from tests.unit.conftest import write_docker, write_podman, write_program

COMMANDS = {
    "init": [
        "name",
        "--model",
        "--server",
        "--set",
        "--no-input",
        "--force",
        "--no-lock",
        "--runtime",
    ],
    "serve": ["--host", "--port", "--workers", "--reload", "--project"],
    "predict": ["--file", "--url", "--cluster", "--context", "--json", "--project"],
    "bench": ["--rate", "--duration", "--p99", "--connections", "--file", "--rows", "--json"],
    "lock": ["--upgrade", "--upgrade-package", "--check", "--json", "--project"],
    "build": ["--tag", "--push", "--platform", "--engine", "--build-arg", "--dry-run"],
    "verify": ["--image", "--record", "--engine", "--json", "--project"],
    "run": ["--port", "--detach", "--image", "--engine", "--dry-run"],
    "deploy": [
        *("--replicas", "--autoscale", "--cpu", "--env", "--namespace", "--create-namespace"),
        *("--context", "--image", "--diff", "--force-conflicts", "--timeout", "--yes", "--json"),
        *("--no-wait", "--no-rollback", "--dry-run"),
    ],
    "status": ["--watch", "--context", "--namespace", "--env", "--json"],
    "logs": ["--follow", "--previous", "--tail", "--since", "--raw", "--json"],
    "history": ["--context", "--json"],
    "rollback": ["--to", "--timeout", "--yes", "--json"],
    "scale": ["--wait", "--timeout", "--yes", "--json"],
    "undeploy": ["--yes", "--json"],
    "open": ["--browser", "--port", "--json"],
}
IN_A_PROJECT = [name for name in COMMANDS if name != "init"]
ARGUMENTS = {"scale": ["2"]}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("MLSHIP_DOCKER", "MLSHIP_TRACEBACK", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mlship(monkeypatch, capfd):
    """Runs the program's main() in this process, which is faster than starting it."""

    def call(*argv, cwd, path="/usr/bin:/bin", **variables):
        monkeypatch.chdir(cwd)
        for name, value in {"PATH": path, "COLUMNS": "200", "CI": "", **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["mlship", *map(str, argv)])
        monkeypatch.setattr(signal, "signal", lambda *arguments: None)
        with monkeypatch.context() as here, pytest.raises(SystemExit) as stopped:
            here.setattr(console, "out", console.out)  # --json exchanges it
            here.setattr(console, "_owes_json", False)
            main()
        out, err = (re.sub(r"\x1b\[[\d;]*m", "", text) for text in capfd.readouterr())
        return SimpleNamespace(stdout=out, stderr=err, returncode=stopped.value.code or 0)

    return call


def has_been_rendered(mlship, project):
    """Have what deploy would do first, and tell."""
    (project / "Dockerfile").write_text("FROM scratch\nCOPY model model\n")
    assert mlship("render", cwd=project).returncode == 0


def assert_error(done, code, what):
    """The error's first line on stderr, and nothing that looks like a crash."""
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("Error:")] == lines[:1]
    assert lines[0] == f"Error: {what}"
    assert all(line.startswith("  ") for line in lines[1:])
    assert done.returncode == code


def test_version(tmp_path):
    done = subprocess.run([*MLSHIP, "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == (f"mlship {__version__}\n", "", 0)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(mlship, tmp_path, flag):
    done = mlship(flag, cwd=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "Usage: mlship [OPTIONS] COMMAND [ARGS]..." in done.stdout
    rows = [line.strip("│ ").split(" ")[0] for line in done.stdout.splitlines()]
    assert [row for row in rows if row in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize(("command", "words"), COMMANDS.items())
def test_help_of_commands(mlship, tmp_path, command, words):
    done = mlship(command, "--help", cwd=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    assert f"Usage: mlship {command} [OPTIONS]" in done.stdout
    assert [word for word in words if word not in done.stdout] == []


@pytest.mark.parametrize(
    ("command", "defaults"),
    [
        ("init", ["fastapi"]),
        ("serve", ["that of mlship.yaml"]),
        ("predict", ["sample.json", "this machine"]),
        ("bench", ["sample.json", "this machine", "searched", "50", "those of the file"]),
        ("build", ["version and content hash", "found"]),
        ("run", ["that of mlship.yaml", "the project's own", "found"]),
        ("deploy", ["that of mlship.yaml", "the current", "the project's own"]),
    ],
)
def test_help_shows_defaults(mlship, tmp_path, command, defaults):
    text = " ".join(mlship(command, "--help", cwd=tmp_path).stdout.split())
    shown = [word for word in defaults if re.search(rf"[\[(]{re.escape(word)}[\])]", text)]
    assert shown == defaults


@pytest.mark.parametrize(
    "argv", [["shipit"], ["init"], ["build", "--engine", "lxc"], ["deploy", "--replicas", "0"]]
)
def test_wrong_usage(mlship, tmp_path, argv):
    done = mlship(*argv, cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("", 2)
    assert "Usage: mlship" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("argv", "what", "next_step"),
    [
        (["My Model"], "'My Model' can't name a project", "mlship init my-model"),
        (["x", "--set", "prot=1"], "--set prot=1 is not a setting", "--set port=1"),
        (
            ["x", "--set", "port=80", "--no-input"],
            "port can't be 80",
            "mlship init NAME --set port=VALUE",
        ),
    ],
)
def test_wrong_value(mlship, tmp_path, argv, what, next_step):
    done = mlship("init", *argv, cwd=tmp_path)
    assert_error(done, 2, what)
    assert done.stderr.splitlines()[-1] == f"  Next: {next_step}"
    assert list(tmp_path.iterdir()) == []


def test_error_of_a_real_process(tmp_path):
    done = subprocess.run([*MLSHIP, "serve"], cwd=tmp_path, capture_output=True, text=True)
    assert_error(done, 3, f"No mlship project in {tmp_path}")


@pytest.mark.parametrize("command", IN_A_PROJECT)
def test_no_project(mlship, tmp_path, command):
    assert_error(
        mlship(command, *ARGUMENTS.get(command, []), cwd=tmp_path),
        3,
        f"No mlship project in {tmp_path}",
    )


@pytest.mark.parametrize("command", IN_A_PROJECT)
def test_project_that_is_no_folder(mlship, project, command):
    """Not the project around it, which a mistyped name does not mean."""
    done = mlship(command, *ARGUMENTS.get(command, []), "--project", "nope", cwd=project)
    assert_error(done, 3, f"No folder {project}/nope")


@pytest.mark.parametrize("check", [["--check"], []])
def test_lock_without_pyproject(mlship, project, check):
    (project / "pyproject.toml").unlink(missing_ok=True)
    done = mlship("lock", *check, cwd=project)
    assert_error(done, 3, f"{project}/pyproject.toml is missing")


@pytest.mark.parametrize("command", IN_A_PROJECT)
def test_broken_project(mlship, project, command):
    (project / "mlship.yaml").write_text("name: [")
    done = mlship(command, *ARGUMENTS.get(command, []), "--project", project, cwd="/")
    assert_error(done, 3, f"{project / 'mlship.yaml'}:1 is not valid YAML")


def test_folder_in_the_way(mlship, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine").touch()
    done = mlship("init", "x", "--no-input", cwd=tmp_path)
    assert_error(done, 3, f"The folder {tmp_path / 'x'} is not empty")


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("nope.onnx", "The model nope.onnx does not exist"),
        ("folder", "The folder folder holds no model that mlship reads"),
        ("model.txt", "mlship can't tell what model.txt is"),
    ],
)
def test_no_model(mlship, tmp_path, model, what):
    (tmp_path / "folder").mkdir()
    (tmp_path / "model.txt").write_text("no model at all\n")
    done = mlship("init", "x", "--model", model, "--no-input", cwd=tmp_path)
    assert_error(done, 4, what)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["build"], "There is no docker on PATH"),
        (["run"], "There is no docker on PATH"),
        (["build", "--engine", "podman"], "There is no podman on PATH"),
        (["deploy"], "kubectl is not installed, or not on PATH"),
    ],
)
def test_missing_tool(mlship, project, argv, what):
    has_been_rendered(mlship, project)
    assert_error(mlship(*argv, cwd=project, path=""), 5, what)


def test_docker_that_is_no_program(mlship, project):
    done = mlship("build", cwd=project, MLSHIP_DOCKER=str(project))
    assert "Traceback" not in done.stderr
    assert done.returncode == 5


def test_failed_build(mlship, project):
    folder = project.parent / "bin"
    write_docker(folder / "docker", "28.0.1", daemon=True, buildx=True)
    done = mlship("build", cwd=project, path=str(folder))
    assert_error(done, 6, "The image could not be built (docker exited with 64)")


def test_bad_build_argument(mlship, project):
    folder = project.parent / "bin"
    write_docker(folder / "docker", "28.0.1", buildx=True)
    done = mlship("build", "--build-arg", "X", cwd=project, path=str(folder))
    assert_error(done, 2, "--build-arg X has no value")


def test_dry_build_prints_what_one_can_paste(mlship, project, monkeypatch):
    for name in [n for n in os.environ if n.endswith(("CERT", "CERT_FILE", "CA_BUNDLE"))]:
        monkeypatch.delenv(name)  # a build would take these along
    spaced = project.rename(project.parent / "my projects")
    docker = write_docker(project.parent / "bin" / "docker", "28.0.1", buildx=True)
    done = mlship("build", "--tag", "iris:1", "--dry-run", cwd=spaced, MLSHIP_DOCKER=docker,
                  SOURCE_DATE_EPOCH="1700000000", PIP_CONFIG_FILE=os.devnull)  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)
    assert shlex.split(done.stdout) == [
        *("cd", str(spaced), "&&", docker, "buildx", "build", "--progress", "plain"),
        *("--tag", "iris:1", "--build-arg", "VERSION=0.2.0", "--build-arg", "REVISION=unknown"),
        *("--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--load", "."),
    ]


def test_buildah_needs_podman_to_try_an_image(mlship, project):
    write_podman(project.parent / "bin" / "buildah")
    path = str(project.parent / "bin")
    done = mlship("build", "--engine", "buildah", "--verify", "--dry-run", cwd=project, PATH=path)
    assert done.returncode == 5 and "it does not run them" in done.stderr
    assert "build --format" not in done.stdout
    plain = mlship("build", "--engine", "buildah", "--dry-run", cwd=project, PATH=path)
    assert plain.returncode == 0 and "buildah build --format docker" in plain.stdout


def test_no_cluster(mlship, project):
    refused = "The connection to the server 127.0.0.1:1 was refused - did you specify it?"
    deployment = {"kind": "Deployment", "metadata": {"name": "iris"},
                  "spec": {"template": {"spec": {"containers": [
                      {"name": "server", "image": "iris"}]}}}}  # fmt: skip
    view = {"current-context": "dev",
            "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "ann"}}],
            "clusters": [{"name": "dev", "cluster": {"server": "https://127.0.0.1:1"}}],
            }  # fmt: skip
    kubectl = f"""case "$*" in
"kustomize "*) echo '{json.dumps(deployment)}' ;;
"config view --output json") echo '{json.dumps(view)}' ;;
*) echo "{refused}" >&2; exit 1 ;;
esac"""
    write_program(project.parent / "bin" / "kubectl", kubectl)
    has_been_rendered(mlship, project)
    argv = ("deploy", "--image", "iris:1", "--yes")
    done = mlship(*argv, cwd=project, path=str(project.parent / "bin"))
    assert done.stdout.split() == [
        "context", "dev", "cluster", "dev", "at", "https://127.0.0.1:1", "namespace", "ml",
        "image", "iris:1",
    ]  # fmt: skip
    assert done.stderr.splitlines() == [
        "Error: Nothing listens at the address of the cluster at 127.0.0.1:1",
        f"  {refused}",
        "  Next: start the cluster, or choose another with --context",
    ]
    assert done.returncode == 7


@pytest.fixture
def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def test_no_service(mlship, project, free_port):
    url = f"http://127.0.0.1:{free_port}"
    done = mlship("predict", "--url", url, cwd=project)
    assert_error(done, 8, f"No service answers at {url}")
    told = json.loads(mlship("predict", "--url", url, "--json", cwd=project).stdout)
    assert (told["ok"], told["error"]["exit_code"]) == (False, 8)


@pytest.fixture
def service():
    """A service that gives ``service.answer`` to every POST."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(self.server.answer).encode())

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_predict(mlship, project, service):
    service.answer = {"predictions": ["[x]"], "probabilities": [[0.25, 0.75]]}
    url = f"http://127.0.0.1:{service.server_port}"
    done = mlship("predict", "--url", url, "--json", cwd=project)
    assert (json.loads(done.stdout), done.stderr) == (service.answer, "")
    table = mlship("predict", "--url", url, cwd=project)
    assert table.stdout.splitlines()[-1].split() == ["0", "1.5,", "2", "[x]", "0.750"]


def test_predict_from_another_service(mlship, project, service):
    service.answer = {"status": "ok"}
    url = f"http://127.0.0.1:{service.server_port}"
    done = mlship("predict", "--url", url, cwd=project)
    assert_error(done, 8, f"What answers at {url} is not a prediction service")


@pytest.mark.parametrize("text", ['{"rows": []}', '{"instances": []}', "3"])
def test_predict_with_a_broken_sample(mlship, project, text):
    (project / "sample.json").write_text(text)
    (project / "rows.csv").write_text("a,b\n1,2\n")
    done = mlship("predict", "--file", "rows.csv", cwd=project)
    assert "Traceback" not in done.stderr
    assert "stumbled" not in done.stderr
    assert done.returncode == 2


def test_ctrl_c(project):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [*MLSHIP, "predict", "--url", url],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        with connection:
            connection.recv(65536)
            time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
    assert (out, process.returncode) == ("", 130)
    assert "Traceback" not in err


def test_closed_pipe(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*MLSHIP, "--version"], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.stderr == ""


def test_a_full_disk_behind_stdout(tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [*MLSHIP, "--version"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "Error: No space left on device: stdout"


def test_a_model_that_was_replaced_by_hand_is_not_labelled_as_the_former(mlship, project):
    docker = write_docker(project.parent / "bin" / "docker", "28.0.1", buildx=True)
    (project / "model" / "iris.onnx").write_text("other weights")
    done = mlship("build", "--dry-run", cwd=project, MLSHIP_DOCKER=docker)
    assert_error(
        done,
        3,
        f"{project}/model/iris.onnx is not the model that mlship.yaml names: its sha256 is another",
    )
    # `init` alone would keep what it did not write.
    assert f"move it away, then mlship init {project.name} --force" in done.stderr


def test_a_digest_that_cannot_be_kept_is_shown(mlship, project):
    """As in a CI job whose checkout is read-only; the image is in the registry by then."""
    digest = "sha256:" + "d" * 64
    docker = write_program(project.parent / "bin" / "docker", f"""case "$*" in
--version) echo "Docker version 20.10.24, build abc" ;;
"buildx version") exit 1 ;;
push*) echo "0.2.0: digest: {digest} size: 1" ;;
esac""")  # fmt: skip
    (project / ".mlship").write_text("no folder")
    done = mlship("build", "--push", "--sbom", project.parent / "sbom.json", cwd=project,
                  MLSHIP_DOCKER=docker)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"Digest: {digest}" in done.stdout
    assert f"mlship deploy --image registry.example.com/team/iris@{digest}" in done.stderr


def test_a_link_out_of_the_project_is_not_built(mlship, project):
    (project / "app" / "shared.py").symlink_to("../../shared.py")
    done = mlship("build", cwd=project)
    link = f"{project}/app/shared.py"
    assert_error(done, 3, f"{link} is a link, and the image would not have what it leads to")


@pytest.mark.parametrize(
    ("argv", "then"),
    [
        ([], "run"),
        (["--tag", "t/iris:1"], "run --image t/iris:1"),
        (["--base", "b/python:3.12"], "run --image registry.example.com/team/iris:0.2.0-"),
        (["--tag", "t/iris:1", "--push"], "deploy --image t/iris:1"),
        (["--push"], "deploy"),
    ],
)
def test_the_next_command_means_the_image_that_was_built(mlship, project, argv, then):
    """The engine of this test tells no digest that deploy could use instead."""
    docker = write_program(project.parent / "bin" / "docker", """case "$*" in
--version) echo "Docker version 20.10.24, build abc" ;;
"buildx version") exit 1 ;;
esac""")  # fmt: skip
    done = mlship("build", *argv, cwd=project, MLSHIP_DOCKER=docker, CI="")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"Next: mlship {then}")
    assert ("--image" in last) is bool(argv and argv != ["--push"])


def test_where_no_sbom_can_be_written(mlship, project):
    docker = write_docker(project.parent / "bin" / "docker", "28.0.1", buildx=True)
    done = mlship("build", "--sbom", project, cwd=project, MLSHIP_DOCKER=docker)
    assert_error(done, 6, f"{project} can't be written")


def test_an_sbom_into_what_is_no_file_of_its_own(project):
    """Put in its place by root, /dev/null would be one."""
    link, file, pipe = (project.parent / name for name in ("link", "file", "pipe"))
    file.write_text("old")
    link.symlink_to(file)
    ownership.replace_text(link, "new")
    assert link.is_symlink() and file.read_text() == "new"
    os.mkfifo(pipe)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)) as reader:
        ownership.replace_text(pipe, "new")
        assert pipe.is_fifo() and reader.read() == "new"
