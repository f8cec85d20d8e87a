"""What an ONNX graph's first nodes tell of its inputs: categories and training means.

Attributes: https://onnx.ai/onnx/operators/onnx_aionnxml_OneHotEncoder.html and ..._Scaler.html.
"""

from __future__ import annotations

from dataclasses import replace

from mlship.card import Feature, Label
from mlship.inspection.facts import shorten
from mlship.inspection.protobuf import Message

# They hand a column on as it is.
_PASSING = {"Identity", "Reshape", "Gather", "Flatten", "Cast", "Squeeze", "Unsqueeze"}
_MAX_STEPS = 20


def attributes(node: Message) -> dict[str, Message]:
    """Return a node's attributes by name."""
    return {a.text(1): a for a in node.messages(5)}


def with_means(nodes: list[Message], features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Add the training means, when the graph begins with a scaler that knows them."""
    for node in nodes[:3]:
        if node.text(4) == "Scaler":
            offset = attributes(node).get("offset")
            means = offset.floats(7) if offset else []
            if len(means) == len(features):
                return tuple(
                    replace(feature, example=shorten(mean))
                    for feature, mean in zip(features, means, strict=True)
                )
    return features


def with_categories(nodes: list[Message], features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Add the categories of each input that goes into an encoder; features are named like inputs.

    An encoder without ``zeros`` fails on any other value, so its list is closed.
    """
    sources = {
        output.decode(): node.messages(1)[0].decode()
        for node in nodes
        if node.text(4) in _PASSING and node.messages(1)
        for output in node.messages(2)
    }
    known: dict[str, tuple[tuple[Label, ...], bool]] = {}
    for node in nodes:
        if node.text(4) != "OneHotEncoder" or not node.messages(1):
            continue
        name = node.messages(1)[0].decode()
        for _ in range(_MAX_STEPS):
            name = sources.get(name, name)
        given = attributes(node)
        texts = given["cats_strings"].messages(9) if "cats_strings" in given else []
        numbers = given["cats_int64s"].integers(8) if "cats_int64s" in given else []
        zeros = (given["zeros"].integer(3) if "zeros" in given else None) or 0
        known[name] = (tuple([t.decode() for t in texts] or numbers), zeros == 0)
    return tuple(_with(feature, *known.get(feature.name, ((), False))) for feature in features)


def _with(feature: Feature, values: tuple[Label, ...], closed: bool) -> Feature:
    if not values or feature.shape:
        return feature
    if closed:
        return replace(feature, categories=values)
    shown = ", ".join(map(str, values[:10]))
    note = f"Such as {shown}; other values are taken too"
    return replace(feature, example=values[0], description=note)
