"""Running the program that converts a model and proves it, in the environment made for that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mlship.runner import Command


def prove(
    python: Path, request: Path, result: Path, paths: Sequence[Path], folder: Path
) -> Command:
    """Return the command; ``paths`` are where its modules lie, ``folder`` where it is run.

    -P and -s: what lies in the current folder, or in the user's own packages, is not imported.
    """
    argv = (str(python), "-P", "-s", "-m", "onnxproof", str(request), str(result))
    env = {
        "PYTHONPATH": os.pathsep.join(str(path.absolute()) for path in paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "2",
        "ORT_DISABLE_TELEMETRY": "1",
    }
    return Command(argv, cwd=folder, env=env)
