"""A project on disk: finding it, and naming its image by what the image holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mlship import server
from mlship.config import FILE_NAME, Config, load
from mlship.digest import sha256_of
from mlship.errors import ProjectError
from mlship.ownership import files_in


@dataclass(frozen=True)
class Project:
    """A generated project."""

    root: Path
    config: Config

    def content_hash(self) -> str:
        """Return a hex sha256 over every file of the project that goes into the image.

        Raises:
            ProjectError: a file that the image needs is missing.
        """
        names = ["Dockerfile", "requirements.lock"]
        if not (self.root / self.config.model.file).is_dir():
            names.append(self.config.model.file)
        for path in ["model", *server.code_paths(self.config.server, self.config.include)]:
            folder = self.root / path
            if not folder.is_dir():
                names += [path]
                continue
            names += [f"{path}/{n}" for n in files_in(folder) if "__pycache__" not in n]
        digest = hashlib.sha256()
        for name in sorted(set(names)):
            file = self.root / name
            if not file.is_file():
                if name == "requirements.lock":
                    raise ProjectError(
                        f"{file} is missing",
                        why="The libraries are not locked yet.",
                        next="mlship build (it locks first)",
                    )
                raise ProjectError(
                    f"{file} is missing",
                    why="The image is made of it.",
                    next=f"mlship init {self.root.name} --force, from {self.root.parent}",
                )
            digest.update(f"{name}\0{sha256_of(file)}\n".encode())
        return digest.hexdigest()

    def image(self) -> str:
        """Return the image's default reference: repository, version and content."""
        return f"{self.config.image}:{self.config.version}-{self.content_hash()[:8]}"


def find(start: Path) -> Project:
    """Return the project that ``start`` is in (its folder or one above).

    Raises:
        ProjectError: there is none, or its mlship.yaml is wrong.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        file = folder / FILE_NAME
        if file.is_file():
            return Project(folder, load(file))
    raise ProjectError(
        f"No mlship project in {here}",
        why=f"Neither it nor a folder above holds {FILE_NAME}.",
        next="cd into the project, pass --project DIR, or make one: mlship init NAME --model FILE",
    )
