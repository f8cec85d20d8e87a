"""What the benchmark needs to know of one server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

APPS = Path(__file__).parents[1] / "apps"
TABULAR = frozenset({"iris", "forest", "linear"})
ALL = TABULAR | {"cnn"}

# Whose figures they are: ours; a tutorial's server; a model server of others (what "best peer"
# means); one written by hand without a framework; and the one that computes nothing.
Kind = Literal["ours", "plain", "peer", "bare", "ceiling"]
Rows = list[Any]


@dataclass(frozen=True)
class Place:
    """Where one server of one model runs."""

    environment: Path  # its virtual environment
    folder: Path  # its working directory, empty but for what `prepare` wrote
    model: Path  # model.joblib, model.onnx, card.json
    shape: tuple[int, ...]  # of one instance
    port: int

    def program(self, name: str) -> str:
        """Return the path of a program of the environment."""
        return str(self.environment / "bin" / name)


@dataclass(frozen=True)
class Answers:
    """What a server said of some rows, in their order."""

    predictions: list[Any]
    probabilities: list[list[float]]


def instances(rows: Rows, shape: tuple[int, ...]) -> Any:
    """Return the body that most servers here take."""
    return {"instances": rows}


def two_lists(answer: Any) -> Answers:
    """Read the answer that most servers here give."""
    return Answers(answer["predictions"], answer["probabilities"])


def nothing(place: Place) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Server:
    """A server: how it is installed, started and asked."""

    name: str
    label: str
    kind: Kind
    requirements: tuple[str, ...]
    argv: Callable[[Place], list[str]]
    runtime: Literal["sklearn", "onnx"] = "sklearn"
    models: frozenset[str] = TABULAR
    path: str = "/predict"
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Place], None] = nothing
    body: Callable[[Rows, tuple[int, ...]], Any] = instances
    read: Callable[[Any], Answers] = two_lists
    # fastapi or flask: the project is generated, and brings its own requirements.
    generated: Literal["", "fastapi", "flask"] = ""
    # Asked for by name only (--with).
    optional: bool = False

    def runtime_for(self, model: str) -> Literal["sklearn", "onnx"]:
        """Return what loads a model: there is no scikit-learn network of convolutions."""
        return "onnx" if model == "cnn" else self.runtime
