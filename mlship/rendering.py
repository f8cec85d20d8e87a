"""Renders k8s/ of a project again, from its mlship.yaml alone.

The rule of ``ownership``: what mlship wrote is replaced, or removed when nothing asks for it any
more; what its user edited stays, and is listed when the new rendering differs from the last.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from mlship import kubernetes, layers, ownership
from mlship.digest import sha256_of
from mlship.errors import ProjectError
from mlship.ownership import Changes
from mlship.project import Project

_PROJECT = "{{cookiecutter.name}}"


def files(project: Project) -> dict[str, str]:
    """Return the text of every file that mlship.yaml alone decides, by its path in the project.

    Raises:
        UsageError: model.source does not go with the model.
        ProjectError: a patch that mlship.yaml names is missing.
    """
    import jinja2

    config = project.config
    kubernetes.check_source(config, is_folder=(project.root / config.model.file).is_dir())
    values = kubernetes.context(config, project.root)
    folders = [layer / _PROJECT for layer in layers.for_manifests(values["k8s_options"])]
    # As cookiecutter is told to by context.build.
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        trim_blocks=True,
        autoescape=False,
    )
    return {
        name: environment.from_string((folder / name).read_text(encoding="utf-8")).render(
            cookiecutter=values
        )
        for folder in folders
        for name in ownership.files_in(folder)
        if "__pycache__" not in name
    }


def render(project: Project) -> Changes:
    """Write what changed, remove what is no longer asked for, and record both.

    Raises:
        UsageError: model.source does not go with the model.
        ProjectError: a patch that mlship.yaml names is missing.
    """
    root = project.root
    record = ownership.read_record(root)
    before = dict(record)

    def write(name: str, text: str) -> None:
        ownership.replace_text(root / name, text)
        note(name, _sha256(text))

    def remove(name: str) -> None:
        (root / name).unlink()

    def note(name: str, sha256: str | None) -> None:
        record.pop(name, None)
        if sha256:
            record[name] = sha256
        # After each file: whoever stops this halfway leaves none that seems the user's.
        if record != before:
            ownership.save_record(root, dict(sorted(record.items())))

    return _settle(project, write, remove, note)


def check(project: Project) -> Changes:
    """Return what ``render`` would do; raises the same, writes nothing."""
    return _settle(project, lambda *_: None, lambda _: None, lambda *_: None)


def image_disagrees(project: Project) -> bool:
    """Tell whether the Dockerfile takes the model in though pods get it elsewhere, or neither."""
    try:
        lines = (project.root / "Dockerfile").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    inside = any(re.match(r"COPY (--\S+ )*model\b", line) for line in lines)
    return inside == bool(project.config.model.source)


def out_of_date(changes: Changes) -> ProjectError:
    """Return the error of a project whose k8s/ is not what its mlship.yaml says."""
    lines = [f"{name} would be written" for name in changes.written]
    lines += [f"{name} would be removed" for name in changes.removed]
    return ProjectError(
        "k8s/ is not what mlship.yaml says", why="\n".join(lines), next="mlship render"
    )


def _settle(
    project: Project,
    write: Callable[[str, str], None],
    remove: Callable[[str], None],
    note: Callable[[str, str | None], None],
) -> Changes:
    root, changes = project.root, Changes()
    record = ownership.read_record(root)
    fresh = files(project)
    for name, text in fresh.items():
        path, sha256 = root / name, _sha256(text)
        if path.is_file() and sha256_of(path) == sha256:
            changes.unchanged.append(name)
            if record.get(name) != sha256:
                note(name, sha256)
        elif ownership.is_ours(path, record.get(name), name):
            write(name, text)
            changes.written.append(name)
        elif record.get(name) != sha256:  # else the user's edit is all that differs
            changes.kept.append(name)
        else:
            changes.unchanged.append(name)
    for name in sorted(_decided(record) - fresh.keys()):
        path = root / name
        if path.is_file() and ownership.is_ours(path, record[name], name):
            remove(name)
            changes.removed.append(name)
        elif path.is_file():
            changes.unused.append(name)
        note(name, None)
    return changes


def _decided(record: dict[str, str]) -> set[str]:
    """Return the files of a record that mlship.yaml alone decides, now or with other options."""
    of_options = {name for notes in kubernetes.FILE_NOTES.values() for name in notes}
    return {name for name in record if name.startswith("k8s/") or name in of_options}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
