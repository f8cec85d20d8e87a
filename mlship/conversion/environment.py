"""The environment that a model is converted in: its training libraries, converters, ONNX Runtime.

Environments are kept in the user's cache, by what is in them, and the ones unused longest are
removed. uv links their files to those of its own cache, so that each takes little of the disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mlship.card import ModelCard
from mlship.commands import uv
from mlship.indexes import from_environment
from mlship.runner import Runner
from mlship.surroundings import for_uv

CONVERTERS = ("numpy", "onnx>=1.17", "onnxruntime>=1.20")
_ESTIMATORS = ("skl2onnx>=1.18",)
_EXPORTERS = ("onnxscript>=0.5",)
_BOOSTERS = ("onnxmltools>=1.14",)
# Where uv is told of another torch than the index's own.
_CHOOSE_TORCH = ("UV_TORCH_BACKEND", "UV_FIND_LINKS", "UV_INDEX", "UV_DEFAULT_INDEX",
                 "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")  # fmt: skip
_KEPT = 8
_MARK = "used"


def requirements(card: ModelCard) -> tuple[str, ...]:
    """Return what the environment holds, sorted."""
    return tuple(sorted({*card.requirements, *converters(card)}))


def converters(card: ModelCard) -> tuple[str, ...]:
    """Return what converts the model and runs the result."""
    if card.framework == "torch":
        return (*CONVERTERS, *_EXPORTERS)
    boosted = any(r.startswith(("xgboost", "lightgbm")) for r in card.requirements)
    return (*CONVERTERS, *_ESTIMATORS, *(_BOOSTERS if boosted else ()))


def brings_cuda(card: ModelCard) -> bool:
    """Tell whether the environment would hold several GB of CUDA: torch as Linux's index has it."""
    if card.framework != "torch" or sys.platform != "linux":
        return False
    told = any(os.environ.get(name) for name in _CHOOSE_TORCH)
    return not (told or from_environment(os.environ).extra)


def folder() -> Path:
    """Return where environments are kept: below ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "mlship" / "conversion"


def ensure(card: ModelCard, python: str, runner: Runner) -> Path:
    """Return the Python of the environment for a model, made now where there is none.

    Raises:
        ToolFailed: uv could not make it: no network, or no versions that fit together.
        UsageError: a pip.conf can't be read.
    """
    wanted = requirements(card)
    key = hashlib.sha256("\n".join((python, *wanted)).encode()).hexdigest()[:24]
    place = folder() / key
    if not (place / _MARK).exists():
        _make(place, python, wanted, for_uv(runner))
    (place / _MARK).touch()
    _prune(place)
    return place / "bin" / "python"


def _make(place: Path, python: str, wanted: tuple[str, ...], runner: Runner) -> None:
    """Make it beside its place, then rename it: another mlship may do the same."""
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
    program = uv.program()
    try:
        for command in (
            uv.make_movable(program, made, python),
            uv.install_into(program, made, wanted),
        ):
            runner.must(
                command,
                "The environment to convert the model in could not be made",
                next="check the network, or pass --runtime native",
            )
        (made / _MARK).touch()
        if place.exists() and not (place / _MARK).exists():
            shutil.rmtree(place, ignore_errors=True)
        if not place.exists():
            made.rename(place)
    except OSError:
        if not (place / _MARK).exists():  # another mlship was faster, or the disk is full
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _prune(used: Path) -> None:
    """Remove the environments that were not used for longest."""
    marks = sorted(used.parent.glob(f"*/{_MARK}"), key=lambda mark: mark.stat().st_mtime)
    for mark in marks[:-_KEPT]:
        shutil.rmtree(mark.parent, ignore_errors=True)
