"""What is said of a deployment that was stopped, and of what programs print."""

import json
from pathlib import Path

import pytest

from mlship import config
from mlship.cli import changes, console, waiting
from mlship.cli.delivery import Delivery
from mlship.cluster import releasing, rollingback
from mlship.cluster.access import Access
from mlship.cluster.kubeconfig import Cluster
from mlship.cluster.manifests import Release, Scaling
from mlship.cluster.preparing import Prepared
from mlship.cluster.releasing import NOTHING, Before
from mlship.cluster.rolling import Rolling, Superseded
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError, ToolFailed, UsageError
from mlship.project import Project
from mlship.rollout.snapshot import REVISION, Snapshot
from mlship.rollout.watching import Moment

CONFIG = config.build(
    {"name": "iris", "python": "3.12", "model": {"file": "model/iris.onnx", "sha256": "a" * 64},
     "image": "iris"}
)  # fmt: skip
PROJECT = Project(Path("/p"), CONFIG)
PREPARED = Prepared(PROJECT, Release("prod", "iris:2", "ml", Scaling(), "ann", "x"), "", [])
WAY = Access(
    Cluster("dev", "dev", "https://x", "ann"), Target("kubectl", "dev", "ml"), recorded=None
)
APPLYING = "while applying; some of the objects may have changed, the others have not"
WAITING, BACK = "waiting for the rollout", "going back to what served before"


def deployment(image="iris:1", by="ann", revision=4):
    return {
        "kind": "Deployment",
        "metadata": {"name": "iris", "annotations": {REVISION: str(revision), "mlship/by": by}},
        "spec": {"template": {"spec": {"containers": [{"name": "server", "image": image}]}}},
    }


def snapshot(*given, **named):
    return Snapshot.of("iris", [deployment(*given, **named)])


@pytest.fixture
def job():
    return Delivery(PREPARED, WAY, None)


@pytest.mark.parametrize(
    ("stage", "deployed", "advice"),
    [
        ("before anything was applied", True, ["The cluster is as it was."]),
        (APPLYING, True, [
            "Complete it, or go on waiting: the same `mlship deploy` again.",
            "Look: mlship status.",
        ]),
        (APPLYING, False, [
            "Complete it, or go on waiting: the same `mlship deploy` again.",
            "Look: mlship status. Take it away: mlship undeploy.",
        ]),
        (WAITING, True, [
            "The rollout goes on without mlship. Complete it, or go on waiting: the same "
            "`mlship deploy` again.",
            "Go back: mlship rollback --to 4. Look: mlship status.",
        ]),
        (WAITING, False, [
            "The rollout goes on without mlship. Complete it, or go on waiting: the same "
            "`mlship deploy` again.",
            "Look: mlship status. Take it away: mlship undeploy.",
        ]),
        (BACK, True, ["That goes on without mlship. Look: mlship status --watch."]),
    ],
    ids=["before", "applying", "applying-first", "waiting", "waiting-first", "back"],
)  # fmt: skip
def test_the_advice(job, stage, deployed, advice):
    job.stage = stage
    job.before = Before({}, [], [], snapshot()) if deployed else NOTHING
    assert job._advice() == advice


def test_a_namespace_that_was_made_is_told(job):
    job.made_namespace = True
    assert job._advice() == ["The namespace ml was made; otherwise the cluster is as it was."]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_stopped(job, capsys, monkeypatch, stop):
    job.stage, job.before = WAITING, Before({}, [], [], snapshot())
    monkeypatch.setattr(Rolling, "look", lambda self: snapshot())
    with pytest.raises(stop), job.told():
        raise stop
    said = capsys.readouterr().err
    assert "Stopped waiting for the rollout." in said
    # The advice comes first: to look takes a while, and may fail.
    assert said.index("mlship rollback --to 4") < said.index("On the cluster now: ")


@pytest.mark.parametrize("again", [False, True])
def test_stopped_for_programs(job, capsys, monkeypatch, again):
    def look(self):
        if again:  # Ctrl-C once more
            raise KeyboardInterrupt
        return snapshot("iris:2", revision=5)

    job.as_json, job.stage, job.done = True, WAITING, ["configmap/iris serverside-applied"]
    monkeypatch.setattr(Rolling, "look", look)
    with pytest.raises(KeyboardInterrupt), job.told():
        raise KeyboardInterrupt
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["stopped"], told["image"]) == (False, WAITING, "iris:2")
    assert told["applied"] == ["configmap/iris serverside-applied"]
    assert told.get("revision") == (None if again else 5)


def test_stopped_where_nothing_answers(job, capsys, monkeypatch):
    def silent(self):
        raise ClusterError("The cluster does not answer")

    job.stage = APPLYING
    monkeypatch.setattr(Rolling, "look", silent)
    with pytest.raises(KeyboardInterrupt), job.told():
        raise KeyboardInterrupt
    assert "The cluster's state is unknown: The cluster does not answer." in capsys.readouterr().err


# What failed


def test_the_cause_is_told_before_it_is_marked(job, capsys, monkeypatch):
    monkeypatch.setattr(waiting, "watch", lambda *given, **named: Moment(snapshot(), "late", (), 9))
    told = []
    monkeypatch.setattr(
        rollingback, "mark", lambda *given: told.append(capsys.readouterr().err) or False
    )
    monkeypatch.setattr(Delivery, "_go_back", lambda self: "went back")
    with pytest.raises(ClusterError, match="Not deployed; went back"):
        job.wait(3)
    assert told[0].startswith("Failed: The rollout of iris did not finish within 3 s")


def test_what_would_change_where_nobody_answers(job, monkeypatch):
    class Slow:
        def ask(self, command, timeout=60):
            raise ToolFailed("kubectl did not answer within 60 s")

    job.runner = Slow()
    monkeypatch.setattr(releasing, "look", lambda *given: NOTHING)
    with pytest.raises(ClusterError, match="The cluster does not answer"):
        changes.show(job.prepared, WAY.target, job.runner, {}, as_json=False)


# Somebody else


def test_another_release_is_noticed(monkeypatch):
    answers = [snapshot("iris:2"), snapshot("iris:2"), snapshot("iris:3", by="bob")]
    monkeypatch.setattr("mlship.cluster.deployed.snapshot", lambda *given: answers.pop(0))
    rolling = Rolling(PROJECT, WAY, None)
    rolling.look()
    rolling.look()  # another count, or another owner, is no other release
    with pytest.raises(Superseded) as caught:
        rolling.look()
    assert caught.value.what == "Another deployment of iris came in between, by bob"
    assert "iris:3" in caught.value.why and "Nothing was undone." in caught.value.why
    assert caught.value.exit_code == 7


# What programs print


@pytest.mark.parametrize("line", ["[required-labels] denied", "[/x]", "[bold]a[/bold]", "[red]"])
def test_lines_of_kubectl_are_no_markup(capsys, line):
    console.dim(line)
    console.warn(line)
    console.show_error(ClusterError(line, why=line, next=line))
    out, err = capsys.readouterr()
    assert out == f"{line}\n"
    assert err.splitlines() == [
        f"Warning: {line}", f"Error: {line}", f"  {line}", f"  Next: {line}",
    ]  # fmt: skip


def test_lines_of_kubectl_don_t_steer_the_terminal(capsys):
    console.dim("a\x1b[2Jb")
    assert capsys.readouterr().out == "a\\x1b[2Jb\n"


@pytest.fixture
def state(monkeypatch):
    """The console as it is at the start of the program."""
    monkeypatch.setattr(console, "out", console.out)
    monkeypatch.setattr(console, "_owes_json", False)


@pytest.mark.usefixtures("state")
def test_an_error_is_printed_for_programs_once(capsys):
    error = UsageError("No", why="it can't be", next="say yes")
    console.print_failure(error)
    assert capsys.readouterr().out == "", "nobody asked for JSON"
    console.prose_to_stderr(True)
    console.print_failure(error)
    assert '"exit_code": 2' in capsys.readouterr().out
    console.print_failure(error)
    console.print_json({"ok": True})
    console.prose_to_stderr(True)
    console.print_json({"ok": False})
    capsys.readouterr()
    console.print_failure(error)
    assert capsys.readouterr().out == "", "a result was printed already"


def test_the_values_of_an_error():
    found = console.as_values(ClusterError("a", why="b", next="c"))
    assert found == {"what": "a", "why": "b", "next": "c", "exit_code": 7}
    refused = ClusterError("a", why="b", next="c", cause="forbidden")
    assert console.as_values(refused) == found | {"cause": "forbidden"}
