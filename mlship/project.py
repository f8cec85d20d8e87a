"""A project on disk: finding it, and naming its image by what the image holds."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mlship import dockerignore, server
from mlship.config import FILE_NAME, Config, load
from mlship.digest import sha256_of
from mlship.errors import ProjectError
from mlship.ownership import files_in

_BASE = re.compile(r"^ARG PYTHON_IMAGE=(\S+)", re.M)
_PYTHON = re.compile(r"\bpython:(\d+\.\d+)")


@dataclass(frozen=True)
class Project:
    """A generated project."""

    root: Path
    config: Config

    @property
    def label(self) -> str:
        """Tell this project from others here that have its name, such as another worktree of it."""
        return f"{self.config.name}-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]}"

    def files(self) -> list[str]:
        """Return the relative paths of all that the image is made of, there or missing."""
        names = ["Dockerfile", "requirements.lock"]
        # Older projects have no slim.py.
        names += [n for n in ("slim.py", dockerignore.FILE) if (self.root / n).is_file()]
        model = self.config.model
        if not model.source and not (self.root / model.file).is_dir():
            names.append(model.file)
        for path in self._copied():
            folder = self.root / path
            if not folder.is_dir():
                names += [path]
                continue
            names += [f"{path}/{n}" for n in files_in(folder)]
        names += dockerignore.admitted(self.root)
        return sorted({name for name in names if "__pycache__" not in name})

    def _copied(self) -> list[str]:
        """Return the files and folders of this one that the image has copies of."""
        inside = [] if self.config.model.source else ["model"]
        return [*inside, *server.code_paths(self.config.server, self.config.include)]

    def content_hash(self) -> str:
        """Return a hex sha256 over what the image is made of: files, and a base of its own.

        Raises:
            ProjectError: a file that the image needs is missing.
        """
        digest = hashlib.sha256()
        if self.config.base:
            digest.update(f"base\0{self.config.base}\n".encode())
        for name in self.files():
            file = self.root / name
            if "/" in name and file.is_symlink():
                # The image has the link itself, wherever it leads.
                digest.update(os.fsencode(f"{name}\0-> {file.readlink()}\n"))
                continue
            if not file.is_file():
                if name == "requirements.lock":
                    raise ProjectError(
                        f"{file} is missing",
                        why="The libraries are not locked yet.",
                        next="mlship lock, or mlship build, which locks first",
                    )
                raise ProjectError(
                    f"{file} is missing",
                    why="The image is made of it.",
                    next=f"mlship init {self.root.name} --force, from {self.root.parent}",
                )
            # The image keeps whether it can be run.
            mode = "\0x" if file.stat().st_mode & 0o100 else ""
            digest.update(os.fsencode(f"{name}\0{sha256_of(file)}{mode}\n"))
        return digest.hexdigest()

    def require_links(self) -> None:
        """Raise unless all links that are copied into the image lead somewhere there.

        Raises:
            ProjectError: one does not; the builder says so late, or not at all.
        """
        tops = [self.root / name for name in ("requirements.lock", "slim.py", *self._copied())]
        for top in tops:
            for each in (top, *sorted(top.rglob("*"))):
                # Code is compiled where the model is not yet.
                there = [top] if each.suffix == ".py" else tops
                if "__pycache__" in each.parts or not each.is_symlink():
                    continue
                if each != top and _stays(each, there):
                    continue
                raise ProjectError(
                    f"{each} is a link, and the image would not have what it leads to",
                    why=f"It leads to {each.readlink()}.",
                    next="put the file itself there, or have a relative link to one that is copied "
                    f"too; for a model too large for an image, see model.source in {FILE_NAME}",
                )

    def require_model(self) -> None:
        """Raise unless the image would hold the model that it is labelled with.

        Raises:
            ProjectError: the file is another one, or elsewhere; no server would start with it.
        """
        model = self.config.model
        path = self.root / model.file
        if model.source:
            return
        if not path.exists() or sha256_of(path) == model.sha256:
            return
        raise ProjectError(
            f"{path} is not the model that {FILE_NAME} names: its sha256 is another",
            why="The image would be labelled with the former one, and its server would not start.",
            # init leaves alone what it did not write.
            next=f"move it away, then mlship init {self.root.name} --force --model NEW_MODEL, from "
            f'{self.root.parent}; by hand: "A new model" in the README',
        )

    def require_python(self, base: str = "") -> None:
        """Raise unless the base, the Dockerfile's own by default, has the Python of the lock.

        Raises:
            ProjectError: its name tells another one; names that tell none are believed.
        """
        base = base or self._own_base()
        told = _PYTHON.search(base)
        if not told or told[1] == self.config.python:
            return
        again = f"mlship init {self.root.name} --force --set python={told[1]}"
        raise ProjectError(
            f"The image would have Python {told[1]}, and {FILE_NAME} says {self.config.python}",
            why=f"Its base is {base}; the libraries are locked for {self.config.python}.",
            next=f"name a base that has it, or {again}, from {self.root.parent}",
        )

    def _own_base(self) -> str:
        """Return the base that the Dockerfile names; empty where it names none."""
        file = self.root / "Dockerfile"
        found = _BASE.search(file.read_text("utf-8", "replace")) if file.is_file() else None
        return found[1] if found else ""

    def image_if_locked(self) -> str:
        """Return the same as ``image``; empty where the project can't tell yet."""
        try:
            return self.image()
        except ProjectError:
            return ""

    def image(self, content: str = "", base: str = "") -> str:
        """Return the image's default reference: repository, version and content.

        ``content`` is the content's hash where it is known: large models take seconds. ``base`` is
        what the image is made from, where that may be another than the project's own.
        """
        content = content or self.content_hash()
        if base and base != (self.config.base or self._own_base()):
            content = hashlib.sha256(f"{content}\0{base}".encode()).hexdigest()
        return f"{self.config.image}:{self.config.version}-{content[:8]}"


def _stays(link: Path, tops: list[Path]) -> bool:
    """Tell whether a link leads into what is copied with it, from there as from here."""
    found = Path(os.path.realpath(link))  # unlike resolve, takes links in a circle
    if link.readlink().is_absolute() or not found.exists():
        return False
    return any(found.is_relative_to(top.resolve()) for top in tops)


def find(start: Path) -> Project:
    """Return the project that ``start`` is in (its folder or one above).

    Raises:
        ProjectError: there is none, or its mlship.yaml is wrong.
    """
    here = start.resolve()
    if not here.is_dir():
        # Not the project around it: whoever mistypes a name does not mean that one.
        raise ProjectError(
            f"No folder {here}", why="A project is one.", next="pass --project DIR, the project's"
        )
    for folder in (here, *here.parents):
        file = folder / FILE_NAME
        if file.is_file():
            return Project(folder, load(file))
    raise ProjectError(
        f"No mlship project in {here}",
        why=f"Neither it nor a folder above holds {FILE_NAME}.",
        next="cd into the project, pass --project DIR, or make one: mlship init NAME --model FILE",
    )
