"""Makes converted trees exact: thresholds in double, ties as scikit-learn breaks them.

LightGBM and histogram boosting compare doubles: their thresholds are written as tensors of doubles
(``nodes_values_as_tensor``, ai.onnx.ml 3), which ONNX Runtime compares with doubles. scikit-learn's
other trees compare what a float32 keeps of their input, so in a graph of doubles their nodes get
just that. A forest's label is the first of its highest mean probabilities.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

_TENSORS = ("nodes_values", "nodes_hitrates", "class_weights", "target_weights", "base_values")


@contextlib.contextmanager
def written(exact: bool) -> Iterator[None]:
    """Have the converters' containers write a tree's numbers as doubles when ``exact``.

    Numbers of numpy's types, which onnx refuses since 1.19, become Python's in any case.
    """
    changed = []
    for container in _containers():
        add = container.add_node
        changed.append((container, add))
        container.add_node = _adding(add, exact)
    try:
        yield
    finally:
        for container, add in changed:
            container.add_node = add


def _containers() -> list[Any]:
    found = []
    with contextlib.suppress(ImportError):
        from skl2onnx.common._container import ModelComponentContainer as OfSkl2onnx

        found.append(OfSkl2onnx)
    with contextlib.suppress(ImportError):
        from onnxmltools.convert.common._container import ModelComponentContainer as OfOnnxmltools

        found.append(OfOnnxmltools)
    return found


def _adding(add: Any, exact: bool) -> Any:
    def add_node(self: Any, op_type: str, *args: Any, **named: Any) -> Any:
        if op_type.startswith("TreeEnsemble"):
            named = _as_tensors(named) if exact else {k: _plain(v) for k, v in named.items()}
        return add(self, op_type, *args, **named)

    return add_node


def _plain(values: Any) -> Any:
    if isinstance(values, np.ndarray | np.generic):
        return values.tolist()
    if isinstance(values, list):
        values = [each.item() if isinstance(each, np.generic) else each for each in values]
        return [int(each) if isinstance(each, bool) else each for each in values]
    return values


def _as_tensors(named: dict[str, Any]) -> dict[str, Any]:
    made = {name: _plain(values) for name, values in named.items()}
    for name in _TENSORS:
        values = made.pop(name, None)
        if values is not None and len(values):
            tensor = numpy_helper.from_array(np.asarray(values, dtype=np.float64), name)
            made[f"{name}_as_tensor"] = tensor
    made["op_version"] = 3
    return made


def votes(model: Any, *, doubled: bool) -> None:
    """Have forests answer the first class of the highest mean: votes are summed, then divided.

    TreeEnsembleClassifier itself sums fractions, and takes the second of two classes in a tie.
    Trees whose scores are transformed afterwards are boosted ones and stay.
    """
    nodes = []
    for index, node in enumerate(model.graph.node):
        given = {each.name: each for each in node.attribute}
        if _is_forest(node, given):
            nodes += _voting(model, node, given, index, np.float64 if doubled else np.float32)
        else:
            nodes.append(node)
    _replace(model, nodes)


def _is_forest(node: Any, given: dict[str, Any]) -> bool:
    if node.op_type != "TreeEnsembleClassifier" or {"base_values", "base_values_as_tensor"} & (
        given.keys()
    ):
        return False
    transformed = "post_transform" in given and given["post_transform"].s != b"NONE"
    count, ids = len(_classes(given)[1]), set(given["class_ids"].ints)
    # Of two classes the converter writes the second one only, under number 0.
    return not transformed and ids == ({0} if count == 2 else set(range(count)))


def _classes(given: dict[str, Any]) -> tuple[int, list[Any]]:
    if "classlabels_strings" in given:
        return TensorProto.STRING, list(given["classlabels_strings"].strings)
    return TensorProto.INT64, list(given["classlabels_int64s"].ints)


def _voting(
    model: Any, node: Any, given: dict[str, Any], index: int, dtype: type[Any]
) -> list[Any]:
    kind, labels = _classes(given)
    label, scores = node.output
    count = len(set(given["nodes_treeids"].ints))
    summed, every, best = (f"votes_{part}_{index}" for part in ("sum", "every", "best"))
    known, trees = f"votes_labels_{index}", f"votes_trees_{index}"
    attributes: dict[str, Any] = {}
    for name, attribute in given.items():
        if name.startswith("class_weights"):
            attributes[name.replace("class_", "target_")] = _times(attribute, count)
        elif not name.startswith("classlabels"):
            value = helper.get_attribute_value(attribute)
            attributes[name.replace("class_", "target_")] = value
    attributes["n_targets"] = 1 if len(labels) == 2 else len(labels)
    model.graph.initializer.extend([
        helper.make_tensor(known, kind, [len(labels)], labels),
        numpy_helper.from_array(np.array([count], dtype=dtype), trees),
    ])  # fmt: skip
    total = f"votes_total_{index}"
    made = [
        helper.make_node("TreeEnsembleRegressor", [node.input[0]], [summed],
                         domain="ai.onnx.ml", **attributes),
        helper.make_node("Div", [total, trees], [scores]),
        helper.make_node("ArgMax", [total], [best], axis=1, keepdims=0),
        helper.make_node("Gather", [known, best], [label]),
    ]  # fmt: skip
    if len(labels) != 2:
        return [made[0], helper.make_node("Identity", [summed], [total]), *made[1:]]
    return [
        made[0],
        helper.make_node("Sub", [trees, summed], [every]),
        helper.make_node("Concat", [every, summed], [total], axis=1),
        *made[1:],
    ]


def _times(attribute: Any, count: int) -> Any:
    """Return a forest's weights as those of single trees: 1 for a leaf of one class."""
    if attribute.name.endswith("_as_tensor"):
        values = numpy_helper.to_array(attribute.t) * count
        values = np.where(abs(values - values.round()) < 1e-9, values.round(), values)
        return numpy_helper.from_array(values, attribute.name)
    values = np.asarray(attribute.floats, dtype=np.float64) * count
    return np.where(abs(values - values.round()) < 1e-6, values.round(), values).tolist()


def widen(model: Any, *, rounded: bool) -> None:
    """Have trees of a graph of doubles answer doubles, which the nodes after them ask for.

    With ``rounded``, they see their input as float32 has it.
    """
    nodes = []
    for index, node in enumerate(model.graph.node):
        if not node.op_type.startswith("TreeEnsemble"):
            nodes.append(node)
            continue
        if rounded:
            single, double = f"tree_float_{index}", f"tree_double_{index}"
            nodes += [
                helper.make_node("Cast", [node.input[0]], [single], to=TensorProto.FLOAT),
                helper.make_node("Cast", [single], [double], to=TensorProto.DOUBLE),
            ]
            node.input[0] = double
        numbers, name = len(node.output) - 1, node.output[-1]
        node.output[numbers] = f"tree_answer_{index}"
        nodes.append(node)
        nodes.append(
            helper.make_node("Cast", [node.output[numbers]], [name], to=TensorProto.DOUBLE)
        )
    _replace(model, nodes)


def fill(model: Any, statistics: dict[bytes, Any]) -> None:
    """Replace Imputer, which ONNX Runtime has for floats only, by IsNaN and Where.

    ``statistics``: by the node's float32 values, those in double.
    """
    nodes = []
    for index, node in enumerate(model.graph.node):
        given = {each.name: each for each in node.attribute}
        if node.op_type != "Imputer" or "imputed_value_floats" not in given:
            nodes.append(node)
            continue
        rounded = np.array(given["imputed_value_floats"].floats, dtype=np.float32)
        values = statistics.get(rounded.tobytes(), rounded.astype(np.float64))
        known, missing = f"fill_values_{index}", f"fill_missing_{index}"
        model.graph.initializer.append(numpy_helper.from_array(values.reshape(1, -1), known))
        nodes += [
            helper.make_node("IsNaN", [node.input[0]], [missing]),
            helper.make_node("Where", [missing, known, node.input[0]], [node.output[0]]),
        ]
    _replace(model, nodes)


def without_zipmap(model: Any, *, doubled: bool = False) -> None:
    """Have probabilities as an array, not as one dict a row."""
    nodes = []
    for node in model.graph.node:
        if node.op_type != "ZipMap":
            nodes.append(node)
            continue
        nodes.append(helper.make_node("Identity", [node.input[0]], [node.output[0]]))
        for output in model.graph.output:
            if output.name == node.output[0]:
                kind = TensorProto.DOUBLE if doubled else TensorProto.FLOAT
                made = helper.make_tensor_type_proto(kind, [None, None])
                output.type.CopyFrom(made)
    _replace(model, nodes)


def settle(model: Any) -> None:
    """Have each number that is answered be of the type that its declaration says."""
    made = {name: node for node in model.graph.node for name in node.output}
    for output in model.graph.output:
        kind = output.type.tensor_type.elem_type
        if kind in (TensorProto.FLOAT, TensorProto.DOUBLE) and output.name in made:
            node = made[output.name]
            place = list(node.output).index(output.name)
            node.output[place] = f"{output.name}_as_computed"
            for other in model.graph.node:
                for index, name in enumerate(other.input):
                    if name == output.name:
                        other.input[index] = node.output[place]
            model.graph.node.append(
                helper.make_node("Cast", [node.output[place]], [output.name], to=kind)
            )


def _replace(model: Any, nodes: list[Any]) -> None:
    if all(each.domain for each in model.opset_import):  # a graph of nothing but trees
        model.opset_import.append(helper.make_opsetid("", 15))
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)
