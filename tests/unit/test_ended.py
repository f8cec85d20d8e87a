"""Pods that ended in the past explain nothing of what is waited for now."""

import copy
from datetime import datetime, timedelta

import pytest

from mlship.rollout import ended
from mlship.rollout.diagnosis import diagnose
from tests.support.rollouts import moment
from tests.support.rollouts.nobody import Nobody

LOW = ("Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi.")
LIMIT = ("Evicted", 'Usage of EmptyDir volume "data" exceeds the limit "4Mi".')
SHUT_DOWN = ("Terminated", "Pod was terminated in response to imminent node shutdown.")
PAST = [[LOW] * 2, [LIMIT], [SHUT_DOWN] * 3]


def written(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def with_ended(found, endings, ago):
    """Add pods of the newest revision that ended so many seconds ago, a minute after they came."""
    when = found.taken - timedelta(seconds=ago)
    for n, (reason, message) in enumerate(endings):
        pod = copy.deepcopy(found.pod)
        created = written(when - timedelta(seconds=60))
        pod["metadata"] |= {"name": f"iris-old-{n}", "uid": f"old-{n}",
                            "creationTimestamp": created}  # fmt: skip
        unready = {"type": "Ready", "status": "False", "lastTransitionTime": written(when)}
        pod["status"] = {"phase": "Failed", "reason": reason, "message": message,
                         "startTime": created, "conditions": [unready]}  # fmt: skip
        found.items.insert(0, pod)
    return found


def causes(snapshot, before=None):
    return [t.cause for t in diagnose(ended.left_out(snapshot, before), Nobody())]


@pytest.mark.parametrize("endings", PAST)
@pytest.mark.parametrize("ago", [2, 14 * 86400])
def test_what_had_ended_before_is_no_cause_however_recent(endings, ago):
    found = with_ended(moment("starting"), endings, ago)
    snapshot = found.snapshot()
    assert diagnose(snapshot, Nobody())[0].certain, "else it proves nothing"
    assert set(causes(snapshot, before=snapshot)) <= {"probe"}


@pytest.mark.parametrize("endings", PAST)
def test_what_ended_since_is_one(endings):
    found = with_ended(moment("starting"), endings, 2)
    before = moment("starting").snapshot()
    assert causes(found.snapshot(), before)[0] in {"node-pressure", "ephemeral-storage"}


def test_what_ends_later_is_told_from_what_had_ended():
    """One pod more is evicted: with the old ones, there would be enough of them."""
    found = with_ended(moment("starting"), [LOW] * 2, 2)
    before = found.snapshot()
    again = copy.deepcopy(found.items[0])
    again["metadata"] |= {"name": "iris-again", "uid": "again"}
    found.items.append(again)
    first = diagnose(ended.left_out(found.snapshot(), before), Nobody())[0]
    assert (first.cause, first.certain, first.pod) == ("node-pressure", False, "iris-again")


@pytest.mark.parametrize("endings", PAST)
@pytest.mark.parametrize(("ago", "counts"), [(20, True), (14 * 86400, False)])
def test_who_only_looks_is_told_of_what_ended_a_short_while_ago(endings, ago, counts):
    found = with_ended(moment("starting"), endings, ago)
    assert bool({"node-pressure", "ephemeral-storage"} & set(causes(found.snapshot()))) is counts


def test_a_short_while_is_counted_from_the_oldest_pod_that_is_waited_for():
    """A rollout that has been failing since yesterday still tells of what ended then."""
    found = with_ended(moment("starting"), [LOW] * 2, 86400)
    assert "node-pressure" not in causes(found.snapshot())
    found.pod["metadata"]["creationTimestamp"] = written(found.taken - timedelta(seconds=86300))
    assert "node-pressure" in causes(found.snapshot())


def test_an_end_without_a_time_counts():
    found = with_ended(moment("starting"), [LIMIT], 86400)
    pod = found.items[0]
    del pod["metadata"]["creationTimestamp"], pod["status"]["startTime"]
    del pod["status"]["conditions"]
    assert "ephemeral-storage" in causes(found.snapshot())


def test_the_rest_stays_as_it_is():
    found = with_ended(moment("healthy"), [LOW], 86400)
    snapshot = found.snapshot()
    left = ended.left_out(snapshot)
    assert [p["metadata"]["uid"] for p in left.new_pods] == [found.pod["metadata"]["uid"]]
    assert (left.deployment, left.events, left.taken) == (
        snapshot.deployment, snapshot.events, snapshot.taken,
    )  # fmt: skip
    assert isinstance(left.taken, datetime)
