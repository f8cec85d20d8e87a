"""The model card: everything mlship knows about a model, as one plain value.

``mlship.inspection.inspect`` makes it from a file or folder; the scaffold uses nothing else.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Label = str | int | float | bool
Dtype = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool", "string",
]  # fmt: skip
Takes = Literal["matrix", "frame", "texts", "inputs"]

_DEFAULTS: dict[str, Any] = {"f": 0.0, "i": 0, "u": 0, "b": False, "s": "text"}


@dataclass(frozen=True)
class Feature:
    """One value of an instance, in the order the model takes them.

    Attributes:
        name: the column or the input.
        dtype: what the model computes with.
        shape: of this value in one instance: () for a scalar, None for a side of any length.
        nullable: whether null is a value that the model was made for.
        categories: the only values it takes; empty when there is no such list.
        example: a plausible value as JSON has it; None when the file holds no hint of one.
        description: a sentence for the documentation, such as a range seen in a sample.
    """

    name: str
    dtype: Dtype
    shape: tuple[int | None, ...] = ()
    nullable: bool = False
    categories: tuple[Label, ...] = ()
    example: Any = None
    description: str = ""

    @property
    def sides(self) -> tuple[int, ...]:
        """The shape of the example: free sides are those of a small picture, or a short series."""
        free = 32 if len(self.shape) > 2 else 8
        return tuple(free if side is None else side for side in self.shape)

    @property
    def value(self) -> Any:
        """The example, or the plainest value of this type; nested lists for a tensor."""
        if isinstance(self.example, bool) and self.dtype != "bool":
            return int(self.example)
        if self.example is not None:
            return self.example
        value = self.categories[0] if self.categories else _DEFAULTS[self.dtype[0]]
        for side in reversed(self.sides):
            value = [value] * side
        return value


@dataclass(frozen=True)
class Import:
    """Something that a pickle asks its reader to import.

    Attributes:
        module: such as ``os``.
        name: such as ``system``.
        position: the byte (of the decompressed stream) where it is asked for.
        member: the file inside an archive or folder, empty for a single file.
    """

    module: str
    name: str
    position: int
    member: str = ""

    def __str__(self) -> str:
        where = f" of {self.member}" if self.member else ""
        # A name may hold anything, such as a terminal's escape codes.
        name = ascii(f"{self.module}.{self.name}"[:120])[1:-1]
        return f"{name} (byte {self.position}{where})"


@dataclass(frozen=True)
class Original:
    """The model that an ONNX one was converted from, and how that was proven.

    Attributes:
        file: the name that it had.
        sha256: its hex digest.
        python: the Python that the proof ran on, such as ``3.11``.
        dtypes: what each input of the graph takes: one for a matrix, else one per feature.
        labels: how the graph's labels become the classes: ``same``, ``index``, ``bool``, ``float``;
            ``named`` where an answer is an object of all outputs.
        summary: the proof in sentences, for the README.
    """

    file: str
    sha256: str
    python: str
    dtypes: tuple[str, ...]
    labels: str
    summary: tuple[str, ...]


@dataclass(frozen=True)
class ModelCard:
    """What a model file says about itself.

    Attributes:
        path: the file or folder that was read.
        framework: the library that the model was made with, by its name on the package index.
        format: how it is written, such as ``joblib`` or ``saved_model``; with the framework
            it decides the template layer that loads it (``layers.py``).
        framework_version: the version it was trained with, or None when the file has none.
        description: the model in a few words, such as ``Pipeline(StandardScaler, SVC)``.
        task: what the model answers: ``classification``, ``regression``, ``clustering``,
            ``outlier-detection``, one of transformers' tasks, or ``inference``: any value.
        features: the values of one instance, in order.
        takes: ``matrix``: all features as one 2-D array; ``frame``: a DataFrame, one column a
            feature; ``texts``: a list of strings (the only feature); ``inputs``: each feature
            is an input of its own, batched along the first axis.
        classes: the labels in the order of the probabilities; empty unless a classifier.
        output_classes: the labels per output, when a classifier has several outputs.
        probabilities: whether the model gives class probabilities.
        requirements: what the generated project must install to load the file.
        python_range: the lowest and highest CPython minor (of 3) those requirements run on.
        python_reason: which requirement sets that range, such as ``scikit-learn==1.2.2``.
        input_names: the framework's own names of its inputs, where it has such names.
        output_names: those of the outputs that are asked for.
        options: further facts that the layer of this framework prints, by name.
        warnings: what the user should know, one sentence each.
        dangers: imports that could run code of the file's choosing when it is loaded.
        modules: modules that the file needs and no package index provides under that name.
        sha256: hex digest of the file, or of a folder's names and digests; by ``inspect``.
        size: length in bytes, of all files for a folder; by ``inspect``.
        original: where the file was converted to ONNX: what it was converted from. All else but
            path, format, takes, requirements, names of inputs and outputs is the original's.
    """

    path: Path
    framework: str
    format: str
    framework_version: str | None
    description: str
    task: str
    features: tuple[Feature, ...]
    takes: Takes = "matrix"
    classes: tuple[Label, ...] = ()
    output_classes: tuple[tuple[Label, ...], ...] = ()
    probabilities: bool = False
    requirements: tuple[str, ...] = ()
    python_range: tuple[int, int] = (10, 14)
    python_reason: str = ""
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    dangers: tuple[Import, ...] = ()
    modules: tuple[str, ...] = ()
    sha256: str = ""
    size: int = 0
    original: Original | None = None

    @property
    def example(self) -> tuple[Any, ...]:
        """One plausible instance, in feature order."""
        return tuple(feature.value for feature in self.features)

    def as_json(self) -> dict[str, Any]:
        """Return the card as plain JSON values."""
        values = asdict(self)
        values["path"] = str(self.path)
        values["options"] = dict(self.options)
        if self.original is None:
            del values["original"]
        return values


def values(card: ModelCard) -> int:
    """Return how many numbers an instance has, 1 for a table's row."""
    tensors = [math.prod(feature.sides) for feature in card.features if feature.shape]
    return max(sum(tensors), 1)
