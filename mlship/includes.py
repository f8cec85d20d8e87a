"""Modules of the user's own that a model needs: found, checked against what the model asks for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlship.card import ModelCard
from mlship.errors import ModelError, UsageError

# Names that a project's own files have.
_TAKEN = {"app", "tests", "model", "k8s"}


def resolve(name: str, folder: Path) -> Path:
    """Return the package folder or .py file that ``--include name`` means, below ``folder``.

    Raises:
        UsageError: there is none, or its name can't be imported or is taken.
    """
    given = folder / name
    for path in (given, given.with_name(f"{given.name}.py")):
        if (path.is_dir() or path.suffix == ".py") and path.exists():
            if not path.stem.isidentifier() or path.stem in _TAKEN:
                raise UsageError(
                    f"{path} can't be included",
                    why=f"{path.stem} is no name that Python can import beside the project's own.",
                    next="rename it, and save the model again with the new name",
                )
            return path
    raise UsageError(
        f"--include {name} is neither a package nor a module",
        why=f"There is no folder {given} and no file {given}.py.",
        next="run this where your package is, or pass its path: --include src/my_pkg",
    )


def check(card: ModelCard, include: Iterable[Path]) -> None:
    """Refuse a model that needs modules which nobody provides.

    Raises:
        ModelError: names the modules and how to provide them.
    """
    missing = sorted(set(card.modules) - {path.stem for path in include})
    if "__main__" in missing:
        raise ModelError(
            f"{card.path.name} needs a class or function that was defined in a notebook or script",
            why="It refers to __main__, which is another program when the model is served.",
            next="move it into a file my_model.py, import it from there, train and save again, "
            "then: --include my_model",
        )
    if missing:
        raise ModelError(
            f"{card.path.name} needs code of your own: {', '.join(missing)}",
            why="It holds objects of classes that no known library has.",
            next=" ".join(f"--include {name}" for name in missing)
            + " (the folder or .py file is copied into the project)",
        )
