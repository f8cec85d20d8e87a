"""Every answer against what the training library itself says, before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench.client import Client
from bench.servers import Answers, Server
from bench.work import Model

# ONNX graphs compute with float32.
TOLERANCE = 1e-5
AT_ONCE = 16


@dataclass(frozen=True)
class Checked:
    """How many answers were compared, how many were wrong, and the largest difference."""

    asked: int = 0
    wrong: int = 0
    difference: float = 0.0

    def __add__(self, other: Checked) -> Checked:
        worst = max(self.difference, other.difference)
        return Checked(self.asked + other.asked, self.wrong + other.wrong, worst)


def compare(
    answers: Answers, labels: Sequence[Any], probabilities: Sequence[Sequence[float]]
) -> Checked:
    """Compare the answers of some rows with the truth; what is missing is wrong."""
    wrong, worst = 0, 0.0
    for index, (label, truth) in enumerate(zip(labels, probabilities, strict=True)):
        if index >= min(len(answers.predictions), len(answers.probabilities)):
            wrong += 1
            continue
        found = answers.probabilities[index]
        if len(found) != len(truth):
            wrong += 1
            continue
        difference = max(abs(a - b) for a, b in zip(found, truth, strict=True))
        worst = max(worst, difference)
        wrong += not (answers.predictions[index] == label and difference <= TOLERANCE)
    return Checked(len(labels), wrong, worst)


def check(server: Server, model: Model, port: int, *, thorough: bool) -> Checked:
    """Ask all rows at once; if ``thorough`` also one by one, and one by one from 16 clients.

    The last tells whether a server that joins requests hands everyone their own answer.
    """

    def ask(client: Client, rows: range) -> Checked:
        part = slice(rows.start, rows.stop)
        answer = client.ask(server.body(model.rows[part], model.shape))
        return compare(server.read(answer), model.predictions[part], model.probabilities[part])

    def one_by_one(start: int, step: int) -> Checked:
        client = Client(port, server.path)
        found = Checked()
        for row in range(start, count, step):
            found += ask(client, range(row, row + 1))
        client.close()
        return found

    count = len(model.rows)
    client = Client(port, server.path)
    found = ask(client, range(count))
    client.close()
    if thorough:
        found += one_by_one(0, 1)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for each in pool.map(lambda start: one_by_one(start, AT_ONCE), range(AT_ONCE)):
                found += each
    return found
