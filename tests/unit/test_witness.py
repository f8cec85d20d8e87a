"""What kubectl adds to a diagnosis, and that a failing kubectl adds nothing."""

import json

import pytest

from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.errors import ToolFailed
from mlship.rollout.logs import digests, error_line, last_lines, readable
from mlship.rollout.witness import Kubectl, answer
from mlship.runner import Command, Result

TARGET = Target("kubectl", None, "ml")
NEW = (
    'I1125 03:42:18.2 2524 round_trippers.go:632] "Response" status="503 Service Unavailable" '
    'headers=<\n\tDate: Wed\n > milliseconds=11\nI1125 03:42:18.2 2524 get.go:174] "Response Body" '
    'body="{\\"status\\":\\"starting\\"}"\nError from server (ServiceUnavailable): the server is '
    "currently unable to handle the request\n"
)
LINES = (
    'I1125 1 round_trippers.go:632] "Response" verb="GET" url="https://x" status="500 Internal '
    'Server Error" headers=<\n >\nI1125 1 get.go:174] "Response Body" body=<\n\t<h1>\n\tOops\n >\n'
)
OLD = (
    "I1125 1 round_trippers.go:580] Response Status: 404 Not Found in 3 milliseconds\n"
    'I1125 1 request.go:1212] Response Body: {"detail":"Not Found"}\n'
)
OWN = (
    'I1125 1 round_trippers.go:632] "Response" status="403 Forbidden" headers=<\n >\n'
    'I1125 1 get.go:174] "Response Body" body="{\\"kind\\":\\"Status\\",\\"message\\":\\"no\\"}"\n'
)


class Fake:
    """A runner that answers all commands alike and counts them."""

    def __init__(self, result):
        self.result, self.asked = result, []

    def ask(self, command, timeout=60):
        self.asked.append(command)
        if self.result is None:
            raise ToolFailed("too slow")
        return self.result


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "expected"),
    [
        (0, '{"status":"ready"}', "", '200 {"status":"ready"}'),
        (1, "", NEW, '503 {"status":"starting"}'),
        (1, "", LINES, "500 <h1> Oops"),
        (1, "", OLD, '404 {"detail":"Not Found"}'),
        (1, "", OWN, ""),
        (1, "", "Unable to connect to the server: EOF", ""),
        (0, "\x1b[2Jok\n", "", "200 \\x1b[2Jok"),
    ],
)
def test_answer_of_a_pod(code, stdout, stderr, expected):
    assert answer(Result(code, stdout, stderr)) == expected
    said = Kubectl(Fake(Result(code, stdout, stderr)), TARGET).probe("iris-1", 8000, "/readyz")
    assert said == expected


def test_log_lines():
    lines = "a\nunable to retrieve container logs for containerd://f00\nb\n"
    assert Kubectl(Fake(Result(0, lines, "")), TARGET).log("p", "c", previous=True) == ["a", "b"]
    assert Kubectl(Fake(Result(1, "x", "no")), TARGET).log("p", "c", previous=False) == []


def test_nodes_are_asked_for_once_in_a_while():
    fake, now = Fake(Result(0, json.dumps({"items": [{"kind": "Node"}]}), "")), [0.0]
    witness = Kubectl(fake, TARGET, now=lambda: now[0])
    for seconds, asked in ((0, 1), (10, 1), (16, 2)):
        now[0] = seconds
        assert witness.nodes() == [{"kind": "Node"}] and len(fake.asked) == asked
    witness.node_pods()
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result(0, "secret/keys\n", ""), True),
        (Result(1, "", 'Error from server (NotFound): secrets "keys" not found'), False),
        (Result(1, "", "Error from server (Forbidden): ..."), None),
        (None, None),
    ],
)
def test_exists(result, expected):
    assert Kubectl(Fake(result), TARGET).exists("secret", "keys") is expected


@pytest.mark.parametrize("result", [None, Result(1, "", "Forbidden"), Result(0, "not JSON", "")])
def test_who_may_not_ask_knows_nothing(result):
    witness = Kubectl(Fake(result), TARGET)
    assert witness.nodes() == witness.node_pods() == []


def test_json_logs_become_readable():
    trace = "Traceback (most recent call last):\n  File x\nValueError: bad"
    lines = [
        json.dumps({"level": "CRITICAL", "message": "no model", "exc_info": trace}),
        json.dumps({"severity": "INFO", "msg": "b"}),
        '{"neither": 1}',
        "{broken",
        "",
        "\x1b[31mred\x1b[0m\tend",
    ]
    assert readable(lines) == [
        "CRITICAL no model", "Traceback (most recent call last):", "  File x", "ValueError: bad",
        "INFO b", '{"neither": 1}', "{broken", "red end",
    ]  # fmt: skip
    assert error_line(lines) == "ValueError: bad"
    assert error_line(["fine"]) == ""
    assert len(last_lines(["x" * 900] * 20)) == 8
    assert all(len(line) < 260 for line in last_lines(["x" * 900] * 20))


def test_the_error_of_chained_tracebacks_is_the_last():
    lines = [
        "Traceback (most recent call last):", '  File "a"', "KeyError: 1", "",
        "During handling of the above exception, another exception occurred:", "",
        "Traceback (most recent call last):", '  File "b"', "app.errors.Bad: no", "exiting",
    ]  # fmt: skip
    assert error_line(lines) == "app.errors.Bad: no"


def test_digests():
    a, b = "a" * 64, "b" * 64
    assert digests([f"model refused: m has sha256 {a}, expected {b}"]) == (a, b)
    assert digests(["m: FAILED", "WARNING: 1 computed checksum did NOT match"]) == ("", "")
    assert digests(["listening"]) is None


def test_looking_for_what_is_wrong():
    target = Target("/bin/kubectl", "kind-dev", "default")
    start = ("/bin/kubectl", "--context", "kind-dev", "--namespace", "default")
    soon = "--request-timeout=5s"

    def expected(*words):
        return Command((*start, *words))

    assert kubectl.log(target, "iris-1", "server", previous=False) == expected(
        "logs", "iris-1", "--container", "server", "--tail=40", soon
    )
    assert kubectl.log(target, "iris-1", "fetch", previous=True, lines=9) == expected(
        "logs", "iris-1", "--container", "fetch", "--tail=9", "--previous", soon
    )
    assert kubectl.proxied(target, "iris-1", 8000, "/readyz") == expected(
        "get", "--raw", "/api/v1/namespaces/default/pods/iris-1:8000/proxy/readyz", "-v=8"
    )
    assert kubectl.nodes(target) == expected("get", "nodes", "--output", "json", soon)
    assert kubectl.running_pods(target) == expected(
        "get", "pods", "--all-namespaces",
        "--field-selector=status.phase!=Succeeded,status.phase!=Failed", "--output", "json", soon,
    )  # fmt: skip
    assert kubectl.one(target, "secret", "keys") == expected(
        "get", "secret", "keys", "--output", "name", soon
    )
