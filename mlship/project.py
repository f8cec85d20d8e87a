"""A project on disk: finding it, and naming its image by what the image holds."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mlship import server
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
        """Return the relative paths of all that goes into the image, there or missing."""
        names = ["Dockerfile", "requirements.lock"]
        if (self.root / "slim.py").is_file():  # older projects have none
            names.append("slim.py")
        model = self.config.model
        inside = [] if model.source else ["model"]
        if inside and not (self.root / model.file).is_dir():
            names.append(model.file)
        for path in [*inside, *server.code_paths(self.config.server, self.config.include)]:
            folder = self.root / path
            if not folder.is_dir():
                names += [path]
                continue
            names += [f"{path}/{n}" for n in files_in(folder) if "__pycache__" not in n]
        return sorted(set(names))

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
                digest.update(f"{name}\0-> {file.readlink()}\n".encode())
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
            digest.update(f"{name}\0{sha256_of(file)}\n".encode())
        return digest.hexdigest()

    def require_model(self) -> None:
        """Raise unless the image would hold the model that it is labelled with.

        Raises:
            ProjectError: the file is another one, or elsewhere; no server would start with it.
        """
        model = self.config.model
        path = self.root / model.file
        if model.source:
            return
        folder = (self.root / "model").resolve()
        for each in (path, *path.rglob("*")):
            if each.is_symlink() and not each.resolve().is_relative_to(folder):
                raise ProjectError(
                    f"{each} is a link, and the image would not have what it leads to",
                    why=f"It leads to {each.readlink()}.",
                    next="put the file itself there; for one too large for an image, see "
                    f"model.source in {FILE_NAME}",
                )
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
        file = self.root / "Dockerfile"
        if not base and file.is_file():
            found = _BASE.search(file.read_text("utf-8", "replace"))
            base = found[1] if found else ""
        told = _PYTHON.search(base)
        if not told or told[1] == self.config.python:
            return
        again = f"mlship init {self.root.name} --force --set python={told[1]}"
        raise ProjectError(
            f"The image would have Python {told[1]}, and {FILE_NAME} says {self.config.python}",
            why=f"Its base is {base}; the libraries are locked for {self.config.python}.",
            next=f"name a base that has it, or {again}, from {self.root.parent}",
        )

    def image_if_locked(self) -> str:
        """Return the same as ``image``; empty where the project can't tell yet."""
        try:
            return self.image()
        except ProjectError:
            return ""

    def image(self, content: str = "") -> str:
        """Return the image's default reference: repository, version and content.

        ``content`` is the content's hash where it is known: large models take seconds.
        """
        return f"{self.config.image}:{self.config.version}-{(content or self.content_hash())[:8]}"


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
