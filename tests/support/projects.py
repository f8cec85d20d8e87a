"""Generated projects, made once a session and shared between tests that only read them."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

from mlship import environment
from mlship.project import find
from mlship.runner import Runner

MLSHIP = (sys.executable, "-m", "mlship")


def mlship(*argv: object, cwd: Path, check: bool = True, **kwargs):
    """Run the command line as a user does; returns the finished process.

    Also in CI, where builds would be verified too: that has tests of its own.
    """
    kwargs.setdefault("env", {**os.environ, "CI": ""})
    done = subprocess.run(
        [*MLSHIP, *map(str, argv)], cwd=cwd, capture_output=True, text=True, timeout=900, **kwargs
    )
    assert "Traceback" not in done.stderr, done.stderr
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def copied(project: Path, target: Path) -> Path:
    """Copy a project without its environment, of hundreds of MB; return ``target``."""
    ignored = shutil.ignore_patterns(".venv")
    return shutil.copytree(project, target, ignore=ignored, symlinks=True)


def slim(project: Path) -> None:
    """Take out of a project's environment what its image leaves out."""
    script = runpy.run_path(str(project / "slim.py"))
    (packages,) = (project / ".venv" / "lib").glob("python3*/site-packages")
    script["remove"](packages)
    for pattern in script["DEBUGGABLE"]:
        for file in packages.glob(pattern):
            script["drop_debug"](file)


class Projects:
    """Makes projects by server and model kind, with or without their environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[tuple[str, str], Path] = {}

    def get(self, server: str, kind: str, *, installed: bool = True) -> Path:
        """Return the project of ``kind`` (``tumor.onnx``) behind ``server``.

        Of ``tumor.converted``, mlship itself makes an ONNX model, from the joblib file.
        """
        from tests.support import models  # takes seconds: it trains

        if (server, kind) not in self.made:
            model = models.save(kind, self.folder)
            name = f"{kind.replace('.', '-')}-{server}"
            runtime = "onnx" if kind.endswith(".converted") else "native"
            mlship(
                "init", name, "--model", model, "--server", server, "--no-input",
                "--runtime", runtime, cwd=self.folder,
            )  # fmt: skip
            self.made[server, kind] = self.folder / name
        project = self.made[server, kind]
        if installed:
            environment.ensure(project, find(project).config.python, Runner())
        return project
