"""Train a classifier on iris and write it as ONNX: iris.onnx.

This is also how mlship's bundled model was made:
    python examples/iris/train.py mlship/data/iris.onnx
"""

import json
import sys
from pathlib import Path

from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

iris = load_iris()
model = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=1000, random_state=0))
model.fit(iris.data, iris.target_names[iris.target])

graph = to_onnx(
    model,
    initial_types=[("instances", FloatTensorType([None, len(iris.feature_names)]))],
    options={"zipmap": False},
    target_opset=17,
)
# ONNX has no place for column names; mlship reads them from here.
names = graph.metadata_props.add()
names.key, names.value = "feature_names", json.dumps(iris.feature_names)

path = Path(sys.argv[1] if len(sys.argv) > 1 else "iris.onnx")
path.write_bytes(graph.SerializeToString())
print(f"wrote {path}: {path.stat().st_size} bytes")
