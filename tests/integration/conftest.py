"""What the integration tests share."""

import io
import json
import os
import re
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlship.__main__ import main
from mlship.cli import console
from tests.support import models
from tests.support.deploying import ONE
from tests.support.projects import mlship

TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """A project as `mlship init` writes it; nobody changes it."""
    folder = tmp_path_factory.mktemp("deploy")
    model = models.save("diabetes.onnx", folder)
    mlship("init", "iris", "--model", model, "--no-input", "--no-lock", cwd=folder)
    return folder / "iris"


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """The kubectl of the wheel, and no container engine; returns a folder for more."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = (folder, TOOLS, "/usr/bin", "/bin")
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, path)))
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "MLSHIP_DOCKER"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def project(rendered, tmp_path):
    return shutil.copytree(rendered, tmp_path / "iris")


@pytest.fixture
def run(project, tools, monkeypatch, capfd):
    """Run `mlship deploy` in this process, which is faster; all that is sure says --yes."""

    def call(*argv, image=ONE, code=0, sure=True, check_image=False):
        given = ["mlship", "deploy", *map(str, argv), "--image", image]
        given += ["--yes"] if sure else []
        given += [] if check_image else ["--no-image-check"]
        capfd.readouterr()
        with monkeypatch.context() as here, pytest.raises(SystemExit) as stopped:
            here.setattr(sys, "argv", given)
            here.setattr(console, "out", console.out)  # --json exchanges it
            here.setattr(console, "_owes_json", False)
            here.setattr(sys, "stdin", io.StringIO())  # nobody to ask
            here.chdir(project)
            main()
        out, err = capfd.readouterr()
        # Logs of pods may hold one, indented as evidence.
        assert not re.search(r"^Traceback", err, re.M), err
        assert "stumbled" not in err
        assert (stopped.value.code or 0) == code, out + err
        return SimpleNamespace(stdout=out, stderr=err)

    return call


@pytest.fixture
def service():
    """What answers /predict in the pods; ``asked`` counts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.asked += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"predictions": [1.0], "model": {}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = 0
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
