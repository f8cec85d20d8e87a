"""Asking a service, against a real one on this machine that says what the test wants."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlship import client
from mlship.errors import MlshipError, ServiceError, UsageError

BODY = {"instances": [{"a": 1.5, "b": 2}]}
ANSWER = {"predictions": ["x"], "probabilities": [[0.9, 0.1]]}


class Service:
    """Answers every request with the next of ``answers`` (the last one for ever)."""

    def __init__(self):
        self.answers = [(200, json.dumps(ANSWER))]
        self.requests = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length", 0))
                kind = self.headers.get("Content-Type")
                sent = self.rfile.read(length).decode()
                service.requests.append((self.command, self.path, kind, sent))
                status, text = service.answers[0]
                if len(service.answers) > 1:
                    service.answers.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = answer

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def service():
    made = Service()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def closed_url():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def other_protocol():
    """A server that does not speak HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                connection.recv(65536)

        threading.Thread(target=greet, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("end", ["", "/"])
def test_predict(service, end):
    assert client.predict(service.url + end, BODY) == ANSWER
    assert service.requests == [("POST", "/predict", "application/json", json.dumps(BODY))]


def test_predict_ignores_a_proxy_on_loopback(service, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert client.predict(service.url, BODY) == ANSWER


@pytest.mark.parametrize(
    ("status", "text", "what", "why"),
    [
        (
            422,
            '{"detail": "2 errors", "errors": [{"detail": "a is missing"}, {"detail": "b is"}]}',
            "422 Unprocessable Entity",
            "a is missing\nb is",
        ),
        (
            422,
            json.dumps({"detail": "many", "errors": [{"detail": str(n)} for n in range(9)]}),
            "422 Unprocessable Entity",
            "0\n1\n2\n3\n4",
        ),
        (
            503,
            '{"detail": "The model is loading"}',
            "503 Service Unavailable",
            "The model is loading",
        ),
        (503, '{"detail": "Draining", "errors": []}', "503 Service Unavailable", "Draining"),
        (404, "<html>", "404 Not Found", "Not Found"),
        (500, "", "500 Internal Server Error", "Internal Server Error"),
        (404, "{}", "404 Not Found", "Not Found"),
        (404, "null", "404 Not Found", "Not Found"),
        (400, '["no"]', "400 Bad Request", "Bad Request"),
    ],
)
def test_predict_refused(service, status, text, what, why):
    service.answers = [(status, text)]
    with pytest.raises(ServiceError) as caught:
        client.predict(service.url, BODY)
    assert caught.value.what == f"The service answered {what}"
    assert caught.value.why == why
    assert caught.value.next == (
        "correct the request; `mlship predict` without --file sends a right one"
    )


def test_predict_refused_by_a_plain_fastapi(service):
    service.answers = [(422, '{"detail": [{"loc": ["body"], "msg": "Field required"}]}')]
    with pytest.raises(ServiceError) as caught:
        client.predict(service.url, BODY)
    assert caught.value.what == "The service answered 422 Unprocessable Entity"
    assert caught.value.status == 422


@pytest.mark.parametrize("text", ["<html></html>", "", "[1, 2]", "3", "null", '"ok"'])
def test_predict_of_something_else(service, text):
    service.answers = [(200, text)]
    with pytest.raises(ServiceError) as caught:
        client.predict(service.url, BODY)
    assert caught.value.what == f"What answers at {service.url} is not a prediction service"
    assert caught.value.next == "pass --url with the right address"


def test_predict_refused_connection(closed_url):
    with pytest.raises(ServiceError) as caught:
        client.predict(closed_url, BODY)
    assert caught.value.what == f"No service answers at {closed_url}"
    assert caught.value.why.endswith("Connection refused")
    assert caught.value.next == "start it with `mlship serve` or `mlship run`, or pass --url"


def test_predict_without_http(other_protocol):
    with pytest.raises(ServiceError):
        client.predict(other_protocol, BODY)


@pytest.mark.parametrize(
    "url", ["localhost:8000", "iris", "http://127.0.0.1:port", "http://[::1", "http://a b/"]
)
def test_predict_at_no_url(url):
    with pytest.raises(MlshipError):
        client.predict(url, BODY)


def test_wait_until_ready(service):
    service.answers = [(503, ""), (503, ""), (200, "")]
    asked = []
    client.wait_until_ready(service.url, 10, lambda: asked.append(1) or True)
    assert [(method, path) for method, path, *_ in service.requests] == [("GET", "/readyz")] * 3
    assert len(asked) == 2


def test_wait_until_ready_asks_whether_it_lives(closed_url):
    with pytest.raises(ServiceError, match=r"^The server ended before it was ready$"):
        client.wait_until_ready(closed_url, 10, lambda: False)


def test_wait_until_ready_gives_up(service):
    service.answers = [(503, "")]
    with pytest.raises(ServiceError, match=r"^The server was not ready within 0\.25 s$") as caught:
        client.wait_until_ready(service.url, 0.25, lambda: True)
    assert caught.value.why.startswith("/readyz answered 503")
    assert {path for _, path, *_ in service.requests} == {"/readyz"}


@pytest.mark.parametrize(
    ("name", "text", "body"),
    [
        ("x.json", '{"instances": [[1]]}', {"instances": [[1]]}),
        ("x.json", '[{"a": 1}]', {"instances": [{"a": 1}]}),
        ("x.JSON", "\ufeff[[1]]", {"instances": [[1]]}),
        ("x.csv", "a,b\n1,2.5\n-3,4e2\n", {"instances": [{"a": 1, "b": 2.5}, {"a": -3, "b": 400}]}),
        ("x.csv", "target,b, a\nyes,2.0,1\n", {"instances": [{"a": 1, "b": 2.0}]}),
        ("x.CSV", '\ufeffa,b\r\n"1,5",\r\n\r\n', {"instances": [{"a": "1,5", "b": None}]}),
        ("x.csv", "b;a\n2,5;7\n", {"instances": [{"a": 7, "b": "2,5"}]}),
        ("x.csv", "a,b\n", {"instances": []}),
        (
            "x.csv",
            "a,b\n9007199254740993,0.1\n",
            {"instances": [{"a": 9007199254740993, "b": 0.1}]},
        ),
    ],
)
def test_read_instances(tmp_path, name, text, body):
    path = tmp_path / name
    path.write_bytes(text.encode())
    found = client.read_instances(path, {"a": 0.5, "b": 0.5})
    assert found == body
    assert json.dumps(found) == json.dumps(body)  # tells 1 from 1.0


def test_read_instances_takes_cells_as_the_example_has_them(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("code,flag,size\n007,True,3\nNA,false,\n9,maybe,x\n")
    example = {"code": "A1", "flag": False, "size": 1.5}
    assert client.read_instances(path, example)["instances"] == [
        {"code": "007", "flag": True, "size": 3},
        {"code": None, "flag": False, "size": None},
        {"code": "9", "flag": "maybe", "size": "x"},
    ]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.csv", b"a,c\n1,2\n", "the header lacks: b"),
        ("x.csv", b"", "the header lacks: a, b"),
        ("x.csv", b"1.5,2\n", "the header lacks: a, b"),
        ("x.csv", b"a,b\n1,2\n3\n", "line 3 has 1 cells, the header 2"),
        ("x.json", b"{", "Expecting property name enclosed in double quotes"),
        ("x.json", b"", "Expecting value"),
        ("x.json", b"[]", "it holds no list of instances"),
        ("x.json", b"3", "it holds no list of instances"),
        ("x.json", b'{"rows": [[1]]}', "it holds no list of instances"),
        ("x.json", b'{"instances": []}', "it holds no list of instances"),
        ("x.csv", b"a,b\n\xff,1\n", "'utf-8' codec can't decode byte 0xff"),
        ("x.csv", b"a,b\n" + b"1" * 200_000 + b",2\n", "field larger than field limit"),
    ],
)
def test_read_instances_of_a_bad_file(tmp_path, name, content, why):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        client.read_instances(path, {"a": 0.5, "b": 0.5})
    assert caught.value.what == f"{path} can't be sent"
    assert caught.value.why.startswith(why)
    assert (
        caught.value.next == '--file takes a CSV with a header, or JSON like {"instances": [...]}'
    )


def test_read_instances_names_five_missing_columns(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("z\n1\n")
    with pytest.raises(UsageError) as caught:
        client.read_instances(path, dict.fromkeys("abcdefg", 1))
    assert caught.value.why == "the header lacks: a, b, c, d, e"


def test_read_instances_of_a_missing_file(tmp_path):
    with pytest.raises(UsageError) as caught:
        client.read_instances(tmp_path / "x.csv", {"a": 1})
    assert caught.value.why == f"[Errno 2] No such file or directory: '{tmp_path / 'x.csv'}'"
