"""Load against real services on this machine that answer as the test wants."""

import gc
import json
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mlship import load
from mlship.errors import ServiceError, UsageError
from mlship.load import searching, ticker
from mlship.load.histogram import Histogram
from mlship.load.result import Tally
from mlship.load.target import parse
from tests.unit.services import ANSWER, LoadedService, answer

pytestmark = pytest.mark.alone
BODY = {"instances": [[1.5, 2]]}


@pytest.fixture
def service():
    made = LoadedService()
    yield made
    made.close()


@pytest.fixture
def closed_url():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def run(url, rate=50, seconds=1, connections=8, timeout=5, **options):
    return load.run(url, BODY, rate, seconds, connections, timeout, warmup=0, **options)


def test_offers_the_rate_and_counts_everything(service):
    result = run(f"{service.url}/a%20b/predict", rate=200, seconds=0.5)
    assert (result.ok, result.failed, service.number) == (100, 0, 100)
    assert 180 < result.throughput <= 200
    assert (result.latency.total, result.lag.total) == (100, 100)
    assert result.received == 100 * len(answer())
    assert result.connections == service.connections <= 8
    assert sum(second.ok for second in result.timeline) == 100
    path, headers, body = service.requests[0]
    assert (path, json.loads(body)) == ("/a%20b/predict", BODY)
    assert headers["host"] == f"127.0.0.1:{service.port}"
    assert headers["content-type"] == "application/json"
    assert result.sent == 100 * len(parse(f"{service.url}/a%20b/predict", BODY).request)


def test_a_stall_shows_though_few_requests_were_sent_meanwhile(service):
    service.stall = (0.2, 0.4)
    result = run(service.url, rate=100, seconds=0.6, connections=1)
    # 20 requests were due in these 200 ms, and only the first of them was sent.
    assert 12 <= result.latency.above(0.05) <= 40
    assert result.latency.quantile(0.99) > 0.15
    assert service.connections == 1


def test_waiting_for_a_connection_counts(service):
    service.delay = 0.05  # 20 a second on one connection
    result = run(service.url, rate=40, seconds=0.5, connections=1)
    assert (result.ok, service.connections) == (20, 1)
    assert result.waited > 10
    assert result.latency.max == pytest.approx(0.5, rel=0.25)
    assert result.throughput == pytest.approx(20, rel=0.2)
    more = run(service.url, rate=40, seconds=0.2, connections=8)
    assert more.latency.quantile(0.5) < 0.1


def test_what_finds_no_connection_soon_is_not_sent_too_late_to_be_answered(service):
    service.delay = 0.1  # 10 a second on one connection, of 40
    keen = run(service.url, rate=40, seconds=2, connections=1, timeout=0.35)
    patient = run(service.url, rate=40, seconds=2, connections=1, timeout=0.35, patience=0.1)
    assert patient.timed_out + patient.ok == keen.timed_out + keen.ok == 80
    assert patient.ok >= 17
    assert patient.latency.max < 0.3
    assert patient.ok >= keen.ok


def test_tells_the_kinds_of_answers_apart(service):
    kinds = [
        answer(200),
        answer(503, "Retry-After: 1"),
        answer(503),
        answer(500, "retry-after: 1"),
        None,
    ]
    service.script = lambda number: kinds[number % 5]
    result = run(service.url, rate=100, seconds=0.5)
    counts = (result.ok, result.shed, result.refused, result.broken, result.timed_out)
    assert counts == (10, 10, 20, 10, 0)
    assert result.statuses == {500: 10, 503: 10}
    assert sum(result.errors.values()) == 10
    assert (result.latency.total, result.shed_latency.total) == (10, 10)


def test_gives_up_after_the_timeout(service):
    service.delay = 60
    start = time.monotonic()
    result = run(service.url, rate=20, seconds=0.5, connections=2, timeout=0.4)
    assert (result.timed_out, result.ok) == (10, 0)
    assert result.latency.quantile(0.5) is None
    assert time.monotonic() - start < 1.5


def test_nothing_listens(closed_url):
    result = run(closed_url, rate=50, seconds=0.4)
    assert (result.broken, result.errors) == (20, {"Connection refused": 20})


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, "Connection: close"),
        b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER,
        b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER,
    ],
)
def test_connections_that_end_with_the_answer(service, reply):
    service.script = lambda number: reply
    result = run(service.url, rate=100, seconds=0.3)
    assert (result.ok, result.failed, service.connections) == (30, 0, 30)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_connections_that_are_kept(service, reply):
    service.script = lambda number: reply
    result = run(service.url, rate=100, seconds=0.3, connections=1)
    assert (result.ok + result.refused, service.connections) == (30, 1)


def test_what_is_no_http(service):
    service.script = lambda number: b"SSH-2.0-OpenSSH_9.6\r\n"
    result = run(service.url, rate=50, seconds=0.2)
    assert (result.broken, result.errors) == (10, {"no HTTP": 10})


def test_an_answer_cut_short(service):
    service.script = lambda number: answer(200, "Connection: close")[:-3]
    result = run(service.url, rate=50, seconds=0.2)
    assert (result.broken, result.ok) == (10, 0)


def test_phases_and_their_timeline(service):
    first = []

    def shed_some(number):
        first.append(time.monotonic())
        middle = 0.98 <= first[-1] - first[0] < 1.98
        return answer(503, "Retry-After: 1") if middle and number % 2 else answer()

    service.script = shed_some
    result = load.run_phases(service.url, BODY, [(20, 1), (60, 1), (20, 0.1)], 8, 5, warmup=0)
    assert [s.ok + s.shed for s in result.timeline] == [20, 60, 2]
    assert result.timeline[1].shed == pytest.approx(30, abs=3)
    assert result.rate == pytest.approx(82 / 2.1)
    assert all(second.p99 < 0.5 for second in result.timeline)


def test_idle_connections_are_closed_before_the_service_does(service):
    service.delay = 0.1
    result = load.run_phases(service.url, BODY, [(50, 0.2), (0, 1.7), (5, 0.2)], 8, 5, warmup=0)
    assert (result.ok, result.failed) == (11, 0)
    assert service.closed >= 4
    assert result.connections < service.connections


def test_the_warm_up_does_not_count(service):
    result = load.run(service.url, BODY, 100, 0.2, warmup=0.2)
    assert (result.ok, service.number) == (20, 30)


@pytest.mark.parametrize("collects", [True, False])
def test_leaves_the_garbage_collector_as_it_was(service, collects):
    before, seen = gc.isenabled(), []
    try:
        (gc.enable if collects else gc.disable)()
        run(service.url, rate=10, seconds=0.2, watch=lambda tally: seen.append(gc.isenabled()))
        assert (gc.isenabled(), set(seen)) == (collects, {False})
    finally:
        (gc.enable if before else gc.disable)()


def test_keeps_the_rate_without_the_timers_of_linux(service, monkeypatch):
    monkeypatch.setattr(ticker, "sys", SimpleNamespace(platform="darwin"))
    result = run(service.url, rate=200, seconds=0.4)
    assert (result.ok, result.seconds) == (80, pytest.approx(0.4, abs=0.1))


def test_says_when_the_client_was_too_slow(service):
    late = run(service.url, rate=50, seconds=0.6, watch=lambda tally: time.sleep(0.2))
    assert late.latency.quantile(0.99) > 0.1
    assert load.judge(late, 0.05) == "client"
    assert searching.lateness(late).startswith("This client was late itself, by ")


def test_https(monkeypatch, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x"
    subprocess.run(
        [
            *("openssl", "req", *options.split(), "-keyout", key, "-out", certificate),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    service = LoadedService(context)
    try:
        unknown = run(service.url, rate=10, seconds=0.5)
        assert (unknown.broken, unknown.errors) == (5, {"CERTIFICATE_VERIFY_FAILED": 5})
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert run(service.url, rate=20).ok == 20
    finally:
        service.close()


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:80", "ftp://x/", "http:///predict", "http://a b/", "http://a:b@c/", "http://[x"],
)
def test_no_url(url):
    with pytest.raises(UsageError, match="is not the URL of a service"):
        parse(url, b"")


@pytest.mark.parametrize(
    ("url", "line", "host", "port"),
    [
        ("http://a", "POST / HTTP/1.1", "a", 80),
        ("http://a:81/b c/predict?x=y z", "POST /b%20c/predict?x=y%20z HTTP/1.1", "a:81", 81),
        ("http://[::1]:81/", "POST / HTTP/1.1", "[::1]:81", 81),
        ("https://bücher.example/", "POST / HTTP/1.1", "xn--bcher-kva.example", 443),
    ],
)
def test_request(url, line, host, port):
    target = parse(url, b"[]")
    head, body = target.request.decode().split("\r\n\r\n")
    assert head.split("\r\n")[:2] == [line, f"Host: {host}"]
    assert (body, target.port, bool(target.tls)) == ("[]", port, url.startswith("https"))
    assert "Content-Length: 2" in head


def result_of(latency=0.01, lag=0.0001, **found):
    """A run of 100 requests, as the test wants it."""
    made = Tally(100, 1, 100).result()
    latencies, lags = Histogram(), Histogram()
    for _ in range(100):
        latencies.record(latency)
        lags.record(lag)
    return replace(made, **{"ok": 100, "latency": latencies, "lag": lags, "cpu": 0.1, **found})


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (result_of(), "meets"),
        (result_of(lag=0.009, cpu=1.0), "meets"),  # late, and still within the goal
        (result_of(latency=0.2), "slow"),
        (result_of(latency=0.2, lag=0.08), "client"),
        (result_of(latency=0.2, lag=0.07), "slow"),  # slow even without the client's part
        (result_of(latency=0.0505, lag=0.001), "slow"),  # late, but not so that it matters
        (result_of(latency=0.2, cpu=0.97), "client"),
        (result_of(timed_out=1), "fails"),
        (result_of(timed_out=1, cpu=0.97), "client"),
        (result_of(broken=1), "fails"),
        (result_of(refused=1, cpu=0.97), "fails"),
        (result_of(shed=1), "sheds"),
        (result_of(shed=1, broken=1), "fails"),
        (result_of(ok=0, latency=9, timed_out=3), "fails"),
    ],
)
def test_judge(result, verdict):
    assert load.judge(result, 0.05) == verdict


@pytest.fixture
def quick_search(monkeypatch):
    monkeypatch.setattr(searching, "_STEP_SECONDS", 0.3)
    monkeypatch.setattr(searching, "_CALM_SECONDS", 0.1)
    monkeypatch.setattr(searching, "_CLOSE", 1.1)


def test_search_finds_the_capacity(service, quick_search):
    service.per_second = 300
    steps = []
    found = load.search(service.url, BODY, 0.05, seconds=1, on_step=steps.append)
    assert found.best.rate == pytest.approx(300, rel=0.25)
    assert "slow" in {step.verdict for step in steps}
    assert list(found.steps) == steps
    assert steps[-1].confirms
    assert steps[-1].result is found.best
    assert found.best.seconds == pytest.approx(1, abs=0.1)


def test_search_stops_where_load_is_shed(service, quick_search):
    window = []

    def shed(number):
        now = time.monotonic()
        window[:] = [at for at in window if at > now - 0.1]
        window.append(now)
        return answer() if len(window) <= 20 else answer(503, "Retry-After: 1")

    service.script = shed
    service.delay = 0.005  # so that it starts below 200 a second
    found = load.search(service.url, BODY, 0.05, seconds=0.5)
    assert found.limit == "sheds"
    assert found.best.rate == pytest.approx(200, rel=0.25)
    assert found.best.shed == 0


def test_search_finds_nothing(service, quick_search, monkeypatch):
    monkeypatch.setattr(searching, "_SETTLE_SECONDS", 0.1)
    service.delay = 0.1
    found = load.search(service.url, BODY, 0.02, seconds=1)
    assert found.best is None
    assert found.limit == "slow"
    assert {step.verdict for step in found.steps} == {"slow"}


def test_search_believes_only_what_holds(service, quick_search, monkeypatch):
    """The service slows down when the search is over, and its result is to be confirmed."""
    real = searching._Search._step

    async def step(self, rate, seconds, *, confirms=False):
        service.per_second = 150 if confirms else 400
        return await real(self, rate, seconds, confirms=confirms)

    monkeypatch.setattr(searching._Search, "_step", step)
    found = load.search(service.url, BODY, 0.05, seconds=0.8)
    confirmations = [step for step in found.steps if step.confirms]
    assert [step.verdict == "meets" for step in confirmations][-2:] == [False, True]
    assert found.best is confirmations[-1].result
    assert found.best.rate < 160 < 300 < confirmations[0].result.rate


def test_search_notices_that_the_service_died(service, quick_search, monkeypatch):
    monkeypatch.setattr(searching, "_SETTLE_SECONDS", 1)
    service.script = lambda number: answer() if number < 60 else None
    with pytest.raises(ServiceError, match="The service stopped answering"):
        load.search(service.url, BODY, 0.05, seconds=1)
