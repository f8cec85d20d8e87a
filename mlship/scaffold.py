"""Writes a project: renders the layers next to the target, then renames the whole into place."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship import layers, ownership, remembered
from mlship.card import ModelCard
from mlship.digest import IGNORED
from mlship.errors import ProjectError

_JINJA = re.compile(rb"\{[{%#]")


@dataclass(frozen=True)
class Scaffolded:
    """A project that was written, and what that changed."""

    root: Path
    changes: ownership.Changes


def check_target(target: Path, *, force: bool) -> None:
    """Refuse a target that is in the way.

    Raises:
        ProjectError: it is a file, or a folder with something in it and not ``force``.
    """
    if target.exists() and not target.is_dir():
        raise ProjectError(f"{target} is a file", next="move it away, or choose another name")
    if not force and target.is_dir() and any(target.iterdir()):
        raise ProjectError(
            f"The folder {target} is not empty",
            why="mlship writes a project only where nothing is in the way.",
            next=f"mlship init {target.name} --force (keeps every file that is not mlship's)",
        )


def scaffold(
    card: ModelCard,
    context: dict[str, Any],
    target: Path,
    *,
    force: bool = False,
    include: Iterable[Path] = (),
    refined: bool = False,
    files: Mapping[str, str] | None = None,
    finish: Callable[[Path], None] = lambda project: None,
) -> Scaffolded:
    """Write the project to ``target``; all of it or nothing.

    ``include`` are modules of the user's own, copied beside ``app/``.
    With ``refined`` the card's features are kept for the next time.
    ``files`` are further ones, by their path in the project, with their text.
    ``finish`` gets the rendered project before it is moved, to add to it (the lock).

    Raises:
        ProjectError: the target is in the way.
        OSError: the disk is full or not writable; nothing is left behind.
    """
    check_target(target, force=force)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _staging(target) as staging:
        project = _render(
            layers.for_project(card, context["server"], context["k8s_options"]), context, staging
        )
        model = project / context["model_file"]
        model.parent.mkdir()
        _copy(card.path, model)
        for source in include:
            _copy(source, project / source.name)
        if refined:
            remembered.save(project, card)
        if card.original:
            remembered.save_original(project, card)
        for name, text in (files or {}).items():
            (project / name).write_text(text, encoding="utf-8")
        finish(project)
        ownership.write_record(project)
        return Scaffolded(target, _move(project, target))


def _copy(source: Path, copy: Path) -> None:
    """Copy a file, or a folder, in which links become the files that they lead to."""
    if source.is_dir():
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*IGNORED))
    else:
        shutil.copyfile(source, copy)


def _render(folders: list[Path], context: dict[str, Any], staging: Path) -> Path:
    """Lay the layers over each other, have cookiecutter render the whole; return the project."""
    # Imported here: it takes longer than all of `mlship --help`.
    from cookiecutter.generate import generate_files

    template = staging / "template"
    for folder in folders:
        # pip compiles every module that it installs, these too.
        ignored = shutil.ignore_patterns(*IGNORED)
        shutil.copytree(folder, template, ignore=ignored, dirs_exist_ok=True)
    project = generate_files(
        repo_dir=template,
        context={"cookiecutter": {**context, "_copy_without_render": _plain_files(template)}},
        output_dir=staging,
        accept_hooks=False,
    )
    return Path(project)


def _plain_files(template: Path) -> list[str]:
    """Return the files without a word of Jinja, which cookiecutter may copy as they are."""
    (project,) = template.iterdir()
    names = ownership.files_in(project)
    return [name for name in names if not _JINJA.search((project / name).read_bytes())]


def _move(project: Path, target: Path) -> ownership.Changes:
    if not target.exists() or not any(target.iterdir()):
        changes = ownership.Changes(written=list(ownership.files_in(project)))
        # Atomic, also over an empty folder (rename(2)).
        project.rename(target)
        return changes
    return ownership.install_over(project, target)


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Give a hidden folder beside the target (the same disk), removed afterwards."""
    for stale in target.parent.glob(f".{target.name}.*.tmp"):
        if not _is_running(stale.name.split(".")[-3]):
            shutil.rmtree(stale, ignore_errors=True)  # left by a process that was killed
    prefix = f".{target.name}.{os.getpid()}."
    folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: str) -> bool:
    if not pid.isdecimal() or int(pid) == os.getpid():
        return not pid.isdecimal()  # in a container, the next process has the same pid
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
