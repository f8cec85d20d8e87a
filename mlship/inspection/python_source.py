"""What a piece of Python source imports, and which distributions have that; never imported here."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from itertools import islice
from pathlib import Path

from mlship.errors import ModelError
from mlship.inspection.structured import read_text

# Names of imports that are not those of their distributions.
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "cv2": "opencv-python-headless", "PIL": "pillow", "yaml": "pyyaml",
    "skimage": "scikit-image", "bs4": "beautifulsoup4", "dateutil": "python-dateutil",
    "dotenv": "python-dotenv", "faiss": "faiss-cpu", "fitz": "pymupdf", "Crypto": "pycryptodome",
    "jwt": "pyjwt", "magic": "python-magic", "Levenshtein": "levenshtein",
    "google.protobuf": "protobuf",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A syntax tree takes two hundred times its text.
_MAX_BYTES = 256 << 10
_MAX_FILES = 200


def parse(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file.

    Raises:
        ModelError: it can't be read, is too long, or is no Python that this version reads.
    """
    text = read_text(file, _MAX_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, file.name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise ModelError(
            f"{file.name} is no Python code",
            why=f"{str(error)[:200] or type(error).__name__}{line}.",
            next=f"python -m py_compile {file.name}",
        ) from None


def imported(path: Path, file: Path, tree: ast.Module) -> dict[str, str]:
    """Return the distributions that ``file`` and the modules beside it need, by imported name.

    ``path`` is what is copied: the file alone, or its folder.

    Raises:
        ModelError: the file alone is copied, and it imports one beside it.
    """
    names = _names(tree)
    if path.is_dir():
        sources = (other for other in sorted(path.rglob("*.py")) if other != file)
        for other in islice(sources, _MAX_FILES):
            inside = other.relative_to(path).parts
            if not any(part.startswith((".", "venv", "site-packages")) for part in inside):
                names |= _names(parse(other))
    found = {}
    for name in sorted(names - sys.stdlib_module_names):
        beside = file.parent / name
        if beside.with_suffix(".py").is_file() or beside.is_dir():
            if path.is_dir():
                continue
            raise ModelError(
                f"{file.name} imports {name}, a file beside it that would stay behind",
                why="Given as a file, it is copied alone; given as a folder, all of it is copied.",
                next=f"mlship init NAME --model {file.parent}",
            )
        if all(map(_NAME.fullmatch, name.split("."))):
            found[name] = _DISTRIBUTIONS.get(name, name.replace("_", "-"))
    return found


def _names(tree: ast.Module) -> set[str]:
    """Return the top-level names of everything imported, at the top or in functions."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {
        "google.protobuf" if n.startswith("google.protobuf") else n.split(".")[0] for n in names
    }
