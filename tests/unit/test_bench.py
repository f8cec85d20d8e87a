"""``mlship bench`` as a user meets it: what it prints, as JSON too, and its exit codes."""

import json
import re
import signal
import socket
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from mlship.cli import app, bench_view
from mlship.errors import MlshipError
from mlship.load import open_loop, searching
from mlship.load.result import Tally
from tests.support.projects import MLSHIP
from tests.unit.services import LoadedService, answer

pytestmark = pytest.mark.alone


@pytest.fixture
def service():
    made = LoadedService()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short runs; and one style of terminal, whoever runs the tests."""
    monkeypatch.setattr(searching, "_STEP_SECONDS", 0.3)
    monkeypatch.setattr(searching, "_CALM_SECONDS", 0.1)
    monkeypatch.setattr(searching, "_CLOSE", 1.2)
    shorter = {**open_loop.run.__kwdefaults__, "warmup": 0.1}
    monkeypatch.setattr(open_loop.run, "__kwdefaults__", shorter)
    for console in (bench_view.out, bench_view.err):
        monkeypatch.setattr(console, "_width", 200)


def bench(*argv):
    done = CliRunner().invoke(app, ["bench", *map(str, argv)])
    out = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    code = getattr(done.exception, "exit_code", done.exit_code)
    error = done.exception if isinstance(done.exception, MlshipError) else None
    assert error or isinstance(done.exception, SystemExit | None), done.exception
    return SimpleNamespace(out=out, err=done.stderr, code=code, error=error)


def test_at_a_rate(service, project):
    done = bench(service.url, "--rate", 200, "--duration", 0.5, "--project", project)
    assert done.code == 0
    lines = [line.rstrip() for line in done.out.splitlines()]
    assert re.fullmatch(
        r"At 200 requests/s: p99 is .* ms, and all requests were answered", lines[-1]
    )
    assert re.search(r"^≤ +[\d.]+ ms +\d+ +█+", done.out.replace(" ≤", "≤"), re.M)
    assert "requests  100 answered, 200/s" in lines
    assert any(re.match(r"latency +p50 .* p90 .* p99 .* p99.9 .* max ", line) for line in lines)
    sample = json.loads((project / "sample.json").read_text())
    assert {path for path, *_ in service.requests} == {"/predict"}
    assert all(json.loads(body) == sample for *_, body in service.requests)


def test_json_of_a_rate(service, project):
    service.script = lambda number: answer(503, "Retry-After: 1") if number % 10 == 9 else answer()
    done = bench(service.url, "--rate", 200, "--duration", 0.5, "--json", "--project", project)
    found = json.loads(done.out)
    assert (done.code, found["verdict"], found["steps"], found["interrupted"]) == (
        0,
        None,
        [],
        False,
    )
    result = found["result"]
    assert (result["requests"], result["ok"], result["shed"]) == (100, 90, 10)
    assert sum(second["shed"] for second in result["timeline"]) == 10
    assert sum(n for _, n in result["histogram_ms"]) == 90
    assert result["latency_ms"]["p50"] <= result["latency_ms"]["max"] < 1000
    assert done.err.splitlines() == ["Warming up, then 200/s for 0.5 s"]


@pytest.mark.parametrize(
    ("goal", "script", "code", "sentence"),
    [
        (900, None, 0, "Meets p99 <= 900 ms at 100 requests/s"),
        (5, None, 8, "Does not meet p99 <= 5 ms at 100 requests/s: p99 is "),
        (
            900,
            lambda number: answer(500) if number % 5 == 4 else answer(),
            8,
            "Does not meet p99 <= 900 ms at 100 requests/s: of 50 requests 10 got another status; ",
        ),
    ],
)
def test_a_goal_at_a_rate(service, project, goal, script, code, sentence):
    service.delay = 0.4
    service.script = script or service.script
    argv = ("--rate", 100, "--duration", 0.5, "--p99", goal, "--project", project)
    done = bench(service.url, *argv)
    assert done.out.splitlines()[-1].startswith(sentence)
    assert done.code == code
    assert (str(done.error) == f"The service does not meet p99 <= {goal} ms") is (code == 8)


def test_a_client_that_was_too_slow_blames_itself(service, project, monkeypatch):
    monkeypatch.setattr(searching, "_BUSY", -1)
    argv = ("--rate", 100, "--duration", 0.5, "--p99", 5, "--project", project)
    service.delay = 0.05
    done = bench(service.url, *argv)
    assert done.code == 1
    assert str(done.error) == "This machine is too slow to tell whether p99 is within 5 ms"
    assert "This client was late itself" in done.err
    assert done.out.splitlines()[-1].startswith("Can't tell whether it meets p99 <= 5 ms at 100 ")


def test_search(service, project):
    service.per_second = 300
    done = bench(service.url, "--duration", 0.5, "--json", "--project", project)
    found = json.loads(done.out)
    assert (done.code, found["verdict"], found["goal_p99_ms"]) == (0, "meets", 50)
    assert 200 < found["rate"] < 375
    assert found["steps"][-1]["confirms"]
    assert found["result"]["rate"] == found["rate"] == found["steps"][-1]["rate"]
    assert len(done.err.splitlines()) == 1 + len(found["steps"])


def test_search_that_finds_nothing(service, project, monkeypatch):
    monkeypatch.setattr(searching, "_SETTLE_SECONDS", 0.1)
    service.delay = 0.1
    done = bench(service.url, "--p99", 20, "--project", project)
    assert done.code == 8
    table = [line.split() for line in done.out.splitlines()]
    assert table[0] == ["rate/s", "answered/s", "p50", "p99", "shed", "errors"]
    assert table[1][-3:] == ["✗", "too", "slow"]
    assert re.match(
        r"Does not meet p99 <= 20 ms, not even at [\d.]+ requests/s", done.out.splitlines()[-1]
    )


def test_nothing_answers(project):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        done = bench(url, "--project", project)
    assert (done.code, done.out) == (8, "")
    assert str(done.error) == f"No service answers at {url}"
    assert done.error.next.endswith("or name it: mlship bench URL")


def test_a_refused_sample(service, project):
    service.script = lambda number: answer(422, body=b'{"detail": "a is missing"}')
    done = bench(service.url, "--project", project)
    assert (done.code, done.out, service.number) == (8, "", 1)
    assert done.error.why == "a is missing"


def test_a_service_that_dies_after_the_first_answer(service, project):
    service.script = lambda number: answer() if number == 0 else None
    done = bench(service.url, "--rate", 100, "--duration", 0.5, "--project", project)
    assert (done.code, str(done.error)) == (8, "The service answered no request")
    assert "broken" in done.out


def test_outside_a_project(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "body.json"
    file.write_text('{"instances": [[1], [2]]}')
    (tmp_path / "rows.csv").write_text("a\n1\n")
    fixed = ("--rate", 50, "--duration", 0.2)
    assert bench(service.url, *fixed).code == bench("--file", file).code == 3
    assert bench(service.url, "--file", tmp_path / "rows.csv", *fixed).code == 2
    assert service.number == 0
    assert bench(f"{service.url}/model/", "--file", file, *fixed, "--rows", 3).code == 0
    assert {path for path, *_ in service.requests} == {"/model/predict"}
    assert json.loads(service.requests[-1][2]) == {"instances": [[1], [2], [1]]}


def test_rows_of_a_csv(service, project):
    (project / "rows.csv").write_text("b,a,target\n1,2,x\n")
    argv = ("--rate", 50, "--duration", 0.2, "--file", project / "rows.csv", "--project", project)
    assert bench(service.url, *argv).code == 0
    assert json.loads(service.requests[-1][2]) == {"instances": [{"a": 2, "b": 1}]}


@pytest.mark.parametrize(
    "argv", [["--rate", "0"], ["--duration", "0"], ["--connections", "0"], ["--rows", "0"]]
)
def test_wrong_numbers(service, project, argv):
    assert bench(service.url, *argv, "--project", project).code == 2
    assert service.number == 0


def test_no_url(project):
    done = bench("localhost:8000", "--project", project)
    assert (done.code, str(done.error)) == (
        2,
        "'localhost:8000/predict' is not the URL of a service",
    )


def test_says_where_the_load_goes(service, project, monkeypatch):
    fixed = ("--rate", 50, "--duration", 0.2, "--project", project)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # a proxy would be what is measured
    monkeypatch.delenv("no_proxy", raising=False)
    away = bench(f"http://0.0.0.0:{service.port}", *fixed)
    assert (away.code, away.err.splitlines()[0]) == (0, "The load goes to 0.0.0.0.")
    assert "The load goes" not in bench(service.url, *fixed).err


@pytest.mark.parametrize("argv", [[], ["--json"], ["--rate", "200"]])
def test_ctrl_c_shows_what_was_measured(service, project, argv):
    process = subprocess.Popen(
        [*MLSHIP, "bench", service.url, *argv],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stop = threading.Timer(20, process.kill)
    stop.start()
    while service.number < 150 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    stop.cancel()
    assert "Traceback" not in err
    assert process.returncode == 130
    if argv == ["--json"]:
        found = json.loads(out)
        assert found["interrupted"]
        assert found["steps"] or found["result"]["ok"]
    else:
        assert out.splitlines()[-1] == "Stopped; this is what was measured so far."
        assert "answered, " in out


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        ("meets", "Meets p99 <= 50 ms now and then, but held it for 10 s at no rate"),
        ("slow", "Does not meet p99 <= 50 ms, not even at 100 requests/s"),
    ],
)
def test_a_rate_that_held_for_a_step_only(capsys, held, sentence):
    board = bench_view.Board("http://127.0.0.1/predict", None, 10, 50)
    result = Tally(100, 1, 100).result()
    board.add(searching.Step(result, held, confirms=False))
    board.finish(None, "slow")
    assert bench_view._sentence(board) == sentence
    assert board.verdict == "slow"
