"""Tries the candidates one after the other, on the same rows, until one is proven."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from . import candidates, compare, jumps, report, rows, spots, tensors
from .answers import Answers, Row, ask
from .graph import Graph, Runtime
from .native import Native

# Rows that are also asked one by one.
_MOST_ALONE = 2000
# Numbers in one batch of tensors.
_BATCH = 500_000


class Proof:
    """The model, the rows it was asked (``kinds`` tells which of them are what) and its answers."""

    def __init__(self, request: dict[str, Any], native: Any) -> None:
        self.request, self.native = request, native
        self.share = compare.within(request)
        self.most = 0
        if request["framework"] == "torch":
            self.most = max(_BATCH // tensors.size(request["features"]), 2)
        self.rows: list[Row] = []
        self.kinds: list[str] = []
        scores: list[Any] | None = [] if request["probabilities"] else None
        self.answers = Answers([], scores, {})
        self.alone = 0

    def ask(self, kind: str, more: list[Row]) -> None:
        """Ask the model for more rows."""
        found = self.asked(self.native.predict, more)
        before = len(self.rows)
        self.rows += more
        self.kinds += [kind] * len(more)
        self.answers.values += found.values
        if self.answers.scores is not None:
            self.answers.scores += found.scores or []
        self.answers.why.update({before + index: words for index, words in found.why.items()})

    def asked(self, predict: Any, some: list[Row]) -> Answers:
        """Return the answers of one of both to some rows."""
        return ask(predict, some, self.request["probabilities"], self.most)

    def ask_tensors(self) -> None:
        """Ask a PyTorch model for the rows of ``tensors.py``, and for those where it jumps."""
        features, seed = self.request["features"], self.request["seed"]
        real = tensors.fitting(features, self.request["rows"])
        self.ask("real", real)
        made = tensors.generated(features, self.request["generated"], seed, real)
        self.ask("generated", made)
        self.ask("edge", tensors.edges(features, real or made))
        answered = [v for i, v in enumerate(self.answers.values) if i not in self.answers.why]
        numbers = all(isinstance(n, float) for value in answered for n in compare.flat(value))
        if numbers and not any(feature["shape"] for feature in features):
            self.ask_jumps(real or made)

    def ask_jumps(self, base: list[Row]) -> None:
        """Ask for rows on both sides of what the answers show to be thresholds."""
        size = compare.scale(self.request["task"], self.answers)
        more = jumps.found(
            lambda some: self.asked(self.native.predict, some),
            self.request["features"], base, 10 * self.share * size, self.request["seed"],
        )  # fmt: skip
        self.ask("jump", more)

    def ask_all(self) -> None:
        """Ask for the sample's rows, for generated ones, and for those at the edges."""
        features = self.request["features"]
        real = rows.fitting(features, self.request["rows"])
        self.ask("real", real)
        names = [feature["name"] for feature in features]
        known = spots.of(self.native.model, len(features), names)
        seed = self.request["seed"]
        made = rows.generated(features, known, self.request["generated"], seed, real)
        self.ask("generated", made)
        self.ask("edge", rows.edges(features, known, real or made, seed))
        labels_only = self.answers.scores is None and self.request["task"] != "regression"
        if not labels_only:  # of a label, no one can tell a jump from a slope
            self.ask_jumps(real or made)

    def ask_splits(self, graph: Graph) -> None:
        """Ask for rows at the splits of the graph's own trees, once."""
        splits = graph.thresholds()
        if not splits or "split" in self.kinds:
            return
        features = self.request["features"]
        known = [spots.Spots() for _ in features]
        for column, value in dict.fromkeys(splits):
            known[column].edges.append(value)
        pairs = zip(self.rows, self.kinds, strict=True)
        base = [row for row, kind in pairs if kind in ("real", "generated")]
        self.ask("split", rows.edges(features, known, base, self.request["seed"] + 2))

    def attempt(self, graph: Graph) -> dict[str, Any]:
        """Return how a candidate did on all rows, in one batch and row by row."""
        graph.check()
        runtime = Runtime(graph, self.request)
        self.ask_splits(graph)
        task = self.request["task"]
        size = compare.scale(task, self.answers)
        found = self.asked(runtime.predict, self.rows)
        held = compare.compare(task, self.answers, found, size, self.share)
        alone = self.ask_alone(runtime, found)
        compared = set(held.compared)
        odd = compare.compare(task, found, alone, size, self.share).different
        different = sorted({*held.different, *(index for index in odd if index in compared)})
        return {
            "different": len(different),
            "differences": report.differences(self, different, found, alone),
            "worst": report.worst(self, held, found),
            "tolerance": {"absolute": self.share * size, "relative": self.share},
        }

    def ask_alone(self, runtime: Runtime, batch: Answers) -> Answers:
        """Return the answers of many rows asked one by one; of the others, those of the batch."""
        scores = list(batch.scores) if batch.scores is not None else None
        alone = Answers(list(batch.values), scores, dict(batch.why))
        step = max(len(self.rows) // _MOST_ALONE, 1)
        for index in range(0, len(self.rows), step):
            one = ask(runtime.predict, [self.rows[index]], scores is not None)
            alone.values[index] = one.values[0]
            if alone.scores is not None and one.scores is not None:
                alone.scores[index] = one.scores[0]
            alone.why.pop(index, None)
            if one.why:
                alone.why[index] = one.why[0]
        self.alone = len(range(0, len(self.rows), step))
        return alone


def _candidates(native: Any, answered: list[Row]) -> Iterator[candidates.Candidate]:
    """Yield the ways to convert a model; ``answered`` are rows that it has an answer for."""
    if isinstance(native, Native):
        yield from candidates.of(native)
    else:
        yield from native.candidates(answered)


def prove(request: dict[str, Any]) -> tuple[dict[str, Any], Graph | None]:
    """Return what was tried, as JSON values, and the graph that is proven, if any.

    Raises:
        Exception: the model can't be loaded or asked; whatever its library raises.
    """
    started = time.perf_counter()
    if request["framework"] == "torch":
        from .torches import Module  # PyTorch is there for its own models only

        native: Any = Module(request)
        proof = Proof(request, native)
        proof.ask_tensors()
    else:
        native = Native(request)
        proof = Proof(request, native)
        proof.ask_all()
    if len(proof.answers.why) == len(proof.rows):
        words = next(iter(proof.answers.why.values()), "there are no rows")
        raise ValueError(f"the model itself answers none of the rows: {words}")
    tried: list[dict[str, Any]] = []
    proven = None
    answered = [row for i, row in enumerate(proof.rows) if i not in proof.answers.why]
    for name, convert in _candidates(native, answered):
        began = time.perf_counter()
        graph, found = None, {}
        try:
            graph = convert()
            found = proof.attempt(graph)
        except Exception as error:
            found = {"error": report.words(error)}
        took = round(time.perf_counter() - began, 2)
        tried.append({"candidate": name, **found, "seconds": took})
        if graph is not None and found.get("different") == 0:
            proven = graph
            break
    result = {"rows": report.counts(proof), "tried": tried}
    if proven is not None:
        result["golden"] = report.golden(proof, tried[-1]["tolerance"])
    return {**result, "seconds": round(time.perf_counter() - started, 2)}, proven
