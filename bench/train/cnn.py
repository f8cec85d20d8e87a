# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy>=2", "onnx>=1.17"]
# ///
"""A small image classifier with seeded weights, as ONNX: two convolutions and a dense layer.

Writes ``cnn/model.onnx`` and ``truth.json`` into the folder it is given. The truth is what ONNX's
own reference implementation computes, which shares no code with ONNX Runtime.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

folder = Path(sys.argv[1]) / "cnn"
random = np.random.default_rng(0)


def weights(name, *shape):
    """Return seeded weights, scaled so that scores stay small."""
    scale = 1 / np.sqrt(np.prod(shape[1:]))
    return numpy_helper.from_array(random.normal(0, scale, shape).astype(np.float32), name)


node = helper.make_node
around = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
half = {"kernel_shape": [2, 2], "strides": [2, 2]}
graph = helper.make_graph(
    [
        node("Conv", ["image", "w1", "b1"], ["c1"], **around),
        node("Relu", ["c1"], ["r1"]),
        node("MaxPool", ["r1"], ["p1"], **half),
        node("Conv", ["p1", "w2", "b2"], ["c2"], **around),
        node("Relu", ["c2"], ["r2"]),
        node("MaxPool", ["r2"], ["p2"], **half),
        node("Flatten", ["p2"], ["flat"]),
        node("Gemm", ["flat", "w3", "b3"], ["scores"], transB=1),
        node("Softmax", ["scores"], ["probabilities"], axis=1),
    ],
    "cnn",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 28, 28])],
    [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])],
    [
        *(weights("w1", 8, 1, 3, 3), weights("b1", 8)),
        *(weights("w2", 16, 8, 3, 3), weights("b2", 16)),
        *(weights("w3", 10, 784), weights("b3", 10)),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
images = np.round(random.random((100, 1, 28, 28)), 3)
(probabilities,) = ReferenceEvaluator(model).run(None, {"image": images.astype(np.float32)})
folder.mkdir(parents=True, exist_ok=True)
onnx.save(model, folder / "model.onnx")
truth = {
    "shape": [1, 28, 28],
    "classes": list(range(10)),
    "rows": images.tolist(),
    "predictions": probabilities.argmax(axis=1).tolist(),
    "probabilities": probabilities.tolist(),
}
(folder / "truth.json").write_text(json.dumps(truth))
