"""Micro-batching, as it stands in the generated projects: in asyncio and in threads."""

import asyncio
import importlib.util
import sys
import threading
import time
import types
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from mlship import layers


def load(layer, name):
    path = layers.root() / layer / "{{cookiecutter.name}}" / "app" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"app.{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def modules():
    """The three modules; they import each other as ``app.something``."""
    before = {n: m for n, m in sys.modules.items() if n == "app" or n.startswith("app.")}
    sys.modules["app"] = types.ModuleType("app")
    found = types.SimpleNamespace(batching=load("shared", "batching"))
    found.asyncio = load("fastapi", "batcher").Batcher
    found.threads = load("flask", "batcher").Batcher
    yield found
    for name in [n for n in sys.modules if n == "app" or n.startswith("app.")]:
        del sys.modules[name]
    sys.modules.update(before)


class Model:
    """Answers ten times the number, and remembers its runs; refuses the word "bad"."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.runs = []
        self.at_once = self.most_at_once = 0

    def __call__(self, rows):
        self.runs.append(list(rows))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.seconds)
        self.at_once -= 1
        if "bad" in rows:
            raise ValueError("bad")
        return [10 * row for row in rows], None


def make_queue(modules, model, *, fixed=0.05, per_row=0.0001, **limits):
    """A queue whose pace is known; by default joining pays and runs go to a thread."""
    pace = modules.batching.Pace()
    pace.fixed, pace.per_row = fixed, per_row
    limits = {"max_rows": 512, "max_waiting": 100, "deadline": 5.0, "threads": 4, **limits}
    return modules.batching.Queue(model, pace, **limits)


def ask_all(modules, kind, queue, requests, *, head_start=0.01, window=0.0):
    """Ask with the first request, the others while it runs; return results or errors."""
    if kind == "asyncio":

        async def main():
            batcher = modules.asyncio(queue, window)
            first = asyncio.ensure_future(batcher.predict(requests[0]))
            await asyncio.sleep(head_start)
            others = [asyncio.ensure_future(batcher.predict(each)) for each in requests[1:]]
            return await asyncio.gather(first, *others, return_exceptions=True)

        return asyncio.run(main())
    batcher = modules.threads(queue, window)
    with ThreadPoolExecutor(len(requests)) as pool:
        asked = [pool.submit(batcher.predict, requests[0])]
        time.sleep(head_start)
        asked += [pool.submit(batcher.predict, each) for each in requests[1:]]
        return [each.exception() or each.result() for each in asked]


both = pytest.mark.parametrize("kind", ["asyncio", "threads"])


@both
def test_those_that_wait_share_the_next_run(modules, kind):
    model = Model(0.1)
    requests = [[number, number + 0.5] for number in range(9)]
    answers = ask_all(modules, kind, make_queue(modules, model), requests)
    assert answers == [([10 * a, 10 * b], None) for a, b in requests]
    assert model.runs[0] == requests[0]
    assert len(model.runs) == 2 and sorted(model.runs[1]) == sorted(
        row for rows in requests[1:] for row in rows
    )
    assert model.most_at_once == 1


@both
def test_an_idle_model_waits_for_nobody(modules, kind):
    model = Model()
    started = time.perf_counter()
    (answer,) = ask_all(modules, kind, make_queue(modules, model), [[1]])
    assert answer == ([10], None) and model.runs == [[1]]
    assert time.perf_counter() - started < 0.5


@both
@pytest.mark.parametrize("fixed", [0.05, 0.0])  # in a thread, and too quick for one
def test_an_error_is_only_its_own_requests(modules, kind, fixed):
    model = Model(0.1 if fixed else 0)
    queue = make_queue(modules, model, fixed=fixed, per_row=0.0001 if fixed else 0)
    answers = ask_all(modules, kind, queue, [[0], [1], ["bad"], [3, 4]])
    assert [answers[0], answers[1], answers[3]] == [([0], None), ([10], None), ([30, 40], None)]
    assert isinstance(answers[2], ValueError)


@both
def test_no_run_is_longer_than_the_limit(modules, kind):
    model = Model(0.02)
    queue = make_queue(modules, model, max_rows=4)
    answers = ask_all(modules, kind, queue, [[n] * 3 for n in range(8)] + [[9] * 7])
    assert answers == [([10 * n] * 3, None) for n in range(8)] + [([90] * 7, None)]
    assert all(len(run) <= 4 or run == [9] * 7 for run in model.runs)


@both
def test_where_joining_does_not_pay_requests_run_side_by_side(modules, kind):
    model = Model(0.1)
    queue = make_queue(modules, model, fixed=0, per_row=0.1)
    answers = ask_all(modules, kind, queue, [[n] for n in range(4)])
    assert answers == [([10 * n], None) for n in range(4)]
    assert sorted(model.runs) == [[0], [1], [2], [3]]
    assert 1 < model.most_at_once <= 4


@both
def test_a_full_queue_refuses_at_once(modules, kind):
    model = Model(0.3)
    started = time.perf_counter()
    answers = ask_all(
        modules, kind, make_queue(modules, model, max_waiting=3), [[n] for n in range(9)]
    )
    refused = [each for each in answers if isinstance(each, modules.batching.Overloaded)]
    assert len(refused) == 5 and all(each.retry_after >= 1 for each in refused)
    assert time.perf_counter() - started < 1.5


@both
def test_whoever_would_be_late_is_refused_at_once(modules, kind):
    model = Model(0.2)
    queue = make_queue(modules, model, fixed=0.2, per_row=0.05, max_rows=1, deadline=0.7, threads=1)
    answers = ask_all(modules, kind, queue, [[n] for n in range(9)])
    refused = [each for each in answers if isinstance(each, modules.batching.Overloaded)]
    answered = [each for each in answers if isinstance(each, tuple)]
    assert (
        len(answered) + len(refused) == 9 and len(answered) in (2, 3) and answers[0] == ([0], None)
    )


@both
def test_nobody_waits_beyond_the_deadline_for_a_run_that_hangs(modules, kind):
    model = Model(1.2)
    queue = make_queue(modules, model, fixed=0.01, deadline=0.3)
    times = []
    model_done = threading.Event()

    def run(rows):
        answer = model(rows)
        model_done.set()
        return answer

    queue._run = run

    if kind == "asyncio":

        async def late(batcher):
            started = time.perf_counter()
            with pytest.raises(modules.batching.Overloaded):
                await batcher.predict([2])
            times.append(time.perf_counter() - started)
            assert not model_done.is_set()

        async def main():
            batcher = modules.asyncio(queue)
            first = asyncio.ensure_future(batcher.predict([1]))
            await asyncio.sleep(0.05)
            await late(batcher)
            assert await first == ([10], None)

        asyncio.run(main())
    else:
        batcher = modules.threads(queue)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(batcher.predict, [1])
            time.sleep(0.05)
            started = time.perf_counter()
            with pytest.raises(modules.batching.Overloaded):
                batcher.predict([2])
            times.append(time.perf_counter() - started)
            assert not model_done.is_set()
            assert first.result() == ([10], None)
    assert 0.25 < times[0] < 0.9


def test_who_has_gone_is_not_asked_for(modules):
    model = Model(0.1)

    async def main():
        batcher = modules.asyncio(make_queue(modules, model))
        asked = [asyncio.ensure_future(batcher.predict([n])) for n in range(1)]
        await asyncio.sleep(0.02)
        asked += [asyncio.ensure_future(batcher.predict([n])) for n in (1, 2, 3)]
        await asyncio.sleep(0.02)
        asked[0].cancel()  # runs already
        asked[2].cancel()  # waits
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(main())
    assert [answers[1], answers[3]] == [([10], None), ([30], None)]
    assert all(isinstance(answers[n], asyncio.CancelledError) for n in (0, 2))
    assert model.runs == [[0], [1, 3]]


def test_a_window_makes_an_idle_model_wait(modules):
    model = Model()

    async def main():
        batcher = modules.asyncio(make_queue(modules, model), window=0.1)
        first = asyncio.ensure_future(batcher.predict([1]))
        await asyncio.sleep(0.03)
        return await asyncio.gather(first, batcher.predict([2]))

    assert asyncio.run(main()) == [([10], None), ([20], None)]
    assert model.runs == [[1, 2]]


def test_requests_read_together_run_together_without_a_window(modules):
    model = Model()

    async def main():
        batcher = modules.asyncio(make_queue(modules, model, fixed=0.0001, per_row=0))
        return await asyncio.gather(*(batcher.predict([n]) for n in range(50)))

    assert asyncio.run(main()) == [([10 * n], None) for n in range(50)]
    assert len(model.runs) == 1


def test_the_pace_tells_what_joining_pays(modules):
    def costs(fixed, per_row):
        def run(rows):
            until = time.perf_counter() + fixed + per_row * len(rows)
            while time.perf_counter() < until:
                pass

        return run

    def measured(fixed, per_row):
        pace = modules.batching.Pace()
        pace.measure(costs(fixed, per_row), [0.0])
        return pace

    assert measured(0.004, 0.0001).worthwhile > 50
    assert measured(0, 0.004).worthwhile == 1
    assert 0.5 < measured(0.004, 0.001).expected(10) / 0.014 < 2
    slow = modules.batching.Pace()
    asked = []
    slow.measure(lambda rows: (asked.append(len(rows)), time.sleep(0.3)), 0)
    assert set(asked) == {1} and slow.worthwhile == 1


def test_the_pace_follows_a_machine_that_got_busier(modules):
    pace = modules.batching.Pace()
    pace.fixed, pace.per_row = 0.01, 0.0
    for _ in range(60):
        pace.saw(1, 0.04)
    assert 3.8 < pace.expected(1) / 0.01 < 4.2
    assert pace.undisturbed(1) == 0.01


def test_refusals_say_when_to_come_again(modules):
    queue = make_queue(modules, Model(), fixed=1, per_row=1, max_rows=1, deadline=5, threads=1)
    queue.add([1], Future())
    queue.add([1], Future())
    with pytest.raises(modules.batching.Overloaded) as refused:
        queue.add([1], Future())
    assert refused.value.retry_after == 6
