# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow==2.21.0", "keras==3.15.1"]
# ///
"""SavedModels by tf.Module and by Keras, and a Keras model that only TensorFlow computes."""

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from keras import layers

out = Path(sys.argv[1])
keras.utils.set_random_seed(0)
random = np.random.default_rng(0)
table = random.normal(size=(5, 3)).astype("float32")
base = {"framework": "tensorflow", "format": "saved_model", "framework_version": tf.__version__,
        "requirements": [f"tensorflow=={tf.__version__}"], "dangers": []}  # fmt: skip
truth = {}


class Linear(tf.Module):
    """A matrix in, a number out."""

    def __init__(self):
        self.weights = tf.Variable(random.normal(size=(3, 1)), dtype=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x @ self.weights}


class Mixed(tf.Module):
    """Text and images in, several things out."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="text"),
            tf.TensorSpec([None, 2, None], tf.float32, name="image"),
        ]
    )
    def __call__(self, text, image):
        mean = tf.reduce_mean(image, [1, 2])
        return {"length": tf.strings.length(text), "mean": mean, "upper": tf.strings.upper(text)}


class Reader(tf.Module):
    """Reads any file of the machine: a danger."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="path")])
    def __call__(self, path):
        return {"content": tf.map_fn(tf.io.read_file, path)}


linear, mixed, reader = Linear(), Mixed(), Reader()
tf.saved_model.save(linear, str(out / "linear"), signatures=linear.__call__)
truth["linear"] = {
    "card": {**base, "task": "regression", "takes": "matrix",
             "features": [[f"x{i}", "float32"] for i in range(3)]},
    "rows": table.tolist(),
    "predictions": linear(table)["y"].numpy()[:, 0].tolist(),
}  # fmt: skip
tf.saved_model.save(mixed, str(out / "mixed"), signatures=mixed.__call__)
texts, images = ["ab", "grün", ""], random.normal(size=(3, 2, 4)).astype("float32")
found = {name: value.numpy().tolist() for name, value in mixed(texts, images).items()}
truth["mixed"] = {
    "card": {**base, "task": "inference", "features": [["image", "float32"], ["text", "string"]]},
    "rows": [{"image": image, "text": text}
             for image, text in zip(images.tolist(), texts, strict=True)],
    "predictions": [
        {"length": length, "mean": mean, "upper": upper.decode()}
        for length, mean, upper in zip(found["length"], found["mean"], found["upper"], strict=True)
    ],
}  # fmt: skip
tf.saved_model.save(reader, str(out / "reader"), signatures=reader.__call__)

model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="softmax")])
model.export(str(out / "exported"), verbose=False)
truth["exported"] = {
    "card": {**base, "task": "inference", "features": [[f"x{i}", "float32"] for i in range(3)]},
    "rows": table.tolist(),
    "predictions": model(table).numpy().tolist(),
}

words = ["a good film", "a bad film", "good", "bad"]
vectors = layers.TextVectorization(max_tokens=10, output_sequence_length=4)
vectors.adapt(words)
text = keras.Sequential([
    keras.Input((1,), dtype="string"), vectors, layers.Embedding(10, 2),
    layers.GlobalAveragePooling1D(), layers.Dense(1, activation="sigmoid"),
])  # fmt: skip
positive = text(tf.constant([[word] for word in words])).numpy()
text.export(str(out / "text"), verbose=False)
truth["text"] = {
    "card": {**base, "takes": "texts"},
    "rows": [[word] for word in words],
    "predictions": positive[:, 0].tolist(),
}
text.save(out / "text.keras")
truth["text.keras"] = {
    "card": {"framework": "keras", "framework_version": keras.__version__, "takes": "texts",
             "task": "classification", "classes": [0, 1], "probabilities": True, "dangers": []},
    "rows": [[word] for word in words],
    "predictions": (positive[:, 0] > 0.5).astype(int).tolist(),
    "probabilities": np.concatenate([1 - positive, positive], axis=1).tolist(),
}  # fmt: skip
(out / "truth.json").write_text(json.dumps(truth))
