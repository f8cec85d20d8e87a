"""How long one watches a rollout, by a clock that only the test moves."""

import pytest

from mlship.errors import ClusterError
from mlship.rollout.snapshot import REVISION, Snapshot
from mlship.rollout.trouble import Trouble
from mlship.rollout.watching import is_done, least, watch

CERTAIN = Trouble("image-pull", "There is no image", ("not found",), "push it")
MAYBE = Trouble("probe", "Not ready", ("503",), "wait", certain=False)


def look(ready=0, wanted=2, minimum=None, deadline=None, **status):
    """Return a snapshot of a Deployment with so many new pods that serve."""
    counts = {"replicas": wanted, "updatedReplicas": wanted, "availableReplicas": ready,
              "observedGeneration": 1} | status  # fmt: skip
    items = [{"kind": "Deployment", "metadata": {"name": "iris", "uid": "d", "generation": 1},
              "spec": {"replicas": wanted}, "status": counts}]  # fmt: skip
    if deadline:
        items[0]["spec"]["progressDeadlineSeconds"] = deadline
    if minimum is not None:
        bounds = {"minReplicas": minimum} if minimum else {}
        items.append({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"},
                      "spec": {"scaleTargetRef": {"name": "iris"}, **bounds}})  # fmt: skip
    return Snapshot.of("iris", items)


class Time:
    """A clock that moves when somebody sleeps, or by what one look takes."""

    def __init__(self, looks, takes=0.0):
        self.now, self.looks, self.takes = 100.0, iter(looks), takes
        self.slept = []

    def look(self):
        self.now += self.takes
        found = next(self.looks)
        if isinstance(found, Exception):
            raise found
        return found

    def sleep(self, seconds):
        assert seconds >= 0
        self.slept.append(round(seconds, 3))
        self.now += seconds

    def watch(self, troubles=(), timeout=300, **kwargs):
        return list(watch(self.look, lambda snapshot: list(troubles), timeout,
                          clock=lambda: self.now, sleep=self.sleep, **kwargs))  # fmt: skip


def test_until_it_is_done():
    time = Time([look(0), look(1), look(2)])
    moments = time.watch([MAYBE])
    assert [m.verdict for m in moments] == ["rolling", "rolling", "done"]
    assert [m.seconds for m in moments] == [0, 1, 2]
    assert [m.troubles for m in moments] == [(MAYBE,), (MAYBE,), ()]
    assert time.slept == [1, 1]


def test_what_is_certain_ends_it_at_once():
    (moment,) = Time([look(0)]).watch([CERTAIN, MAYBE])
    assert (moment.verdict, moment.troubles, moment.seconds) == ("failed", (CERTAIN, MAYBE), 0)


def test_what_is_not_certain_goes_on_until_the_time_is_over():
    moments = Time([look(0)] * 9).watch([MAYBE], timeout=5)
    assert [m.verdict for m in moments] == ["rolling"] * 5 + ["late"]
    assert moments[-1].seconds == 5


def test_who_is_done_in_the_last_moment_is_done():
    assert Time([look(0), look(2)]).watch(timeout=1)[-1].verdict == "done"


def test_a_look_that_takes_long_is_no_pause_more():
    time = Time([look(0), look(0), look(2)], takes=0.4)
    time.watch()
    assert time.slept == [0.6, 0.6]
    slow = Time([look(0), look(2)], takes=3)
    slow.watch()
    assert slow.slept == [0]


GONE = ClusterError("The cluster can't be reached", cause="unreachable")


def test_the_api_may_be_away_for_a_minute():
    time = Time([look(1), *[GONE] * 59, look(2)])
    moments = time.watch([MAYBE])
    assert [m.verdict for m in moments] == ["rolling"] * 60 + ["done"]
    assert [m.silent for m in moments] == [None, *range(1, 60), None]
    assert all(m.snapshot is moments[0].snapshot for m in moments[:-1]), "the last that is known"
    assert moments[59].troubles == (MAYBE,) and moments[59].seconds == 59


def test_an_api_that_is_away_from_the_beginning():
    moments = Time([GONE, GONE, look(2)]).watch()
    assert [(m.verdict, m.silent) for m in moments] == [
        ("rolling", 0), ("rolling", 1), ("done", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "passes"),
    [("unreachable", True), ("api-busy", True), ("refused", True), ("credentials", False),
     ("tls", False), ("forbidden", False), ("no-namespace", False), ("not-deployed", False),
     ("no-context", False), ("", False)],
)  # fmt: skip
def test_what_may_pass_is_waited_for(cause, passes):
    time = Time([look(0), ClusterError("No", cause=cause), look(2)])
    if passes:
        assert time.watch()[-1].verdict == "done"
        return
    with pytest.raises(ClusterError):
        time.watch()
    assert time.slept == [1], "at once"


def test_the_api_is_away_for_longer():
    time = Time([look(0), *[GONE] * 99])
    with pytest.raises(ClusterError):
        time.watch()
    assert 60 < time.now - 100 < 64


def test_the_minute_counts_from_the_last_answer():
    time = Time([look(0), *[GONE] * 50, look(1), *[GONE] * 50, look(2)])
    assert time.watch()[-1].verdict == "done"


def test_an_api_that_is_away_does_not_make_it_endless():
    """A look that hangs takes its time, and the limit of the rollout still holds afterwards."""
    time = Time([look(0), *[GONE] * 2, look(0)], takes=20)
    assert [m.verdict for m in time.watch(timeout=30)] == ["rolling"] * 3 + ["late"]


@pytest.mark.parametrize(
    ("snapshot", "done"),
    [
        (look(2), True),
        (look(1), False),
        (look(2, observedGeneration=0), False),
        (look(2, replicas=3), False),  # an old pod is still there
        (look(2, updatedReplicas=1), False),
        (look(2, minimum=2), True),
        (look(2, minimum=0), True),  # minReplicas is 1 where nothing is said
        (look(2, minimum=3), False),  # the autoscaler has not acted yet
        (look(0, wanted=0), True),  # paused by somebody: as kubectl sees it
        (look(0, wanted=0, minimum=2), True),  # and the autoscaler rests, too
        (Snapshot.of("iris", []), False),
    ],
)
def test_done(snapshot, done):
    assert is_done(snapshot) is done


def test_the_least_that_an_autoscaler_wants():
    assert least(look()) == 0
    assert least(look(minimum=4)) == 4
    other = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"},
             "spec": {"scaleTargetRef": {"name": "another"}, "minReplicas": 9}}  # fmt: skip
    assert least(Snapshot.of("iris", [look().deployment, other])) == 0
    assert least(Snapshot.of("iris", [other])) == 0


# Without a timeout: how long nothing may progress.


def rolling(available=0, updated=10, old=0, ready=0, of="new"):
    """Return a snapshot of ten pods on their way, with a deadline of 60 s."""
    found = look(available, wanted=10, deadline=60, updatedReplicas=updated)
    found.deployment["metadata"]["annotations"] = {REVISION: "2"}
    owner = [{"uid": "d", "controller": True}]
    sets = [
        {"kind": "ReplicaSet", "metadata": {"name": uid, "uid": uid, "ownerReferences": owner,
                                            "annotations": {REVISION: number}}}
        for uid, number in (("old", "1"), (of, "2"))
    ]  # fmt: skip
    pods = [
        {"kind": "Pod", "metadata": {"name": f"{uid}-{i}", "ownerReferences": [
            {"uid": uid, "controller": True}]},
         "status": {"conditions": [{"type": "Ready", "status": str(i < serve)}]}}
        for uid, many, serve in ((of, 10, ready), ("old", old, old))
        for i in range(many)
    ]  # fmt: skip
    return Snapshot.of("iris", [found.deployment, *sets, *pods])


def test_a_slow_rollout_may_take_as_long_as_it_progresses():
    """Ten pods of 70 s each, one after another: more than the deadline of 60 s in all."""
    looks = [rolling(n) for n in range(10) for _ in range(70)] + [look(10, wanted=10)]
    moments = Time(looks).watch([MAYBE], timeout=None)
    assert moments[-1].verdict == "done" and moments[-1].seconds == 700
    assert max(m.idle for m in moments) == 69


def test_the_same_in_a_limited_time():
    looks = [rolling(n) for n in range(10) for _ in range(70)]
    moments = Time(looks).watch([MAYBE], timeout=300)
    assert moments[-1].verdict == "late" and moments[-1].seconds == 300


@pytest.mark.parametrize(
    "next_",
    [rolling(updated=5), rolling(available=1, updated=4), rolling(updated=4, ready=1),
     rolling(updated=4, old=2), rolling(updated=4, old=3, of="newer")],
)  # fmt: skip
def test_what_is_progress(next_):
    before = rolling(updated=4, old=3)
    moments = Time([before] * 50 + [next_] * 200).watch([MAYBE], timeout=None)
    assert moments[-1].verdict == "late"
    # The 60 s of the Deployment and a margin, in which the cluster's own verdict comes.
    assert moments[-1].seconds == 50 + 75 and moments[-1].idle == 75


def test_to_come_and_go_is_no_progress():
    """A pod that is ready for a moment before each crash does not make it endless."""
    looks = [rolling(available=n % 2, ready=n % 2) for n in range(200)]
    moments = Time(looks).watch([MAYBE], timeout=None)
    assert moments[-1].verdict == "late" and moments[-1].seconds == 1 + 75


def test_what_nobody_saw_may_have_been_progress():
    looks = [rolling(3)] * 40 + [GONE] * 50 + [rolling(3)] * 200
    moments = Time(looks).watch([MAYBE], timeout=None)
    assert moments[-1].verdict == "late" and moments[-1].seconds == 90 + 75
