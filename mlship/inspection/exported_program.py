"""Reads a .pt2 file: what torch.export.save writes.

Since torch 2.8 an archive with ``models/model.json`` (torch/export/pt2_archive/), before that a
zip with ``serialized_exported_program.json``; the JSON is torch/_export/serde/schema.py's
ExportedProgram in both.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from mlship.card import Dtype, Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection.archives import Archive
from mlship.inspection.imports import judge
from mlship.inspection.pickles import Broken, load
from mlship.inspection.structured import parse_json
from mlship.inspection.tensors import Row, Tensor, row_of
from mlship.inspection.torch_expressions import check
from mlship.inspection.torch_notes import TORCH_BUILDS

# Parsed JSON takes up to twenty times its text; BERT's graph has 4 MB.
_MAX_JSON = 12 << 20
# schema.py, ScalarType.
_DTYPES: dict[int, Dtype] = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 12: "bool", 28: "uint16", 34: "uint32", 35: "uint64",
}  # fmt: skip
# The highest CPython minor with wheels for Linux on x86-64 and arm64, by the files on PyPI.
_LAST_PYTHON = (((2, 5), 12), ((2, 8), 13))
_NEWEST_PYTHON = 14
_EXPORT = (
    "export it again: batch = torch.export.Dim('batch'); "
    "torch.export.save(torch.export.export(model, (x,), dynamic_shapes=({0: batch},)), "
    "'model.pt2'), with an x of 2 rows or more"
)
_Sizes = list[int | str]


def read(archive: Archive, path: Path) -> ModelCard:
    """Return the card of an exported program.

    Raises:
        ModelError: it takes or answers something other than tensors, or a fixed number of rows.
    """
    member = _member(archive, path)
    program = parse_json(archive.read(member, _MAX_JSON), f"{member} in {path.name}")
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    entry = next(call["signature"] for call in module["module_call_graph"] if call["fqn"] == "")
    names, positional = _arguments(path, entry)
    inputs, batch = _inputs(path, graph, signature, names)
    outputs, names_out, by_name = _outputs(path, graph, signature, entry, batch)
    row = row_of(inputs)
    only = outputs[0] if len(outputs) == 1 and not by_name else None
    number = only and only.shape in ((), (1,)) and only.dtype.startswith("float")
    version, requirements, notes = _version(path, program)
    dangers, foreign = check(program, member)
    pickled, modules = _pickles(archive)
    return ModelCard(
        path=path,
        framework="torch",
        format="pt2",
        framework_version=version,
        description=f"exported program of {len(graph['nodes'])} operations",
        task="regression" if number else "inference",
        features=row.features,
        takes=row.takes,
        requirements=requirements,
        python_range=(10, _last_python(version)),
        python_reason=requirements[0],
        input_names=tuple(names),
        output_names=names_out,
        options=_options(row, by_name, positional, names),
        warnings=(*notes, *_limits(program, batch), TORCH_BUILDS),
        dangers=(*dangers, *pickled),
        modules=tuple(dict.fromkeys((*foreign, *modules))),
    )


def _member(archive: Archive, path: Path) -> str:
    if "serialized_exported_program.json" in archive:
        return "serialized_exported_program.json"
    found = [name for name in archive.names if re.fullmatch(r"([^/]+/)?models/[^/]+\.json", name)]
    if len(found) == 1 and found[0].endswith("models/model.json"):
        return found[0]
    raise ModelError(
        f"{path.name} holds {len(found) or 'no'} exported program(s), none alone and called model",
        why="mlship serves what torch.export.save writes: one program. A package of AOTInductor "
        "holds machine code instead.",
        next=_EXPORT,
    )


def _arguments(path: Path, entry: Any) -> tuple[list[str], int]:
    """Return the names of the arguments and how many of them are positional.

    The structure is a string: a tuple of (a tuple of arguments, a dict of keyword arguments).
    """
    spec = json.loads(entry["in_spec"])[1]
    arguments, keywords = spec["children_spec"]
    leaves = [*arguments["children_spec"], *keywords["children_spec"]]
    if any(leaf["type"] is not None for leaf in leaves):
        raise ModelError(
            f"mlship can't serve the inputs of {path.name}",
            why="The program takes lists or dicts of tensors.",
            next="wrap the model in a module whose forward() takes only tensors, and export that",
        )
    positional = len(arguments["children_spec"])
    named = json.loads(keywords["context"]) if keywords["children_spec"] else []
    forward = entry.get("forward_arg_names") or []
    names = forward[:positional] if len(forward) >= positional else []
    names = names or [f"input_{i}" for i in range(positional)]
    return [str(name) for name in (*names, *named)], positional


def _inputs(
    path: Path, graph: Any, signature: Any, names: list[str]
) -> tuple[list[Tensor], int | str]:
    """Return the inputs as one instance has them, and the expression of the batch's size."""
    specs = [each["user_input"]["arg"] for each in signature["input_specs"] if "user_input" in each]
    if len(specs) != len(names) or not specs or any("as_tensor" not in spec for spec in specs):
        raise ModelError(
            f"mlship can't serve the inputs of {path.name}",
            why="The program takes constants or numbers beside tensors, or no tensor at all.",
            next="export it with only tensors as arguments",
        )
    metas = [graph["tensor_values"][spec["as_tensor"]["name"]] for spec in specs]
    sizes = [_sizes(meta) for meta in metas]
    for name, meta, each in zip(names, metas, sizes, strict=True):
        if meta["device"]["type"] != "cpu":
            raise ModelError(
                f"{path.name} was exported for the device {meta['device']['type']}",
                next="export it again on the CPU: model.cpu(), and x on the CPU",
            )
        if not each or each[0] != sizes[0][0] or isinstance(each[0], int):
            fixed = "a single value" if not each else f"exactly {each[0]} row(s)"
            raise ModelError(
                f"{path.name} takes {fixed} for its input {name}, whatever a request sends",
                why="A service must answer any number of rows: the first dimension of every input "
                f"must be the same free one. Its shape is {each}.",
                next=_EXPORT,
            )
    tensors = [
        Tensor(name, _dtype(path, name, meta), _free(each[1:]))
        for name, meta, each in zip(names, metas, sizes, strict=True)
    ]
    return tensors, sizes[0][0]


def _outputs(
    path: Path, graph: Any, signature: Any, entry: Any, batch: int | str
) -> tuple[list[Tensor], tuple[str, ...], bool]:
    """Return the outputs, their names (none for a single tensor), and whether they are a dict."""
    specs = [
        each["user_output"]["arg"] for each in signature["output_specs"] if "user_output" in each
    ]
    spec = json.loads(entry["out_spec"])[1]
    kind, leaves = spec["type"], spec["children_spec"]
    flat = all(leaf["type"] is None for leaf in leaves) and all("as_tensor" in s for s in specs)
    names = [spec["as_tensor"]["name"] for spec in specs] if flat else []
    by_name = kind == "builtins.dict"
    if by_name and flat:
        names = [str(key) for key in json.loads(spec["context"])]
    known = kind is None or kind in ("builtins.tuple", "builtins.list", "builtins.dict")
    if not known or not specs or len(names) != len(specs) or (kind and len(leaves) != len(names)):
        raise ModelError(
            f"mlship can't serve the output of {path.name}",
            why=f"The program returns {kind or 'something other than a tensor'}.",
            next="wrap the model in a module that returns a tensor, a tuple of tensors or a dict "
            "of tensors, and export that",
        )
    outputs = []
    for name, argument in zip(names, specs, strict=True):
        meta = graph["tensor_values"][argument["as_tensor"]["name"]]
        sizes = _sizes(meta)
        if not sizes or sizes[0] != batch:
            raise ModelError(
                f"The output {name} of {path.name} has no row for each row of the input",
                why=f"Its shape is {sizes}, and the batch is the first dimension of the input.",
                next="export a module whose outputs all begin with the batch",
            )
        outputs.append(Tensor(name, _dtype(path, name, meta), _free(sizes[1:])))
    return outputs, tuple(names) if kind else (), by_name


def _sizes(meta: Any) -> _Sizes:
    """Return each side: a number, or the text of its expression."""
    return [
        int(side["as_int"]) if "as_int" in side else str(side["as_expr"]["expr_str"])
        for side in meta["sizes"]
    ]


def _free(sizes: _Sizes) -> tuple[int | None, ...]:
    return tuple(side if isinstance(side, int) else None for side in sizes)


def _dtype(path: Path, name: str, meta: Any) -> Dtype:
    if meta["dtype"] in _DTYPES:
        return _DTYPES[meta["dtype"]]
    raise ModelError(
        f"mlship can't serve {name} of {path.name}: its type is number {meta['dtype']} of "
        "torch/_export/serde/schema.py",
        why="JSON has no bfloat16, float8 or complex numbers.",
        next="convert the model with model.float() and export it again",
    )


def _options(
    row: Row, by_name: bool, positional: int, names: list[str]
) -> tuple[tuple[str, Any], ...]:
    options = list(row.options)
    if by_name:
        options.append(("by_name", True))
    if positional < len(names):
        options.append(("positional", positional))
    return tuple(options)


def _limits(program: Any, batch: int | str) -> tuple[str, ...]:
    """Return a warning when the batch's size is limited; refuse a service of no single row."""
    symbol = re.search(r"Symbol\('(\w+)'", str(batch))
    limits = (program.get("range_constraints") or {}).get(symbol[1] if symbol else batch) or {}
    low, high = limits.get("min_val") or 0, limits.get("max_val")
    if low > 2:  # until torch 2.8 a free dimension begins at 2, and takes 1 all the same
        raise ModelError(
            f"The program takes {low} rows or more at once",
            why="A service must answer a single row, too.",
            next=_EXPORT,
        )
    if not isinstance(high, int) or high > 10**6:
        return ()
    return (f"The program takes at most {high} rows at once; a longer request fails.",)


def _version(path: Path, program: Any) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """Return torch's version, the requirements and the warnings about it."""
    written = str(program.get("torch_version") or "")
    if not written or written.startswith("<"):
        raise ModelError(
            f"{path.name} was exported by torch 2.4 or older, and does not say by which",
            why="Newer versions of torch don't read its layout.",
            next="export it again with torch 2.6 or newer",
        )
    version = written.partition("+")[0]
    if not re.fullmatch(r"\d{1,3}\.\d{1,3}\.\d{1,3}(\.post\d{1,2})?", version):
        note = (
            f"The file was made with torch {written[:40]}, which no package index has; "
            "the project takes the newest."
        )
        return None, ("torch>=2.6",), (note,)
    return version, (f"torch=={version}",), ()


def _last_python(version: str | None) -> int:
    if version:
        release = tuple(int(part) for part in version.split(".")[:2])
        for last, minor in _LAST_PYTHON:
            if release <= last:
                return minor
    return _NEWEST_PYTHON


def _pickles(archive: Archive) -> tuple[tuple[Import, ...], tuple[str, ...]]:
    """Return (dangers, modules) of all pickles inside, which torch.export.load unpickles.

    Sample inputs and unusual weights are files by torch.save (a zip inside the zip), custom
    objects bare pickles. Plain weights are bytes, and are not read.
    """
    found: list[Import] = []
    dangers = [
        Import("torch", "compiled code", 0, name)
        for name in archive.names
        if re.search(r"aotinductor/|\.(so|pyd|dll|dylib|cubin)$", name)
    ]
    for name in _pickled(archive):
        try:
            if archive.size(name) > archive.path.stat().st_size:  # torch compresses none of them
                raise Broken("it is compressed")
            with archive.open(name) as stream:
                zipped = stream.read(4) == b"PK\x03\x04"
            with archive.open(name) as stream:
                if zipped:
                    found += _imports_of_zip(stream, name)
                elif archive.size(name):
                    found += load(cast(BinaryIO, stream), name, persistent=True).imports
        except (Broken, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            dangers.append(Import("pickle", f"unreadable: {str(error)[:60]}", 0, name))
    judged, modules = judge(found)
    return (*dangers[:100], *judged), modules


def _pickled(archive: Archive) -> list[str]:
    """Return the members that are unpickled: by their names, or by what the configurations say."""
    found = [
        name for name in archive.names if re.search(r"\.pt$|/(custom|opaque)_obj_[^/]*$", name)
    ]
    for name in archive.names:
        if not name.endswith("_config.json"):
            continue
        payloads = parse_json(archive.read(name, _MAX_JSON), name)["config"].values()
        folder = name.rpartition("/")[0]
        members = [f"{folder}/{each['path_name']}" for each in payloads if each["use_pickle"]]
        found += [member for member in members if member in archive]
    return list(dict.fromkeys(found))


def _imports_of_zip(stream: IO[bytes], name: str) -> list[Import]:
    with zipfile.ZipFile(stream) as inner:
        found: list[Import] = []
        for member in inner.namelist():
            if member.endswith("data.pkl"):
                with inner.open(member) as pickled:
                    found += load(cast(BinaryIO, pickled), name, persistent=True).imports
        return found
