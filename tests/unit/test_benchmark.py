"""The pure parts of the benchmark: reading wrk, medians, ratios, tables, targets, fits."""

import json

import pytest

from bench import charts, check, growth, overload, report, wrk
from bench.figures import Sample, medians, spread
from bench.servers import BY_NAME, MODELS, SERVERS, Answers
from bench.servers.generated import read
from bench.servers.mlserver import _body, _read
from bench.targets import Target, targets

RESULT = (
    'result {"requests": 1000, "microseconds": 2000000, "p50": 1500, "p99": 9000, "max": 12000, '
    '"status": 10, "connect": 1, "read": 2, "write": 3, "timeout": 4}'
)


def sample(round, server, *, model="iris", **figures):
    return Sample(round, model, server, {name.replace("_", "@"): v for name, v in figures.items()})


def test_reads_what_wrk_prints():
    load = wrk.parse(f"Running 1s test\n  1 threads\n{RESULT}\n")
    assert load.good == 990
    assert load.rate == 495
    assert load.failed == 10 + 1 + 2 + 3 + 4
    assert (load.p50, load.p99, load.longest) == (0.0015, 0.009, 0.012)


def test_says_what_wrk_said_when_it_failed():
    with pytest.raises(ValueError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:8400 Connection refused")


def test_medians_are_of_rounds_but_mistakes_add_up():
    table = medians(
        sample(n, "bentoml", rate_64=rate, wrong=wrong, difference=wrong / 10)
        for n, (rate, wrong) in enumerate([(100, 0), (900, 1), (110, 0)])
    )
    assert table.get("iris", "bentoml", "rate@64") == 110
    assert table.get("iris", "bentoml", "wrong") == 1
    assert table.get("iris", "bentoml", "difference") == 0.1
    assert table.get("iris", "litserve", "rate@64") is None


def test_a_failed_visit_leaves_the_other_rounds():
    table = medians([Sample(1, "iris", "mlflow", error="no"), sample(2, "mlflow", rate_64=5)])
    assert table.get("iris", "mlflow", "rate@64") == 5
    assert medians([Sample(1, "iris", "mlflow", error="no")]).servers("iris") == []


def test_best_peer_is_a_model_server():
    table = medians(
        [
            sample(1, "plain-fastapi-onnx", rate_64=9000, p99_64=0.001),
            sample(1, "bentoml", rate_64=100, p99_64=0.2),
            sample(1, "mlserver", rate_64=300, p99_64=0.3, wrong=0),
            sample(1, "litserve", rate_64=800, p99_64=0.1, wrong=1),
            sample(1, "ceiling", rate_64=9999, p99_64=0.001),
        ]
    )
    assert table.best("iris", "rate@64") == ("mlserver", 300)
    assert table.best("iris", "p99@64", least=True) == ("bentoml", 0.2)
    assert table.best("iris", "rate@64", ("peer", "plain")) == ("plain-fastapi-onnx", 9000)
    assert table.best("forest", "rate@64") is None
    assert table.ratio("iris", "rate@64", "mlserver", "bentoml") == 3
    assert table.ratio("iris", "rate@64", "mlserver", "ray") is None


def test_spread_is_the_worst_of_all_servers():
    samples = [sample(n, "bentoml", rate_64=rate) for n, rate in enumerate((90, 100, 120))]
    assert spread(samples, "rate@64") == pytest.approx(0.3)
    assert spread(samples[:1], "rate@64") is None


@pytest.mark.parametrize(
    ("sign", "limit", "value", "verdict"),
    [
        (">=", 8, 8.0, "reached"),
        (">=", 8, 7.9, "not reached"),
        ("<=", 0.5, 0.5, "reached"),
        ("<=", 0.5, 0.51, "not reached"),
        ("<=", 0, None, "not measured"),
    ],
)
def test_target(sign, limit, value, verdict):
    assert Target("x", sign, limit, value).verdict == verdict


def test_targets_of_a_run():
    table = medians(
        [
            sample(1, "mlship-fastapi-onnx", rate_64=8000, p99_64=0.01, p50_1=0.1, wrong=0),
            sample(1, "mlserver", rate_64=800, p99_64=0.1),
            sample(1, "plain-fastapi", p50_1=0.2),
            sample(1, "ceiling", rate_64=20000),
        ]
    )
    found = {each.what: each for each in targets(table, {"rows": 1.2})}
    by = {what.split("ONNX: ")[-1]: each for what, each in found.items() if "iris" in what}
    assert by["requests/s of the best peer at 64"].value == 10
    assert by["p99 of the best peer at 64"].value == pytest.approx(0.1)
    assert by["p50 at 1 of plain FastAPI"].value == 0.5
    assert found["wrong answers of the generated projects"].verdict == "reached"
    assert found["rows: exponent"].verdict == "not reached"
    late = {
        "name": "x",
        "recovery": None,
        "goodput": 9.0,
        "peak": 10.0,
        "p99": 0.3,
        "deadline": None,
    }
    stuck, unknown = targets(table, {}, [late])[-2:]
    assert (stuck.verdict, unknown.verdict) == ("not reached", "not measured")
    ceiling = next(each for what, each in found.items() if "ceiling" in what)
    assert (ceiling.value, ceiling.verdict) == (0.4, "not reached")


def test_compares_labels_and_probabilities():
    truth = ([1, 0, 1], [[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert check.compare(Answers(*truth), *truth).wrong == 0
    close = Answers([1, 0, 1], [[0.1, 0.900009], [0.8, 0.2], [0.3, 0.7]])
    assert check.compare(close, *truth) == check.Checked(3, 0, pytest.approx(9e-6))
    swapped = Answers([0, 0, 1], [[0.1, 0.9], [0.8, 0.2], [0.3, 0.7001]])
    assert check.compare(swapped, *truth).wrong == 2
    assert check.compare(Answers([1], [[0.1, 0.9]]), *truth).wrong == 2
    assert check.compare(Answers([1, 0, 1], [[1.0], [0.8, 0.2], []]), *truth).wrong == 2


def test_no_number_is_no_answer():
    nan = float("nan")
    assert check.compare(Answers([1], [[nan, nan]]), [1], [[0.1, 0.9]]).wrong == 1


def test_fits_the_exponent_of_the_largest_sizes():
    found = growth.line("rows", [(n, 0.001 + 1e-6 * n**1.0) for n in (1, 10, 100, 10_000, 100_000)])
    assert found["overall"] < 0.5 < 0.9 < found["exponent"] < 1
    assert growth.slope([(n, 3 * n**2) for n in (1, 5, 25)]) == pytest.approx(2)


def test_joins_what_several_clients_saw():
    part = {"ok": 10, "shed": 5, "broken": 1, "elapsed": 2.0, "sending": 2.0,
            "latency": [(0.1, 9), (0.5, 1)],
            "lag": [(0.001, 16)], "timeline": [(6, 2, 0), (4, 3, 1)]}  # fmt: skip
    found = overload.joined([part, {**part, "elapsed": 4.0, "timeline": [(10, 5, 1)]}])
    assert (found["offered"], found["goodput"]) == (16, 5)
    assert (found["ok"], found["shed"], found["broken"]) == (20, 10, 2)
    assert (found["p99"], found["lag"]) == (0.5, 0.001)
    assert found["timeline"] == [[16, 7, 1], [4, 3, 1]]
    assert overload.quantile([], 0.5) is None


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(None, ""), (14.2, "14"), (9.97, "10"), (2.44, "2.4"), (0.999, "1.0"), (0.31, "0.31")],
)
def test_writes_ratios(ratio, words):
    assert report.times(ratio) == words


def test_renders_a_run():
    figures = {"rate@64": 1000.0, "p50@1": 0.001, "p99@64": 0.02, "cpu@64": 0.0005, "batch": 0.01,
               "cold": 1.5, "pss": 2.0**27, "wrong": 0, "asked": 450, "failed": 0}  # fmt: skip
    samples = [
        vars(Sample(1, "iris", "mlship-fastapi-onnx", {**figures, "rate@64": 9000.0})),
        vars(Sample(1, "iris", "mlserver", figures)),
        vars(Sample(1, "iris", "plain-fastapi", {**figures, "rate@64": 500.0})),
        vars(Sample(1, "iris", "bentoml", error="did not start\nlog")),
    ]
    machine = {"processor": "P", "cores": "2", "system": "Linux"}
    data = {"date": "2025-01-01", "machine": machine, "load": 0.1, "samples": samples,
            "settings": {"repeat": 1, "seconds": 5}, "versions": {"BentoML": ["bentoml 1.4"]},
            "growth": [growth.line("A: rows", [(1, 0.001), (1000, 0.01), (10000, 0.1)])],
            }  # fmt: skip
    text = report.render(json.loads(json.dumps(data)))
    (ours,) = [line for line in text.splitlines() if line.startswith("| **mlship")]
    assert ours.startswith("| **mlship FastAPI, ONNX** | 9,000 | 18 | 9.0 |")
    assert "0 of 450" in ours
    assert "- round 1, iris, bentoml: did not start" in text
    assert "| A: rows: exponent | <= 1.05 | 1.00 | reached |" in text
    widths = {line.count("|") for line in text.splitlines() if "PSS" in line or "**mlship" in line}
    assert len(widths) == 1


def test_charts_are_wellformed(tmp_path):
    from xml.etree import ElementTree

    figures = {"rate@64": 1000.0}
    data = {
        "samples": [vars(Sample(1, m, s.name, figures)) for s in SERVERS for m in s.models],
        "growth": [growth.line(f"A: {axis}", [(1, 0.001), (1000, 0.01)])
                   for axis in ("rows", "features")],
    }  # fmt: skip
    written = charts.write(data, tmp_path)
    assert [path.name for path in written] == ["speed.svg", "growth.svg"]
    for path in written:
        ElementTree.parse(path)
    assert charts.write({"samples": []}, tmp_path) == []


def test_servers_are_told_apart():
    assert len(BY_NAME) == len(SERVERS)
    assert all(server.models <= set(MODELS) for server in SERVERS)
    assert all(server.requirements or server.generated for server in SERVERS)
    assert not [s.name for s in SERVERS if s.kind != "peer" and s.optional]


def test_mlserver_takes_flat_rows_and_answers_so():
    body = _body([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], (2, 2))
    assert body["inputs"][0]["shape"] == [2, 2, 2]
    assert body["inputs"][0]["data"] == [1, 2, 3, 4, 5, 6, 7, 8]
    answer = {"outputs": [{"name": "predict_proba", "shape": [2, 2], "data": [0.1, 0.9, 0.8, 0.2]},
                          {"name": "predict", "shape": [2, 1], "data": [1, 0]}]}  # fmt: skip
    assert _read(answer) == Answers([1, 0], [[0.1, 0.9], [0.8, 0.2]])


def test_scores_without_labels_are_read_as_both():
    assert read({"predictions": [[0.1, 0.9]]}) == Answers([1], [[0.1, 0.9]])
