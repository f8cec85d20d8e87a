"""What a boosted model says about itself, whether it lies in a file or inside a pickle."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.card import Feature, Label, ModelCard, Takes
from mlship.errors import ModelError

Buffer = bytes | mmap.mmap

# More than this is a damaged count: no one sends such a row as JSON.
MAX_FEATURES = 100_000


class FormatError(ValueError):
    """The bytes are not of the format; the message says which rule they break, as a clause."""


@dataclass(frozen=True)
class Facts:
    """The part of a model card that the model's own bytes decide; see ``ModelCard`` for each."""

    framework: str
    version: str | None
    description: str
    task: str
    features: tuple[Feature, ...]
    requirements: tuple[str, ...]
    python_range: tuple[int, int]
    python_reason: str
    takes: Takes = "matrix"
    classes: tuple[Label, ...] = ()
    output_classes: tuple[tuple[Label, ...], ...] = ()
    probabilities: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()

    def card(self, path: Path, format: str) -> ModelCard:
        """Return the card of the file that holds this model."""
        return ModelCard(
            path=path,
            framework=self.framework,
            format=format,
            framework_version=self.version,
            description=self.description,
            task=self.task,
            features=self.features,
            takes=self.takes,
            classes=self.classes,
            output_classes=self.output_classes,
            probabilities=self.probabilities,
            requirements=self.requirements,
            python_range=self.python_range,
            python_reason=self.python_reason,
            options=self.options,
            warnings=self.warnings,
        )


def facts_of(path: Path, reader: Callable[[Buffer], Facts], kind: str, again: str) -> Facts:
    """Return what ``reader`` finds in a file, which stays on disk.

    Args:
        kind: what the file should be, such as ``an XGBoost model``.
        again: the call that saves such a model.

    Raises:
        ModelError: the file can't be opened, or its bytes are not of that kind.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return reader(data)
    except OSError as error:
        why = f"{error.strerror or error}."
    except FormatError as error:
        why = f"Its bytes don't read as one: {error}."
    except (ValueError, struct.error, OverflowError, RecursionError, MemoryError) as error:
        why = f"Its bytes don't read as one ({type(error).__name__})."
    raise ModelError(
        f"{path.name} is not {kind}, or is damaged",
        why=why if path.stat().st_size else "It is empty.",
        next=f"save the model again with {again}",
    )


def release(data: Buffer, end: int) -> None:
    """Give back the memory of the pages before ``end``; they would stay as long as the file."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        length = end - end % mmap.PAGESIZE
        if length:
            data.madvise(mmap.MADV_DONTNEED, 0, length)


def names_or_numbers(names: list[str], count: int) -> list[str]:
    """Return ``count`` names: those of the file, or x0, x1, ... when it has none.

    Raises:
        FormatError: there are some, but another number of them.
    """
    if not 0 < count <= MAX_FEATURES:
        raise FormatError(f"it claims {count} features")
    if names and len(names) != count:
        raise FormatError(f"it has {len(names)} names for {count} features")
    return names or [f"x{index}" for index in range(count)]


def label_dtype(labels: list[Any]) -> Any:
    """Return the one ``Dtype`` that all labels have, or None when they are mixed."""
    kinds = {type(label) for label in labels}
    dtypes = {str: "string", int: "int64", float: "float64", bool: "bool"}
    return dtypes.get(kinds.pop()) if len(kinds) == 1 else None


def shorten(value: float) -> float:
    """Return ``value`` to four significant digits, as a person would type it."""
    return float(f"{value:.4g}")
