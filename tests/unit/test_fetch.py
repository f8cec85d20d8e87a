"""app/fetch.py of the generated project: what it does when the network or the file is bad."""

import hashlib
import importlib.util
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlship import layers

CONTENT = bytes(range(256)) * 12_000  # 3 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def fetch(monkeypatch):
    path = layers.root() / "options/fetch/{{cookiecutter.name}}/app/fetch.py"
    spec = importlib.util.spec_from_file_location("fetch_of_a_project", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "pause", lambda tries: 0)
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 2)
    return module


@pytest.fixture
def serve():
    """Start a server that answers by a list of functions, the last one again and again."""
    servers = []

    def start(*answers):
        asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(dict(self.headers))
                answers[min(len(asked), len(answers)) - 1](self)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def whole(handler, content=CONTENT):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def broken(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])
    handler.close_connection = True


def rest(handler):
    start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
    handler.send_response(206)
    handler.send_header("Content-Length", str(len(CONTENT) - start))
    handler.end_headers()
    handler.wfile.write(CONTENT[start:])


def status(code, **headers):
    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def run(fetch, monkeypatch, tmp_path, capsys):
    def go(url, sha256=SHA256):
        target = tmp_path / "model.onnx"
        monkeypatch.setenv("MODEL_SOURCE", url)
        monkeypatch.setenv("MODEL_FILE", str(target))
        monkeypatch.setenv("MODEL_SHA256", sha256)
        code = fetch.main()
        return code, target, capsys.readouterr().err

    return go


def test_it_arrives(run, serve):
    url, asked = serve(whole)
    code, target, said = run(f"{url}/m?signature=secret")
    assert code == 0 and target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert "Range" not in asked[0] and "secret" not in said
    assert said.endswith(f"fetch: {len(CONTENT)} bytes, sha256 as expected\n")


def test_what_is_there_already_is_not_fetched_again(run, serve, tmp_path):
    url, asked = serve(whole)
    (tmp_path / "model.onnx").write_bytes(CONTENT)
    assert run(url)[0] == 0 and asked == []


def test_another_file_is_refused_with_3(run, serve):
    url, asked = serve(lambda handler: whole(handler, b"other"))
    code, target, said = run(url)
    found = hashlib.sha256(b"other").hexdigest()
    assert code == 3 and len(asked) == 1
    assert f"model refused: {url}: it has sha256 {found}, expected {SHA256}" in said
    assert list(target.parent.iterdir()) == []


def test_a_broken_connection_is_continued(run, serve):
    url, asked = serve(broken, rest)
    code, target, said = run(url)
    assert code == 0 and target.read_bytes() == CONTENT
    assert asked[1]["Range"] == f"bytes={len(CONTENT) // 2}-"
    half = len(CONTENT) // 2
    assert f"the connection broke after {half} of {len(CONTENT)} bytes; trying again" in said


def test_a_server_that_continues_nothing_sends_it_all_again(run, serve):
    url, asked = serve(broken, broken, whole)
    code, target, _ = run(url)
    assert code == 0 and target.read_bytes() == CONTENT and len(asked) == 3


def test_a_server_that_cannot_continue_there(run, serve):
    url, _ = serve(broken, status(416), whole)
    code, target, _ = run(url)
    assert code == 0 and target.read_bytes() == CONTENT


def test_after_all_tries_it_gives_up_with_1(run, serve, fetch):
    url, asked = serve(broken)
    code, target, said = run(url)
    assert code == 1 and len(asked) == fetch.TRIES and not target.exists()
    assert said.splitlines()[-1].startswith(f"fetch: model not fetched: {url}: the connection")


def test_a_busy_server_is_asked_again(run, serve):
    url, asked = serve(status(503), status(429), whole)
    assert run(url)[0] == 0 and len(asked) == 3


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_an_address_that_refuses_is_not_asked_again(run, serve, code):
    url, asked = serve(status(code))
    exit_code, _, said = run(url)
    assert exit_code == 3 and len(asked) == 1
    assert f"the server answered {code} " in said


def test_nobody_there(run):
    code, _, said = run("http://127.0.0.1:9/m")
    assert code == 1 and "refused" in said.lower()


def test_who_asks_is_told_to_the_first_address_alone(run, serve, monkeypatch):
    monkeypatch.setenv("MODEL_AUTHORIZATION", "Bearer token")
    storage, there = serve(whole)
    url, here = serve(status(302, Location=f"{storage}/m"))
    code, target, said = run(url)
    assert code == 0 and target.read_bytes() == CONTENT
    assert here[0]["Authorization"] == "Bearer token"
    assert "Authorization" not in there[0] and "token" not in said
