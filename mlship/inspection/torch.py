"""Reads what PyTorch writes: TorchScript and exported programs are served, bare weights refused.

Members of each kind: torch/csrc/jit/serialization/export_module.cpp (TorchScript),
torch/export/pt2_archive/constants.py (.pt2), torch/serialization.py (torch.save).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from mlship.card import Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection import exported_program, torchscript
from mlship.inspection.archives import Archive, open_archive
from mlship.inspection.imports import judge
from mlship.inspection.inert import Inert
from mlship.inspection.pickles import Broken, load

_LEGACY_HEADERS = 3  # magic number, protocol version, sizes of the system

_HOW = """build the model and export it, in Python:
  model = {model}
  {weights}model.eval()
  batch = torch.export.Dim("batch")
  program = torch.export.export(model, (x,), dynamic_shapes=({{0: batch}},))  # x: 2 rows or more
  torch.export.save(program, "model.pt2")
or, as TorchScript: torch.jit.script(model).save("model.pt")"""


def read(path: Path) -> ModelCard:
    """Return the card of a TorchScript file or an exported program (.pt2).

    Raises:
        ModelError: the file is damaged, holds weights without the program that uses them, or
            takes inputs that can't be sent as JSON.
    """
    try:
        if not _is_zip(path):
            raise _legacy(path)
        with open_archive(path) as archive:
            return _read(archive, path)
    except ModelError:
        raise
    except Exception as error:
        # Whatever a damaged file makes a lookup or a conversion stumble on.
        raise ModelError(
            f"{path.name} is no PyTorch model, or is damaged",
            why=f"Its content is not laid out as PyTorch does it: {type(error).__name__}: "
            f"{str(error)[:200]}",
            next="save the model again",
        ) from None


def _read(archive: Archive, path: Path) -> ModelCard:
    if archive.ending("archive_format") or "serialized_exported_program.json" in archive:
        return exported_program.read(archive, path)
    # Not the data.pkl inside another member's folder.
    roots = [name for name in archive.names if re.fullmatch(r"([^/]+/)?data\.pkl", name)]
    member = roots[0] if roots else None
    if member is None:
        raise ModelError(
            f"{path.name} is no PyTorch model, or is damaged",
            why="It has neither a data.pkl nor an archive_format.",
            next="save the model again",
        )
    with archive.open(member) as stream:
        root, found = _unpickled(path, stream)
    prefix = member.removesuffix("data.pkl")
    if any(name.startswith(f"{prefix}code/") for name in archive.names):
        constants = []
        if f"{prefix}constants.pkl" in archive:
            with archive.open(f"{prefix}constants.pkl") as stream:
                constants = list(_unpickled(path, stream)[0] or ())
        return torchscript.read(archive, prefix, (root, constants), found, path)
    raise _weights_only(path, root, found)


def _unpickled(path: Path, stream: IO[bytes]) -> tuple[Any, Any]:
    try:
        pickle = load(cast(BinaryIO, stream), "data.pkl", persistent=True)
    except Broken as error:
        raise ModelError(
            f"{path.name} is no PyTorch model, or is damaged",
            why=f"Its data.pkl can't be read: {error}",
            next="save the model again",
        ) from None
    return pickle.root, pickle.imports


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _legacy(path: Path) -> ModelError:
    """Return the refusal of a file from before the zip format, naming what it holds."""
    root: Any = None
    found: tuple[Import, ...] = ()
    try:
        with path.open("rb") as file:
            for _ in range(_LEGACY_HEADERS + 1):
                pickle = load(file, persistent=True)
                root, found = pickle.root, (*found, *pickle.imports)
    except Broken as error:
        root, found = None, (*found, *error.imports)
    return _weights_only(path, root, found)


def _weights_only(path: Path, root: Any, found: Iterable[Import]) -> ModelError:
    """Return the refusal of a file that torch.save wrote."""
    name = path.name
    dangers = [each for each in judge(found)[0] if not each.module.startswith("torch.")]
    if dangers:
        return ModelError(
            f"{name} runs code of its own when it is loaded",
            why=f"Its pickle asks for {', '.join(map(str, dangers[:5]))}.",
            next="don't load it; ask whoever made it for a .safetensors or .pt2 file",
        )
    if isinstance(root, Inert) and root.module != "collections":
        kind = f"{root.module}.{root.name}"
        what = f"{name} is a pickled PyTorch module: it needs its class {kind}"
        why = "torch.save(model) stores the weights and the name of the class, not its code."
        model, weights = f"torch.load({name!r}, weights_only=False)", ""
    else:
        what = f"{name} holds weights without the model that uses them"
        inside = _inside(root)
        why = f"It is a state_dict or a checkpoint, as torch.save writes it{inside}."
        model = "MyModel(...)  # the class it was trained with"
        key = _weights_key(root)
        picked = f"[{key!r}]" if key else ""
        weights = f"model.load_state_dict(torch.load({name!r}){picked})\n  "
    return ModelError(what, why=why, next=_HOW.format(model=model, weights=weights))


def _entries(root: Any) -> dict[Any, Any]:
    if isinstance(root, Inert):
        return {key: value for key, value in root.items if isinstance(key, str)}
    return root if isinstance(root, dict) else {}


def _inside(root: Any) -> str:
    keys = [key for key in _entries(root) if isinstance(key, str) and re.fullmatch(r"[\w.]+", key)]
    if not keys:
        return ""
    return f", of {', '.join(keys[:4])}" + (", ..." if len(keys) > 4 else "")


def _weights_key(root: Any) -> str:
    """Return under which key of a checkpoint the state_dict lies, empty when it is one itself."""
    for key, value in _entries(root).items():
        if isinstance(key, str) and re.fullmatch(r"\w*(model|state_dict|net)\w*", key):
            nested = _entries(value)
            if nested:
                return key
    return ""
