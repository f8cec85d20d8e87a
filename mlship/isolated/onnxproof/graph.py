"""A candidate ONNX graph, asked as the ONNX layer of a generated project asks it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .answers import Row

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnx
import onnxruntime

# They need a locale or tokenizers that slim images lack, or split texts in another way.
_TEXT = {"StringNormalizer", "Tokenizer", "TfIdfVectorizer", "RegexFullMatch", "StringSplit"}


@dataclass
class Graph:
    """A converted model.

    Attributes:
        name: how it was converted, for people: ``float64 inputs``.
        model: the ONNX model.
        dtypes: of each input, in order: one for a matrix, else one per feature.
        labels: what an answer is: ``same`` as the label output, ``index`` into the classes,
            ``bool`` or ``float`` of it; ``named``: an object of all outputs, by their names.
    """

    name: str
    model: Any
    dtypes: list[str]
    labels: str = "same"
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._settle()
        self.inputs = [value.name for value in self.model.graph.input]
        self.outputs = [value.name for value in self.model.graph.output]

    def _settle(self) -> None:
        """Make the same model the same file: converters draw names, and keep opsets in sets."""
        self.model.graph.name = "model"
        opsets = sorted(self.model.opset_import, key=lambda each: each.domain)
        del self.model.opset_import[:]
        self.model.opset_import.extend(opsets)

    @property
    def opsets(self) -> dict[str, int]:
        """The versions of the operators, by their domain."""
        return {each.domain or "ai.onnx": each.version for each in self.model.opset_import}

    def check(self) -> None:
        """Raise ValueError where a slim image could not run the graph."""
        onnx.checker.check_model(self.model)
        texts = sorted({node.op_type for node in self.model.graph.node} & _TEXT)
        if texts:
            raise ValueError(f"it works on texts ({', '.join(texts)}), which need a locale")

    def thresholds(self) -> list[tuple[int, float]]:
        """Return (column, value) of each split of trees that see the input as it is."""
        found = []
        for node in self.model.graph.node:
            given = {each.name: each for each in node.attribute}
            columns = given.get("nodes_featureids")
            if columns is None or node.input[0] not in self._raw():
                continue
            exact = given.get("nodes_values_as_tensor")
            values = (
                onnx.numpy_helper.to_array(exact.t).tolist()
                if exact is not None
                else list(given["nodes_values"].floats)
            )
            modes = [mode.decode() for mode in given["nodes_modes"].strings]
            pairs = zip(columns.ints, values, modes, strict=True)
            found += [(column, value) for column, value, mode in pairs if mode != "LEAF"]
        return found

    def _raw(self) -> set[str]:
        """Return the names of what holds the only input, changed in type at most."""
        if len(self.inputs) != 1:
            return set()
        names = set(self.inputs)
        for node in self.model.graph.node:
            if node.op_type in ("Cast", "Identity") and node.input[0] in names:
                names.update(node.output)
        return names


class Runtime:
    """ONNX Runtime with a graph, for a request's rows."""

    def __init__(self, graph: Graph, request: dict[str, Any]) -> None:
        self.graph, self.request = graph, request
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            graph.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.ranks = [len(node.shape) for node in self.session.get_inputs()]

    def predict(self, rows: Sequence[Row]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
        found = self.session.run(self.graph.outputs, self.inputs(rows))
        if self.graph.labels == "named":
            answers = zip(*(values.tolist() for values in found), strict=True)
            return [dict(zip(self.graph.outputs, each, strict=True)) for each in answers], None
        values = found[0]
        if self.request["probabilities"]:
            return self._labels(values.reshape(len(rows))), found[1]
        values = values.reshape(len(rows)) if values.size == len(rows) else values
        return self._labels(values), None

    def inputs(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the arrays that the graph takes."""
        if self.request["takes"] == "matrix":
            return {self.graph.inputs[0]: np.asarray(rows, dtype=self.graph.dtypes[0])}
        made = {}
        columns: list[Any] = list(zip(*rows, strict=True))
        for name, kind, column, rank in zip(
            self.graph.inputs, self.graph.dtypes, columns, self.ranks, strict=True
        ):
            if kind == "string":
                column = ["" if value is None else value for value in column]
            array = np.asarray(column, dtype=np.object_ if kind == "string" else kind)
            made[name] = array[:, None] if array.ndim < rank else array
        return made

    def _labels(self, values: Any) -> Any:
        if self.graph.labels == "index":
            return np.array(self.request["classes"])[values.astype(int)]
        if self.graph.labels == "same":
            return values
        return values.astype({"bool": np.bool_, "float": np.float64}[self.graph.labels])
