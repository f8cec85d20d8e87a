# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax", "numpy"]
# ///
"""Keras 3 models: Sequential and Functional, one and several inputs and outputs."""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np
from keras import layers

out = Path(sys.argv[1])
keras.utils.set_random_seed(0)
random = np.random.default_rng(0)
table = random.normal(size=(7, 4)).astype("float32")
four = [[f"x{i}", "float32"] for i in range(4)]
base = {"framework": "keras", "format": "keras", "framework_version": keras.__version__,
        "dangers": [], "modules": []}  # fmt: skip
truth = {}


def asked(model, inputs):
    """What the model answers, as arrays."""
    return [np.asarray(each) for each in keras.tree.flatten(model(inputs, training=False))]


scaled = layers.Normalization()
scaled.adapt(table)
softmax = keras.Sequential([
    keras.Input((4,)), scaled, layers.Dense(8, activation="relu"), layers.BatchNormalization(),
    layers.Dropout(0.5), layers.Dense(3, activation="softmax"),
])  # fmt: skip
softmax.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
softmax.fit(table, np.arange(7) % 3, epochs=2, verbose=0)
softmax.save(out / "softmax.keras")
(probabilities,) = asked(softmax, table)
truth["softmax.keras"] = {
    "card": {**base, "task": "classification", "classes": [0, 1, 2], "probabilities": True,
             "takes": "matrix", "features": four},
    "rows": table.tolist(),
    "predictions": probabilities.argmax(axis=1).tolist(),
    "probabilities": probabilities.tolist(),
}  # fmt: skip

binary = keras.Sequential([keras.Input((4,)), layers.Dense(1), layers.Activation("sigmoid")])
binary.save(out / "binary.keras")
(positive,) = asked(binary, table)
truth["binary.keras"] = {
    "card": {**base, "task": "classification", "classes": [0, 1], "probabilities": True},
    "rows": table.tolist(),
    "predictions": (positive[:, 0] > 0.5).astype(int).tolist(),
    "probabilities": np.concatenate([1 - positive, positive], axis=1).tolist(),
}

regressor = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
regressor.save(out / "regressor.keras")
truth["regressor.keras"] = {
    "card": {**base, "task": "regression", "classes": [], "features": four},
    "rows": table.tolist(),
    "predictions": asked(regressor, table)[0][:, 0].tolist(),
}

images = random.normal(size=(3, 6, 6, 1)).astype("float32")
convolution = keras.Sequential([
    keras.Input((None, None, 1)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(),
    layers.Dense(4),
])  # fmt: skip
convolution.save(out / "image.keras")
truth["image.keras"] = {
    "card": {**base, "task": "inference", "takes": "inputs"},
    "rows": [[image] for image in images.tolist()],
    "predictions": asked(convolution, images)[0].tolist(),
}

age, rooms = keras.Input((1,), name="age"), keras.Input((1,), name="rooms", dtype="int32")
joined = layers.Concatenate()([age, layers.Flatten()(layers.Embedding(5, 2)(rooms)) * 2])
outputs = [layers.Dense(1, name="price")(joined), layers.Dense(2, name="rank")(joined)]
functional = keras.Model([age, rooms], outputs)
functional.save(out / "functional.keras")
ages, numbers = table[:, :1], np.arange(7).reshape(7, 1) % 5
price, rank = asked(functional, [ages, numbers])
rows = [{"age": float(a[0]), "rooms": int(b[0])} for a, b in zip(ages, numbers, strict=True)]
truth["functional.keras"] = {
    "card": {**base, "task": "inference", "features": [["age", "float32"], ["rooms", "int32"]],
             "output_names": ["price", "rank"]},
    "rows": rows,
    "predictions": [{"price": a, "rank": b}
                    for a, b in zip(price.tolist(), rank.tolist(), strict=True)],
}  # fmt: skip

named = keras.Model({"years": age, "rooms": rooms}, {"z": outputs[0], "a": outputs[1]})
named.save(out / "named.keras")
truth["named.keras"] = {
    "card": {**base, "features": [["rooms", "int32"], ["years", "float32"]],
             "output_names": ["a", "z"]},
    "rows": [{"years": row["age"], "rooms": row["rooms"]} for row in rows],
    "predictions": [{"a": b, "z": a} for a, b in zip(price.tolist(), rank.tolist(), strict=True)],
}  # fmt: skip

# Dangerous: bytecode in the configuration. And one that needs a class of the user's own.
keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2)]).save(out / "lambda.keras")


class Mine(keras.Model):
    """A class that only this script has."""

    def __init__(self, **options):
        super().__init__(**options)
        self.last = layers.Dense(1)

    def call(self, inputs):
        return self.last(inputs)


mine = Mine()
mine(table)
mine.save(out / "mine.keras")
(out / "truth.json").write_text(json.dumps(truth))
