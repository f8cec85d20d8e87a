"""What one reads while a rollout is waited for, and when it failed."""

import io

import pytest
from rich.console import Console

from mlship.cli import rollout_view, waiting
from mlship.errors import ClusterError
from mlship.rollout.snapshot import Snapshot
from mlship.rollout.trouble import Trouble
from mlship.rollout.watching import Moment

NOTHING = Snapshot.of("iris", [])
ROLLING = Snapshot.of(
    "iris", [{"kind": "Deployment", "metadata": {"name": "iris"}, "spec": {"replicas": 2}}]
)


def shown(*moments, terminal=False):
    text = io.StringIO()
    board = rollout_view.Board(
        Console(file=text, force_terminal=terminal, width=90), "Rolling", NOTHING
    )
    with board:
        for moment in moments:
            board.show(moment)
    return text.getvalue()


def silent(seconds, last=ROLLING):
    return Moment(last, "rolling", (), seconds + 3, silent=float(seconds))


def test_silence_is_told_every_ten_seconds():
    before = Moment(ROLLING, "rolling", (), 2.0)
    lines = shown(before, *map(silent, range(35)), before, *map(silent, range(12))).splitlines()
    assert lines == [
        "Rolling",
        "    2 s  0 of 2 new pods serve",
        "   13 s  the cluster has not answered for 10 s",
        "   23 s  the cluster has not answered for 20 s",
        "   33 s  the cluster has not answered for 30 s",
        "   13 s  the cluster has not answered for 10 s",
    ]


def test_silence_from_the_beginning():
    assert shown(silent(0, NOTHING), silent(11, NOTHING)).splitlines() == [
        "Rolling", "   14 s  the cluster has not answered for 11 s",
    ]  # fmt: skip


def test_silence_on_a_terminal_stands_below_what_was_known():
    text = shown(silent(4), terminal=True)
    assert "0 of 2 new pods serve" in text and "the cluster has not answered for 4 s" in text


STAYS = "correct it; with --no-rollback the pod stays, and `mlship logs` says why"


def failure(timeout=None, verdict="late", advice=None, **kwargs):
    troubles = (Trouble("probe", "It is not ready", ("503",), advice),) if advice else ()
    moment = Moment(ROLLING, verdict, troubles, 400.0, idle=315.4)
    return waiting.failure("iris", moment, timeout, **kwargs)


def test_words_of_what_took_too_long():
    limited = failure(timeout=300)
    assert limited.what == "The rollout of iris did not finish within 300 s: 0 of 2 new pods serve"
    assert limited.next == "mlship status --watch; --timeout SECONDS gives it more time"
    stuck = failure()
    assert stuck.what == "Nothing of the rollout of iris has moved for 315 s: 0 of 2 new pods serve"
    assert stuck.next == "mlship status --watch"
    known = failure(advice=STAYS)
    assert known.what == stuck.what and known.why == "It is not ready\n503"
    assert (known.next, known.cause) == (STAYS, "probe")


@pytest.mark.parametrize(
    ("advice", "fitting"),
    [(STAYS, "correct it"), ("raise the limit", "raise the limit"),
     ("wait: `mlship deploy --timeout` takes longer", "")],
)  # fmt: skip
def test_advice_that_only_deploy_can_follow(advice, fitting):
    assert failure(verdict="failed", advice=advice).next == advice
    assert failure(verdict="failed", advice=advice, deploys=False).next == fitting
    assert failure(verdict="failed", advice=advice, deploys=False).what == "It is not ready"


def test_advice_that_only_deploy_can_follow_is_not_for_programs_either():
    moment = Moment(ROLLING, "failed", (Trouble("probe", "It is not ready", (), STAYS),), 1.0)
    assert waiting.troubles(moment)[0]["next"] == STAYS
    (found,) = waiting.troubles(moment, deploys=False)
    assert (found["cause"], found["next"]) == ("probe", "correct it")


class Gone:
    """A project whose Deployment can't be looked at."""

    name = "iris"

    def __init__(self, error):
        self.error = error

    def diagnose(self, found):
        return []

    def look(self):
        raise self.error


@pytest.mark.parametrize(
    ("cause", "what", "advice"),
    [("not-deployed", "The Deployment iris is gone: somebody removed it meanwhile",
      "mlship deploy brings it back"),
     ("forbidden", "You may not", "ask; then mlship status")],
)  # fmt: skip
def test_what_ends_the_waiting(cause, what, advice):
    error = ClusterError("You may not", why="403", next="ask", cause=cause)
    with pytest.raises(ClusterError) as ended:
        waiting.watch(Gone(error), "Rolling", None, before=NOTHING, done=None)
    found = ended.value
    assert (found.what, found.next, found.cause) == (what, advice, cause)


def test_the_rollout_goes_on_where_one_may_not_look():
    error = ClusterError("You may not", why="403", cause="forbidden")
    with pytest.raises(ClusterError) as ended:
        waiting.watch(Gone(error), "Rolling", None, before=NOTHING)
    assert ended.value.why == "403\nThe rollout of iris goes on without mlship."
    assert ended.value.next == "mlship status"
