"""A PyTorch module, asked as the torch layer of a generated project asks it, and its exports."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import torch

from .answers import Row
from .graph import Graph

_OPSET = 17  # the newest but three of those that the exporter of TorchScript writes
_BATCH = "batch"
_SHOWN = 3  # rows that the exporters are given: what they hold but their shape is not kept


class Module:
    """A TorchScript module or an exported program."""

    def __init__(self, request: dict[str, Any]) -> None:
        warnings.filterwarnings("ignore")
        logging.disable(logging.WARNING)
        self.request = request
        self.names: list[str] = request["outputs"]
        self.program: Any = None
        if request["format"] == "torchscript":
            self.model = torch.jit.load(request["model"], map_location="cpu").eval()
        else:
            self.program = torch.export.load(request["model"])
            self.model = self.program.module()

    def inputs(self, rows: Sequence[Row]) -> list[Any]:
        """Return the tensors of a batch."""
        features = self.request["features"]
        if self.request["takes"] == "matrix":
            return [torch.from_numpy(np.asarray(rows, dtype=features[0]["dtype"]))]
        columns = [
            np.asarray([row[index] for row in rows], dtype=feature["dtype"])
            for index, feature in enumerate(features)
        ]
        if "columns" in self.request["options"]:
            columns = [each[:, np.newaxis] if each.ndim == 1 else each for each in columns]
        return [torch.from_numpy(each) for each in columns]

    def predict(self, rows: Sequence[Row]) -> tuple[Any, Any]:
        """Return the prediction of each row, and None: no card of PyTorch has probabilities."""
        inputs, names = self.inputs(rows), self.names
        count = int(self.request["options"].get("positional", len(inputs)))
        named = dict(zip(self.request["inputs"][count:], inputs[count:], strict=True))
        with torch.inference_mode():
            output = self.model(*inputs[:count], **named)
        if not names:
            values = output.numpy()
            return values.reshape(len(rows)) if values.size == len(rows) else values, None
        by_name = "by_name" in self.request["options"]
        outputs = [(output[n] if by_name else output[i]).tolist() for i, n in enumerate(names)]
        return [dict(zip(names, each, strict=True)) for each in zip(*outputs, strict=True)], None

    def candidates(self, rows: Sequence[Row]) -> Iterator[tuple[str, Callable[[], Graph]]]:
        """Yield (name, convert) of the one way there is; ``rows`` are some that it answers."""
        if self.program is None:
            yield "TorchScript exporter", lambda: self._scripted(self.inputs(rows[:_SHOWN]))
        else:
            yield "exporter of programs", self._exported

    def _scripted(self, inputs: list[Any]) -> Graph:
        asked, given = self._asked(), self._given()
        # Only the wrapper is traced: control flow of the module inside stays what it is.
        traced = torch.jit.trace(_Tuple(self), tuple(inputs), check_trace=False)
        written = io.BytesIO()
        with torch.no_grad():
            torch.onnx.export(
                traced, tuple(inputs), written, dynamo=False, opset_version=_OPSET,
                input_names=asked, output_names=given,
                dynamic_axes={name: {0: _BATCH} for name in (*asked, *given)},
            )  # fmt: skip
        return self._graph("TorchScript exporter", onnx.load_from_string(written.getvalue()))

    def _exported(self) -> Graph:
        made = torch.onnx.export(
            self.program, dynamo=True, verbose=False,
            input_names=self._asked(), output_names=self._given(),
        )  # fmt: skip
        return self._graph("exporter of programs", made.model_proto)

    def _asked(self) -> list[str]:
        return [str(name) for name in self.request["inputs"]]

    def _given(self) -> list[str]:
        """Return the names for the outputs: the card's, else one that no input has.

        Raises:
            ValueError: an output is called like an input, which ONNX does not allow.
        """
        asked = self._asked()
        if both := sorted(set(asked) & set(self.names)):
            raise ValueError(f"{both[0]} is the name of an input and of an output")
        return self.names or ["output" if "output" not in asked else "output_of_model"]

    def _graph(self, name: str, model: Any) -> Graph:
        features = self.request["features"]
        matrix = self.request["takes"] == "matrix"
        dtypes = [feature["dtype"] for feature in (features[:1] if matrix else features)]
        made = Graph(name, model, dtypes, "named" if self.names else "same")
        for what, found, wanted in (("inputs", made.inputs, self._asked()),
                                    ("outputs", made.outputs, self._given())):  # fmt: skip
            if found != wanted:
                raise ValueError(f"its {what} are {', '.join(found)[:200]}")
        for value in model.graph.input:
            if not value.type.tensor_type.shape.dim[0].dim_param:
                raise ValueError(f"its input {value.name} takes one number of rows only")
        return made


class _Tuple(torch.nn.Module):  # type: ignore[misc]
    """A module that returns its outputs in their order, whatever the one inside calls them."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.inner = module.model
        self.names = module.names if "by_name" in module.request["options"] else []

    def forward(self, *inputs: Any) -> Any:
        """Ask the module inside."""
        output = self.inner(*inputs)
        return tuple(output[name] for name in self.names) if self.names else output
