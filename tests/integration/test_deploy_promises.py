"""What one may rely on: what was confirmed is applied, to what is ours, and the rest is told."""

import hashlib
import json
import subprocess
import threading

import pytest

from mlship.cli import console
from mlship.cluster import releasing
from tests.support.deploying import (
    ONE,
    TWO,
    counts,
    image_of,
    kept,
    owners,
    pods,
    started,
    until_watched,
    writes,
)
from tests.support.fake_cluster import scenarios

pytestmark = pytest.mark.usefixtures("tools")


def listing(project):
    """Return all that a change of the project's files would change."""
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in project.rglob("*")
    }


def overlays(project):
    return list((project / ".mlship").glob("deploy*"))


# What was confirmed


def test_what_was_confirmed_is_applied(fake_cluster, run, project, monkeypatch):
    """The person thinks for a while, and somebody else works on the files."""
    scaler = project / "k8s" / "overlays" / "prod" / "hpa.yaml"

    def thinks(question, doubts, *, yes):
        assert overlays(project) == []
        scaler.write_text(scaler.read_text().replace("minReplicas: 2", "minReplicas: 7"))

    monkeypatch.setattr(console, "confirm", thinks)
    run()
    assert "minReplicas: 7" in scaler.read_text()
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris")["spec"]["minReplicas"] == 2


@pytest.mark.parametrize("option", ["--dry-run", "--diff"])
def test_looking_writes_nothing(fake_cluster, run, project, option):
    before = listing(project)
    run(option, sure=False)
    assert listing(project) == before
    # As little where mlship.yaml has changed, and what one looks at is what it asks for.
    settings = project / "mlship.yaml"
    settings.write_text(settings.read_text().replace("replicas: 2", "replicas: 3"))
    before = listing(project)
    assert "minReplicas: 3" in run(option, sure=False).stdout
    assert listing(project) == before
    assert writes(fake_cluster) == []


def test_no_overlay_is_left(fake_cluster, run, project):
    run()
    assert overlays(project) == []
    fake_cluster.play("iris:2", scenarios.image_not_found())
    run(image=TWO, code=7)
    assert overlays(project) == []
    (project / "k8s" / "base" / "service.yaml").write_text("kind: [")
    run(image=TWO, code=6)
    assert overlays(project) == []


# Others who deploy


def test_somebody_else_deploys_meanwhile(fake_cluster, run, project):
    run()
    fake_cluster.play("iris:2", scenarios.slow_start(2000))
    with started(project, "--json", image=TWO) as process:
        fake_cluster.wait(lambda: image_of(fake_cluster) == TWO)
        until_watched(fake_cluster)
        theirs = fake_cluster.get("Deployment", "iris")
        theirs["spec"]["template"]["spec"]["containers"][0]["image"] = "r.example.com/team/iris:3"
        theirs["metadata"]["annotations"]["mlship/by"] = "bob@ci"
        fake_cluster.put(theirs, "mlship")
        out, err = process.communicate(timeout=30)
    assert process.returncode == 7
    error = json.loads(out)["error"]
    assert error["what"] == "Another deployment of iris came in between, by bob@ci"
    assert error["why"] == (
        "The cluster rolls out r.example.com/team/iris:3 now. Nothing was undone."
    )
    assert error["what"] in err
    assert "rolled_back" not in json.loads(out)
    assert image_of(fake_cluster).endswith(":3")


def plainly(project):
    subprocess.run(["kubectl", "apply", "-k", project / "k8s" / "overlays" / "prod"], check=True)


def test_after_a_plain_kubectl_apply(fake_cluster, run, project):
    """What it applied is mlship's own: nobody's fields are taken."""
    plainly(project)
    fake_cluster.wait(lambda: len(pods(fake_cluster)) == 2)
    run()
    assert image_of(fake_cluster) == ONE
    assert fake_cluster.get("Service", "iris")["spec"]["ports"][0]["port"] == 80


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_what_somebody_else_applied_plainly_is_not_taken(fake_cluster, run, project, kind):
    plainly(project)
    theirs = fake_cluster.get(kind, "iris")
    del theirs["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    theirs["spec"] |= {"minReadySeconds": 99} if kind == "Deployment" else {"type": "NodePort"}
    fake_cluster.put(theirs, "kubectl-client-side-apply")
    since = len(fake_cluster.requests)
    done = run(code=7)
    assert "Somebody with kubectl apply owns" in done.stderr
    assert "--force-conflicts" in done.stderr
    assert writes(fake_cluster, since) == []
    run("--force-conflicts")


# How many pods


def autoscaler(name="theirs", **labels):
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "minReplicas": 2, "maxReplicas": 5, "metrics": [],
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris"},
        },
    }  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--replicas", 4)])
def test_an_autoscaler_of_somebody_else(fake_cluster, run, options):
    """As `kubectl autoscale deployment/iris` makes one: without a label."""
    run()
    fake_cluster.put(autoscaler())
    before, since = kept(fake_cluster), len(fake_cluster.requests)
    done = run(*options, code=7)
    assert "The HorizontalPodAutoscaler theirs sets the count" in done.stderr
    assert "delete horizontalpodautoscaler theirs" in done.stderr
    assert (kept(fake_cluster), writes(fake_cluster, since)) == (before, [])


def test_an_autoscaler_of_another_deployment_does_not_count(fake_cluster, run):
    run()
    other = autoscaler()
    other["spec"]["scaleTargetRef"]["name"] = "other"
    fake_cluster.put(other)
    run("--replicas", 4)
    assert fake_cluster.get("HorizontalPodAutoscaler", "theirs")
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris") is None


def test_an_autoscaler_comes_back_that_was_in_no_set(fake_cluster, run, project):
    plainly(project)
    fake_cluster.wait(lambda: len(pods(fake_cluster)) == 2)
    fake_cluster.play("iris:2", scenarios.crash_loop())
    since = len(fake_cluster.store.history)
    done = run("--replicas", 4, image=TWO, code=7)
    assert "went back to" in done.stderr
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris")["spec"]["minReplicas"] == 2
    assert image_of(fake_cluster) != TWO
    assert set(counts(fake_cluster, since)) <= {2, 4}, "the count never drops"


@pytest.mark.parametrize("options", [(), ("--autoscale", "3-5")])
def test_what_was_scaled_to_nothing_serves_again(fake_cluster, run, options):
    """An autoscaler does not wake it up."""
    run("--replicas", 2)
    subprocess.run(["kubectl", "scale", "deployment/iris", "--replicas=0"], check=True)
    fake_cluster.wait(lambda: not pods(fake_cluster))
    wanted = 3 if options else 2
    shown = run("--diff", *options).stdout.splitlines()
    assert "-  replicas: 0" in shown and f"+  replicas: {wanted}" in shown
    assert json.loads(run("--json", *options).stdout)["ready"] == wanted
    assert "mlship" not in owners(fake_cluster)


def test_without_the_right_to_list_autoscalers(fake_cluster, run):
    fake_cluster.forbid("list", "horizontalpodautoscalers")
    assert "2 pods" in run("--replicas", 2).stdout


# Nothing half applied is hidden


@pytest.fixture
def refused_later(fake_cluster, monkeypatch):
    """Have the API server refuse the budget only when it is applied for good."""
    steps = releasing.steps

    def after_the_rehearsal(*given, **named):
        words = 'admission webhook "a.b.c" denied the request: [required-labels] denied [/x]'
        fake_cluster.fail("patch", "poddisruptionbudgets", 403, "Forbidden", words, times=1)
        return steps(*given, **named)

    monkeypatch.setattr(releasing, "steps", after_the_rehearsal)


@pytest.mark.usefixtures("refused_later")
def test_applied_half_way_at_first(fake_cluster, run):
    done = run("--json", code=7)
    assert "service/iris serverside-applied" in done.stderr
    assert "poddisruptionbudget.policy/iris serverside-applied" not in done.stderr
    assert "[required-labels] denied [/x]" in done.stderr, "as it is"
    error = json.loads(done.stdout)["error"]
    assert error["what"] == "Not deployed; what was changed before that (see above) stays so"
    assert error["next"].endswith("mlship undeploy takes away what is there")
    assert fake_cluster.get("Service", "iris")


def test_applied_half_way_it_goes_back(fake_cluster, run, service, request):
    fake_cluster.serve("iris:1", service.server_port)
    run()
    before = kept(fake_cluster)
    request.getfixturevalue("refused_later")
    done = run("--json", image=TWO, code=7)
    assert "deployment.apps/iris serverside-applied" in done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["error"]["what"].startswith(f"Not deployed; went back to {ONE} (revision ")
    assert outcome["rolled_back"]["answers"] is True
    after = kept(fake_cluster)
    for key, value in before.items():
        if key[0] != "ReplicaSet":
            assert after[key] == value, key


def test_applied_half_way_without_a_way_back(fake_cluster, run, request):
    run()
    request.getfixturevalue("refused_later")
    done = run("--no-rollback", image=TWO, code=7)
    assert "what was changed before that (see above) stays so" in done.stderr
    assert "mlship undeploy" not in done.stderr
    assert image_of(fake_cluster) == TWO


def test_going_back_fails_too(fake_cluster, run, request):
    run()
    fake_cluster.play("iris:2", scenarios.crash_loop())
    with_image = threading.Event()

    def broken():
        fake_cluster.wait(lambda: image_of(fake_cluster) == TWO)
        fake_cluster.forbid("patch", "deployments")
        with_image.set()

    thread = threading.Thread(target=broken)
    thread.start()
    done = run("--json", image=TWO, code=7)
    thread.join()
    assert with_image.is_set()
    outcome = json.loads(done.stdout)
    assert outcome["error"]["what"].startswith(
        "Not deployed; going back failed, too: ann may not patch deployments"
    )
    assert outcome["rolled_back"] is None
    assert outcome["error"]["why"], "why the pods fail is told all the same"


# What would change


def test_a_diff_lists_what_would_go(fake_cluster, run, project):
    overlay = project / "k8s" / "overlays" / "prod"
    text = (overlay / "kustomization.yaml").read_text()
    (overlay / "mine.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\ndata: {a: b}\n"
    )
    more = text.replace("  - hpa.yaml", "  - hpa.yaml\n  - mine.yaml")
    (overlay / "kustomization.yaml").write_text(more)
    run()
    assert "Nothing would change." in run("--diff").stdout
    (overlay / "kustomization.yaml").write_text(text)
    done = run("--diff")
    assert done.stdout.splitlines()[-1] == "- ConfigMap/mine would be removed"
    assert "Nothing would change" not in done.stdout
    told = json.loads(run("--diff", "--json", "--replicas", 2).stdout)
    assert told["removed"] == ["HorizontalPodAutoscaler.autoscaling/iris", "ConfigMap/mine"]
    assert told["ok"] is True
    assert json.loads(run("--json", "--replicas", 2).stdout)["pruned"] == ["ConfigMap/mine"]
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris") is None
    assert "Nothing would change." in run("--diff", "--replicas", 2).stdout


# Errors for programs


@pytest.mark.parametrize(
    ("options", "sure", "code", "says", "cause"),
    [
        (("--context", "nope"), True, 7, "There is no context nope", "no-context"),
        (("--namespace", "none"), True, 7, "There is no namespace none", "no-namespace"),
        ((), False, 2, "nobody is here to ask", None),
        (("--replicas", 2, "--cpu", 50), True, 2, "--replicas fixes the count", None),
        (("--project", "/"), True, 3, "mlship.yaml", None),
    ],
    ids=["context", "namespace", "nobody", "usage", "project"],
)
def test_an_error_is_one_object(fake_cluster, run, options, sure, code, says, cause):
    done = run("--json", *options, sure=sure, code=code)
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert set(told["error"]) - {"cause"} == {"what", "why", "next", "exit_code"}
    assert told["error"].get("cause") == cause
    assert says in " ".join([told["error"]["what"], told["error"]["why"]])
    assert told["error"]["next"] and told["error"]["exit_code"] == code
    assert writes(fake_cluster) == []


def test_a_refusal_is_one_object(fake_cluster, run):
    fake_cluster.forbid("patch", "services")
    told = json.loads(run("--json", code=7).stdout)
    assert "may not patch services" in told["error"]["what"]
    assert told["error"]["cause"] == "forbidden"
    assert told["image"] == ONE, "with where to"
    told = json.loads(run("--json", "--diff", code=7).stdout)
    assert "may not patch services" in told["error"]["what"]


def test_a_failed_rollout_is_one_object(fake_cluster, run):
    fake_cluster.play("iris:1", scenarios.image_not_found())
    told = json.loads(run("--json", code=7).stdout)
    assert (told["ok"], told["error"]["exit_code"]) == (False, 7)
    assert told["error"]["what"].startswith("Not deployed; nothing served before")
    assert told["error"]["cause"] == "image-pull"
    assert told["troubles"][0]["cause"] == "image-pull"
