"""Real models of many libraries and versions, made on the spot, each in an environment of its own.

``tests/zoo/*.py`` are scripts with their requirements written inside (PEP 723), which uv runs.
Each writes models and a ``truth.json`` into the folder it is given: what the card must say, rows
to ask, and what the library itself answered.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from uv import find_uv_bin

# The one that all of the libraries' versions run on.
PYTHON = "3.11"
SCRIPTS = Path(__file__).parents[1] / "zoo"


def environment() -> dict[str, str]:
    """Let uv look for wheels where pip is told to look, such as for a CPU build of torch."""
    variables = dict(os.environ)
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.find-links"],
        capture_output=True, text=True,
    )  # fmt: skip
    links = variables.get("PIP_FIND_LINKS") or asked.stdout.strip()
    if links:
        variables.setdefault("UV_FIND_LINKS", ",".join(links.split()))
    # Any newer torch is the index's own build, with several GB of CUDA. This is for locks;
    # `uv run` takes no constraint, so the scripts name a torch themselves.
    variables["UV_CONSTRAINT"] = str(SCRIPTS / "constraints.txt")
    return variables


def made(script: str, *requirements: str) -> tuple[Path, dict]:
    """Run ``tests/zoo/<script>.py``; return its folder and its truth, by file name.

    ``requirements`` replace those in the script: ``scikit-learn==1.3.2``.
    """
    folder, mistake = _made(script, *requirements)
    assert not mistake, mistake
    return folder, json.loads((folder / "truth.json").read_text())


@cache
def _made(script: str, *requirements: str) -> tuple[Path, str]:
    folder = Path(mkdtemp(prefix=f"mlship-zoo-{script}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = SCRIPTS / f"{script}.py"
    how: list[object] = ["--script", path]
    if requirements:
        how = [part for each in requirements for part in ("--with", each)] + ["python", path]
    done = subprocess.run(
        [find_uv_bin(), "run", "--quiet", "--no-project", "--python", PYTHON, *how, folder],
        capture_output=True, text=True, timeout=1200, env=environment(),
    )  # fmt: skip
    return folder, done.stdout + done.stderr if done.returncode else ""
