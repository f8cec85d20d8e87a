"""Reads a TensorFlow SavedModel: the signature and the operators in saved_model.pb.

Field numbers: tensorflow/core/protobuf/{saved_model,meta_graph}.proto and
tensorflow/core/framework/{graph,function,node_def,tensor_shape}.proto.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from mlship.card import Dtype, Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection.protobuf import Message, WireError
from mlship.inspection.tensors import Tensor, row_of

# types.proto, DataType.
_DTYPES: dict[int, Dtype] = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string",
    9: "int64", 10: "bool", 17: "uint16", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
_SIGNATURE = "serving_default"
# Operators that reach files, the network or Python: tensorflow/core/ops/{io,script,dataset,
# experimental_dataset,summary,debug,rpc}_ops.cc. Those of tables read the model's own assets.
_ACTING = re.compile(
    r"ReadFile|WriteFile|MatchingFiles|(Eager)?PyFunc(Stateless)?|DebugIdentity(V\d)?|(Try)?Rpc\w*"
    r"|(TextLine|TFRecord|FixedLengthRecord|WholeFile|Identity|LMDB)Reader(V2)?|\w*PyFunction\w*"
    r"|(Experimental)?(TextLine|TFRecord|FixedLengthRecord|Sql|CSV|LMDB|Save|Load|Snapshot|Cache"
    r"|MatchingFiles|Generator|DataService)Dataset(V\d)?|\w*Summary(File|Db)?Writer|ImportEvent"
    r"|Save|SaveSlices|SaveV2|MergeV2Checkpoints|PrintV2 to a file"
)
# Every SavedModel has these, to store its variables: a danger only where they would be run.
_SAVER = {"Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints"}
_MAX_NODES = 300_000
_RELEASE = re.compile(r"(\d{1,3})\.(\d{1,3})\.\d{1,3}(\.post\d)?")
# (up to this release, lowest and highest CPython minor) with wheels for Linux, by PyPI's files.
_PYTHONS = (((2, 12), (10, 11)), ((2, 15), (10, 11)), ((2, 19), (10, 12)))
_NEWEST_PYTHONS = (10, 13)
_FIRST_WITH_311 = (2, 12)


def read(path: Path) -> ModelCard:
    """Return the card of a SavedModel folder.

    Raises:
        ModelError: it is damaged, has no signature ``serving_default``, or takes or answers
            something other than plain tensors with a free batch.
    """
    file = path / "saved_model.pb"
    try:
        if file.stat().st_size == 0:
            raise WireError("it is empty")
        with file.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(path, Message(data, 0, len(data)))
    except ModelError:
        raise
    except Exception as error:
        # Whatever a damaged file makes a lookup or a conversion stumble on.
        raise ModelError(
            f"{path.name} is no SavedModel, or is damaged",
            why=f"Its saved_model.pb does not read as one: {str(error)[:200]}.",
            next="export the model again: model.export('folder'), or tf.saved_model.save(...)",
        ) from None


def _read(path: Path, saved: Message) -> ModelCard:
    graphs = saved.messages(2)
    serving = [graph for graph in graphs if "serve" in _texts(graph.message(1), 4)]
    if not serving:
        raise WireError("it has no graph for serving")
    graph = serving[0]
    signature = _signature(path, graph)
    inputs = _inputs(path, signature)
    outputs = _outputs(path, signature)
    row = row_of(inputs)
    text = any(each.dtype == "string" for each in outputs)
    only = outputs[0]
    number = len(outputs) == 1 and only.shape in ((), (1,)) and only.dtype.startswith("float")
    version, requirement, pythons, warnings = _version(graph)
    return ModelCard(
        path=path,
        framework="tensorflow",
        format="saved_model",
        framework_version=version,
        description=f"SavedModel, signature {_SIGNATURE}",
        task="regression" if number else "inference",
        features=row.features,
        takes=row.takes,
        requirements=(requirement,),
        python_range=pythons,
        python_reason=requirement,
        input_names=tuple(each.name for each in inputs),
        output_names=tuple(each.name for each in outputs),
        options=(*row.options, *((("text", True),) if text else ())),
        warnings=warnings,
        dangers=_dangers(graph),
    )


def _texts(message: Message, number: int) -> list[str]:
    return [each.decode() for each in message.messages(number)]


def _map(message: Message, number: int) -> dict[str, Message]:
    """Return a map field: its entries are messages of key (1) and value (2)."""
    return {entry.text(1): entry.message(2) for entry in message.messages(number)}


def _signature(path: Path, graph: Message) -> Message:
    signatures = _map(graph, 5)
    if _SIGNATURE in signatures:
        return signatures[_SIGNATURE]
    names = ", ".join(name for name in sorted(signatures) if not name.startswith("__"))
    raise ModelError(
        f"{path.name} has no signature {_SIGNATURE}",
        why=f"Its signatures: {names[:200] or 'none'}.",
        next="export it again: tf.saved_model.save(model, 'folder', "
        "signatures={'serving_default': model.__call__}) with a tf.function that has an "
        "input_signature",
    )


def _tensors(path: Path, signature: Message, number: int) -> Iterator[tuple[str, Dtype, Message]]:
    """Yield (name, dtype, shape) of the inputs (1) or outputs (2), in the order of their names."""
    for name, info in sorted(_map(signature, number).items()):
        kind = info.integer(2) or 0
        if kind not in _DTYPES or not info.text(1):
            raise ModelError(
                f"mlship can't serve {name[:80]!r} of {path.name}",
                why="It is a sparse or composite tensor."
                if not info.text(1)
                else f"Its type is number {kind} of tensorflow/core/framework/types.proto; "
                "JSON has no bfloat16, complex or resource.",
                next="export a function of plain numbers or strings",
            )
        yield name, _DTYPES[kind], info.message(3)


def _sides(shape: Message) -> tuple[int | None, ...] | None:
    """Return the sides, None for a free one; None when even their number is free."""
    if shape.integer(3):
        return None
    sizes = [dim.integer(1) or 0 for dim in shape.messages(2)]
    return tuple(None if size < 0 else size for size in sizes)


def _inputs(path: Path, signature: Message) -> list[Tensor]:
    inputs = []
    for name, dtype, shape in _tensors(path, signature, 1):
        sides = _sides(shape)
        if not sides or sides[0] is not None:
            described = "any shape" if sides is None else str(list(sides))
            raise ModelError(
                f"The input {name[:80]!r} of {path.name} has no free batch",
                why=f"A service must answer any number of rows. Its shape is {described}.",
                next="export it with tf.TensorSpec([None, ...]) in the input_signature",
            )
        inputs.append(Tensor(name, dtype, sides[1:]))
    if not inputs:
        raise ModelError(
            f"The signature {_SIGNATURE} of {path.name} takes no input",
            next="export a function that takes a batch of inputs",
        )
    return inputs


def _outputs(path: Path, signature: Message) -> list[Tensor]:
    outputs = []
    for name, dtype, shape in _tensors(path, signature, 2):
        sides = _sides(shape)
        if sides is not None and (not sides or sides[0] is not None):
            raise ModelError(
                f"The output {name[:80]!r} of {path.name} has no row for each row of the input",
                why=f"Its shape is {list(sides)}.",
                next="export a function whose outputs all begin with the batch",
            )
        outputs.append(Tensor(name, dtype, (None,) if sides is None else sides[1:]))
    if not outputs:
        raise WireError("its signature has no output")
    return outputs


def _version(
    graph: Message,
) -> tuple[str | None, str, tuple[int, int], tuple[str, ...]]:
    """Return the version in the file, the requirement, the Pythons and the warnings."""
    written = graph.message(1).text(5)
    match = _RELEASE.fullmatch(written)
    if not match:
        named = f"TensorFlow {written[:40]}" if written else "no TensorFlow version"
        note = f"The file names {named}, which no package index has; the project takes the newest."
        return None, "tensorflow>=2.16", _NEWEST_PYTHONS, (note,)
    release = (int(match[1]), int(match[2]))
    if release < _FIRST_WITH_311:
        note = (
            f"TensorFlow {written} has no build for the Pythons the server runs on; newer ones "
            "read its SavedModels, so the project takes the newest."
        )
        return written, "tensorflow>=2.16", _NEWEST_PYTHONS, (note,)
    pythons = next((span for last, span in _PYTHONS if release <= last), _NEWEST_PYTHONS)
    return written, f"tensorflow=={written}", pythons, ()


def _dangers(graph: Message) -> tuple[Import, ...]:
    """Return the operators that reach out of the model, wherever they stand.

    Those that save variables count only in functions that the object graph or other functions
    call, and in the main graph only above the signature's outputs: elsewhere nothing runs them.
    """
    definition, objects = graph.message(2), graph.message(7)
    called = {entry.text(1) for entry in objects.messages(2)}
    budget = iter(range(_MAX_NODES))
    savers: dict[str, set[str]] = {}
    found: set[str] = set()
    for function in definition.message(2).messages(1):
        name = function.message(1).text(1)
        for node in _nodes(function, 3, budget):
            called |= _calls(node)
            op = _operator(node)
            if op in _SAVER:
                savers.setdefault(name, set()).add(op)
            elif _ACTING.fullmatch(op):
                found.add(op)
    main = {node.text(1): node for node in _nodes(definition, 1, budget)}
    run = _above(main, graph)
    for name, node in main.items():
        op = _operator(node)
        if _ACTING.fullmatch(op) and (op not in _SAVER or name in run):
            found.add(op)
        if name in run:
            called |= _calls(node)
    found |= {op for name, ops in savers.items() if name in called for op in ops}
    return tuple(Import("tensorflow", op, 0, "saved_model.pb") for op in sorted(found))


def _nodes(message: Message, number: int, budget: Iterator[int]) -> Iterator[Message]:
    for field, value in message.fields():
        if field == number and isinstance(value, Message):
            if next(budget, None) is None:
                raise WireError(f"it has more than {_MAX_NODES} operations")
            yield value


def _operator(node: Message) -> str:
    op = node.text(2)
    if op == "PrintV2" and "file:" in _map(node, 5).get("output_stream", node.message(99)).text(2):
        return "PrintV2 to a file"
    return op


def _calls(node: Message) -> set[str]:
    """Return the functions that a node names: AttrValue.func (10) and list(func) (1, 9)."""
    values = [entry.message(2) for entry in node.messages(5)]
    names = [value.message(10).text(1) for value in values]
    names += [each.text(1) for value in values for each in value.message(1).messages(9)]
    return {name for name in names if name}


def _above(main: dict[str, Message], graph: Message) -> set[str]:
    """Return the nodes that the signatures' outputs (and initialisation) are computed from."""
    signatures = [each for name, each in _map(graph, 5).items()]
    todo = [info.text(1) for each in signatures for info in _map(each, 2).values()]
    run: set[str] = set()
    while todo:
        name = todo.pop().removeprefix("^").partition(":")[0]
        if name in main and name not in run:
            run.add(name)
            todo += _texts(main[name], 3)
    return run
