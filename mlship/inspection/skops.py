"""Reads a ``.skops`` file: a zip of one JSON tree of estimators, and their arrays as ``.npy``.

The tree's nodes name their class and how skops reads them (skops/io/_numpy.py, _general.py); they
become the same inert values as a pickle's.
"""

from __future__ import annotations

import ast
import json
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlship.card import Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection.archives import Archive, open_archive
from mlship.inspection.arrays import Array
from mlship.inspection.inert import Global, Inert
from mlship.inspection.pickled import estimator
from mlship.inspection.pickles import Pickle

_MAX_SCHEMA = 8 << 20
_MAX_ARRAY = 1 << 20
_MAX_DEPTH = 200


def read(path: Path) -> ModelCard:
    """Return the card of a scikit-learn model that was saved with skops.

    Raises:
        ModelError: the file is damaged, or holds no such model.
    """
    with open_archive(path) as archive:
        tree = _Tree(archive)
        try:
            schema = json.loads(archive.read("schema.json", _MAX_SCHEMA))
            version = schema.get("_skops_version")
            root = tree.value(schema)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error,
                SyntaxError, OverflowError) as error:  # fmt: skip
            raise ModelError(
                f"{path.name} is no skops file, or is damaged",
                why=f"{type(error).__name__}: {error}"[:300],
                next="save the model again: skops.io.dump(model, 'model.skops')",
            ) from None
    imports = tuple(tree.imports.values())
    card = estimator(path, Pickle(root, imports, tuple(tree.objects)), by_joblib=True)
    known = isinstance(version, str) and re.fullmatch(r"\d+(\.\d+)*", version)
    # What skops itself does not trust has to be listed when the file is loaded.
    own = ("sklearn.", "builtins")
    names = sorted(
        f"{each.module}.{each.name}" for each in imports if not each.module.startswith(own)
    )
    return replace(
        card,
        format="skops",
        requirements=(*card.requirements, f"skops=={version}" if known else "skops"),
        options=(*card.options, ("trusted", names)),
    )


class _Tree:
    """Turns nodes into values; a node met again by its id is the same value."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.imports: dict[tuple[str, str], Import] = {}
        self.objects: list[Inert] = []
        self.known: dict[Any, Any] = {}

    def value(self, node: Any, depth: int = 0) -> Any:
        """Return what a node stands for."""
        if depth > _MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        loader, identity = node["__loader__"], node.get("__id__")
        if identity in self.known or loader == "CachedNode":
            return self.known.get(identity)  # as skops does: the first of an id is the one
        made = self._made(loader, node, depth + 1)
        if isinstance(identity, int):
            self.known[identity] = made
        return made

    def _made(self, loader: str, node: Any, depth: int) -> Any:
        content = node.get("content")
        if loader == "JsonNode":
            return json.loads(content)
        if loader == "DictNode":
            return {key: self.value(child, depth) for key, child in content.items()}
        if loader in ("ListNode", "TupleNode", "SetNode"):
            values = [self.value(child, depth) for child in content]
            return tuple(values) if loader == "TupleNode" else values
        if loader == "NdArrayNode":
            if node.get("type") == "json":
                return [self.value(child, depth) for child in content]
            return _array(self.archive, str(node["file"]))
        if loader == "FunctionNode" and content:  # before skops 0.10
            return self._named(content["module_path"], content["function"])
        origin = self._named(node["__module__"], node["__class__"])
        if loader in ("TypeNode", "FunctionNode"):
            return origin
        made = Inert(origin, built=True)
        self.objects.append(made)
        if isinstance(content, dict) and "__loader__" in content:
            made.state = self.value(content, depth)
        elif isinstance(content, dict):
            nodes = {k: v for k, v in content.items() if isinstance(v, dict) and "__loader__" in v}
            made.state = {key: self.value(child, depth) for key, child in nodes.items()}
        return made

    def _named(self, module: Any, name: Any) -> Global:
        key = (str(module), str(name))
        self.imports.setdefault(key, Import(*key, 0, "schema.json"))
        return Global(*key)


def _array(archive: Archive, name: str) -> Array:
    """Return a ``.npy`` member (numpy/lib/format.py); the data of a large one is left out."""
    with archive.open(name) as member:
        magic = member.read(8)
        if magic[:6] != b"\x93NUMPY":
            raise ValueError(f"{name} is no array")
        width = 2 if magic[6] == 1 else 4
        length = int.from_bytes(member.read(width), "little")
        if length > 1 << 16:
            raise ValueError(f"{name} has a header of {length} bytes")
        header = ast.literal_eval(member.read(length).decode("latin-1").strip())
        descr, shape = header["descr"], header["shape"]
        if not isinstance(descr, str):
            return Array("V0", (), None)
        data = member.read(_MAX_ARRAY + 1)
    whole = data if len(data) <= _MAX_ARRAY else None
    return Array(descr[1:], tuple(map(int, shape)), whole, ">" if descr[0] == ">" else "<")
