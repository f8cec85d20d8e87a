"""`mlship deploy` as a user types it, with the real kubectl, against a cluster that is played."""

import json
import os
import signal
import subprocess
import time

import pytest
import yaml

from mlship.cli import image_check
from mlship.cluster import applyset, releasing
from tests.support.deploying import (
    ONE,
    TWO,
    counts,
    having,
    image_of,
    kept,
    owners,
    pods,
    started,
    stop,
    until_watched,
    writes,
)
from tests.support.fake_cluster import FakeCluster, scenarios
from tests.support.projects import mlship

PART_OF = applyset.PART_OF
LOADED = 'case "$1" in load) echo "$@" >> "$KIND_LOG" ;; *) exit 64 ;; esac'


pytestmark = pytest.mark.usefixtures("tools")


# Doubts, targets, what asks no cluster


def test_the_first_deployment_asks_and_then_does_all(fake_cluster, run, project):
    done = run(code=2, sure=False)
    assert done.stderr.splitlines() == [
        "Error: Deploy iris there: nobody is here to ask",
        "  This project was not deployed from here before.",
        "  Next: look at the context and the namespace above, then add --yes",
    ]
    assert fake_cluster.requests == []
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "context", "cluster", "namespace", "image",
    ]  # fmt: skip
    assert not (project / ".mlship" / "state.json").exists()

    done = run("--json")
    outcome = json.loads(done.stdout)
    assert outcome.pop("seconds") >= 0
    assert outcome == {
        "ok": True, "context": "fake", "server": f"http://127.0.0.1:{fake_cluster.port}",
        "namespace": "default", "env": "prod", "image": ONE, "revision": 1, "replicas": 2,
        "ready": 2, "waited": True, "pruned": [], "kept": [],
    }  # fmt: skip
    state = json.loads((project / ".mlship" / "state.json").read_text())
    assert state["last"] == "prod" and state["environments"]["prod"]["context"] == "fake"
    deployment = fake_cluster.get("Deployment", "iris")
    who = deployment["metadata"]["annotations"]["mlship/by"]
    cause = deployment["metadata"]["annotations"]["kubernetes.io/change-cause"]
    assert cause == f"mlship deploy {ONE} by {who}"
    # The autoscaler has the count: mlship never set it.
    assert "mlship" not in owners(fake_cluster)
    label = applyset.identity("iris", "default")
    ours = [o for o in kept(fake_cluster).values() if (o[0] or {}).get(PART_OF) == label]
    assert len(ours) == 7
    parent = fake_cluster.get("ConfigMap", "iris-mlship")
    assert (
        "Deployment.apps"
        in parent["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"]
    )

    # The same again is no question any more, and changes nothing.
    before = kept(fake_cluster)
    done = run(sure=False)
    assert "2 pods" in done.stdout
    assert kept(fake_cluster) == before
    assert "Nothing would change." in run("--diff", sure=False).stdout

    # Another namespace is one, though.
    done = run("--namespace", "other", code=2, sure=False)
    assert "It was deployed to the namespace default before." in done.stderr


def test_a_namespace_that_is_not_there(fake_cluster, run):
    done = run("--namespace", "ml", code=7)
    assert "There is no namespace ml" in done.stderr and "--create-namespace" in done.stderr
    assert writes(fake_cluster) == []
    run("--namespace", "ml", "--create-namespace")
    assert image_of(fake_cluster, "ml") == ONE


def test_a_dry_run_asks_no_cluster(fake_cluster, run):
    done = run("--dry-run", "--replicas", 3)
    assert fake_cluster.requests == []
    kinds = {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}
    assert kinds["Deployment"]["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in kinds
    told = json.loads(run("--dry-run", "--replicas", 3, "--json").stdout)
    assert {each["kind"]: each for each in told["manifests"]} == kinds
    assert f"# {told['commands'][0]}" in done.stdout.splitlines()


def test_a_diff_changes_nothing(fake_cluster, run):
    run()
    before, since = kept(fake_cluster), len(fake_cluster.requests)
    done = run("--diff", image=TWO, sure=False)
    assert f"-        image: {ONE}" in done.stdout.splitlines()
    assert f"+        image: {TWO}" in done.stdout.splitlines()
    assert (kept(fake_cluster), writes(fake_cluster, since)) == (before, [])
    changes = json.loads(run("--diff", "--json", image=TWO, sure=False).stdout)["changes"]
    assert any(TWO in line for line in changes)


# How many pods


def test_an_autoscaler_where_the_overlay_has_none(fake_cluster, run):
    """It is ours the next time, and waited for: there are as many pods as it wants at the least."""
    for _ in range(2):
        outcome = json.loads(run("--env", "dev", "--autoscale", "2-3", "--json").stdout)
        assert outcome["ready"] == 2
    run("--env", "dev")
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris") is None


def test_between_the_autoscaler_and_a_fixed_count(fake_cluster, run):
    run("--autoscale", "3-5")
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris")["spec"]["minReplicas"] == 3
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 3
    since = len(fake_cluster.store.history)

    run("--replicas", 4)
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris") is None
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 4
    assert "mlship" in owners(fake_cluster)

    run("--autoscale", "2-6")
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris")["spec"]["maxReplicas"] == 6
    assert "mlship" not in owners(fake_cluster)
    assert set(counts(fake_cluster, since)) <= {3, 4}, "the count never drops"


def test_somebody_scaled_by_hand(fake_cluster, run):
    """What a fixed count overrides is the count, whoever set it."""
    run("--replicas", 2)
    subprocess.run(["kubectl", "scale", "deployment/iris", "--replicas=5"], check=True)
    run("--replicas", 3)
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 3


# What belongs to the project


def test_a_changed_setting_rolls_the_pods_and_keeps_the_way_back(fake_cluster, run, project):
    run()
    (first,) = (n for k, n in kept(fake_cluster) if k == "ConfigMap" and n != "iris-mlship")
    settings = project / "k8s" / "base" / "config.env"
    settings.write_text(settings.read_text() + "LOG_LEVEL_OF_MINE=DEBUG\n")
    outcome = json.loads(run("--json").stdout)
    assert (outcome["revision"], outcome["pruned"]) == (2, [])
    names = {n for k, n in kept(fake_cluster) if k == "ConfigMap"} - {"iris-mlship"}
    assert first in names and len(names) == 2, "the replica set of revision 1 needs it"
    old = next(
        s for s in fake_cluster.objects("ReplicaSet") if s["spec"]["replicas"] == 0
    )  # fmt: skip
    subprocess.run(["kubectl", "delete", "replicaset", old["metadata"]["name"]], check=True)
    assert json.loads(run("--json").stdout)["pruned"] == [f"ConfigMap/{first}"]
    assert fake_cluster.get("ConfigMap", first) is None


def config_map(name, **labels):
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
            "metadata": {"name": name, "labels": labels}}  # fmt: skip


def test_only_ours_is_pruned(fake_cluster, run, project):
    usual = {"app.kubernetes.io/name": "iris", "app.kubernetes.io/managed-by": "mlship"}
    fake_cluster.put(config_map("theirs", **usual))
    fake_cluster.put(config_map("of-another", **usual, **{PART_OF: applyset.identity("x", "y")}))
    overlay = project / "k8s" / "overlays" / "prod"
    (overlay / "more.yaml").write_text(yaml.safe_dump_all([config_map("mine"), {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "extra"},
        "spec": {"ports": [{"port": 1}], "selector": {"a": "b"}}}]))  # fmt: skip
    kustomization = overlay / "kustomization.yaml"
    text = kustomization.read_text()
    kustomization.write_text(text.replace("  - hpa.yaml", "  - hpa.yaml\n  - more.yaml"))
    run()
    assert fake_cluster.get("Service", "extra") and fake_cluster.get("ConfigMap", "mine")
    kustomization.write_text(text)
    outcome = json.loads(run("--json").stdout)
    assert sorted(outcome["pruned"]) == ["ConfigMap/mine", "Service/extra"]
    left = {n for k, n in kept(fake_cluster) if k in ("ConfigMap", "Service")}
    assert left >= {"theirs", "of-another", "iris", "iris-mlship"}
    assert not left & {"mine", "extra"}


def test_what_holds_data_is_never_pruned(fake_cluster, run, project):
    overlay = project / "k8s" / "overlays" / "prod"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"},
             "spec": {"accessModes": ["ReadWriteOnce"],
                      "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    (overlay / "more.yaml").write_text(yaml.safe_dump_all([claim, secret, config_map("mine")]))
    kustomization = overlay / "kustomization.yaml"
    text = kustomization.read_text()
    kustomization.write_text(text.replace("  - hpa.yaml", "  - hpa.yaml\n  - more.yaml"))
    run()
    kustomization.write_text(text)
    assert run("--diff").stdout.splitlines()[-1] == "- ConfigMap/mine would be removed"
    told = "Stays, though k8s/ no longer has it: PersistentVolumeClaim/models, Secret/login"
    assert told in run().stdout.splitlines()
    outcome = json.loads(run("--json").stdout)
    assert (outcome["pruned"], outcome["kept"]) == (
        [], ["PersistentVolumeClaim/models", "Secret/login"],
    )  # fmt: skip
    parent = fake_cluster.get("ConfigMap", "iris-mlship")
    assert applyset.kinds_of(parent) >= {"PersistentVolumeClaim", "Secret"}


def test_a_kind_that_the_cluster_has_no_more(fake_cluster, run):
    """Its operator was removed, and its objects with it."""
    run("--no-wait")
    parent = fake_cluster.get("ConfigMap", "iris-mlship")
    kinds = "applyset.kubernetes.io/contains-group-kinds"
    parent["metadata"]["annotations"][kinds] += ",ServiceMonitor.monitoring.coreos.com"
    fake_cluster.put(parent, "mlship")
    assert "Deployed" in run().stdout


# Failing


def test_a_failed_rollout_is_explained_and_undone(fake_cluster, run, service):
    fake_cluster.serve("iris:1", service.server_port)
    fake_cluster.play("iris:2", scenarios.oom_killed())
    run()
    before = kept(fake_cluster)
    done = run("--json", image=TWO, code=7)
    outcome = json.loads(done.stdout)
    assert outcome["ok"] is False
    assert [t["cause"] for t in outcome["troubles"]] == ["out-of-memory"]
    assert outcome["rolled_back"] == {"done": True, "revision": 3, "image": ONE, "answers": True}
    assert f"Not deployed; went back to {ONE} (revision 3), which answers" in done.stderr
    assert "512Mi" in done.stderr and "resources.limits.memory" in done.stderr
    assert service.asked == 1
    after = kept(fake_cluster)
    assert image_of(fake_cluster) == ONE
    for key, value in before.items():
        if key[0] != "ReplicaSet":
            assert after[key] == value, key
    # Whose the fields are is as before, too: the next deployment meets no conflict.
    assert owners(fake_cluster) == {"kube-controller-manager"}
    fake_cluster.play("iris:2", scenarios.healthy())
    run(image=TWO)
    assert image_of(fake_cluster) == TWO


def test_what_the_failed_release_made_new_goes_away(fake_cluster, run):
    run("--replicas", 2)
    since = len(fake_cluster.store.history)
    fake_cluster.play("iris:2", scenarios.crash_loop())
    done = run("--autoscale", "3-5", image=TWO, code=7)
    assert f"went back to {ONE}" in done.stderr
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris") is None
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 2
    assert set(counts(fake_cluster, since)) <= {2, 3}


def test_what_the_failed_release_took_away_comes_back(fake_cluster, run):
    run("--autoscale", "3-5")
    since = len(fake_cluster.store.history)
    fake_cluster.play("iris:2", scenarios.crash_loop())
    run("--replicas", 4, image=TWO, code=7)
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris")["spec"]["minReplicas"] == 3
    assert "mlship" not in owners(fake_cluster)
    assert set(counts(fake_cluster, since)) <= {3, 4}, "the count never drops"


def test_the_first_rollout_has_nothing_to_go_back_to(fake_cluster, run):
    fake_cluster.play("iris:1", scenarios.image_not_found())
    done = run("--json", code=7)
    assert json.loads(done.stdout)["rolled_back"] is None
    assert "nothing served before to go back to, so the pods stay" in done.stderr
    assert len(pods(fake_cluster)) == 2

    # The second does not serve either: it is the newest that did which would come back.
    fake_cluster.play("iris:2", scenarios.image_not_found())
    assert "nothing served before" in run(image=TWO, code=7).stderr


@pytest.mark.parametrize("options", [(), ("--replicas", 5)])
def test_the_count_that_somebody_had_set_comes_back(fake_cluster, run, project, options):
    run()
    mlship("scale", 3, "--yes", cwd=project)
    fake_cluster.play("iris:2", scenarios.crash_loop())
    run(*options, image=TWO, code=7)
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 3
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris") is None
    mlship("scale", 0, "--yes", cwd=project)
    done = run(*options, image=TWO, code=7)
    assert f"went back to {ONE} (revision 5), scaled to 0 as before" in done.stderr
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 0


def test_the_same_pods_come_back_as_they_were(fake_cluster, run):
    """One of three did not serve, and the quota has no room for it, nor for more."""
    run("--autoscale", "3-5")
    fake_cluster.play("iris", scenarios.quota_exceeded())
    subprocess.run(["kubectl", "delete", "pod", pods(fake_cluster)[0]], check=True)
    fake_cluster.wait(lambda: len(pods(fake_cluster)) == 2)
    done = run("--replicas", 5, "--json", code=7)
    assert json.loads(done.stdout)["rolled_back"] == {
        "done": True, "revision": 1, "image": ONE, "answers": False,
    }  # fmt: skip
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 3
    assert fake_cluster.get("HorizontalPodAutoscaler", "iris")["spec"]["minReplicas"] == 3


def test_what_somebody_set_and_broke_the_pods_goes(fake_cluster, run):
    run()
    whole = fake_cluster.get("Deployment", "iris")["spec"]["template"]
    fake_cluster.play("iris", scenarios.crash_loop())
    subprocess.run(["kubectl", "set", "env", "deployment/iris", "BAD=1"], check=True)
    fake_cluster.wait(lambda: len(pods(fake_cluster)) == 3)
    done = run("--json", image=TWO, code=7)
    assert json.loads(done.stdout)["rolled_back"]["done"] is True
    assert fake_cluster.get("Deployment", "iris")["spec"]["template"] == whole


def test_going_back_to_pods_that_something_changes_is_not_done(fake_cluster, run):
    """A webhook that adds to whatever is applied."""
    run()
    fake_cluster.play("iris:2", scenarios.crash_loop())

    def admit(resource, obj):
        if resource.kind == "Deployment":
            obj["spec"]["template"]["spec"]["hostUsers"] = False

    fake_cluster.store.admission.append(admit)
    done = run("--json", image=TWO, code=7)
    assert json.loads(done.stdout)["rolled_back"]["done"] is False
    assert "something on the cluster changed its pods: .spec.template.spec.hostUsers" in done.stderr


def test_no_rollback(fake_cluster, run):
    run()
    fake_cluster.play("iris:2", scenarios.bad_model_hash())
    done = run("--no-rollback", "--json", image=TWO, code=7)
    outcome = json.loads(done.stdout)
    assert "rolled_back" not in outcome
    assert outcome["troubles"][0]["cause"] == "bad-model-hash"
    assert "was left as it is (--no-rollback)" in done.stderr
    assert image_of(fake_cluster) == TWO

    # From there, the next failure goes back to what served, which is not what was there before.
    done = run("--json", image="r.example.com/team/iris:2b", code=7)
    assert json.loads(done.stdout)["rolled_back"]["image"] == ONE


def test_no_wait(fake_cluster, run):
    fake_cluster.play("iris:1", scenarios.crash_loop())
    done = run("--no-wait", "--json")
    outcome = json.loads(done.stdout)
    assert (outcome["ok"], outcome["waited"]) == (True, False)
    assert "revision" not in outcome
    assert "Applied, not waited for: " + ONE in run("--no-wait").stdout


def test_too_slow(fake_cluster, run):
    run()
    fake_cluster.play("iris:2", scenarios.slow_start(2000))
    done = run("--timeout", 2, "--json", image=TWO, code=7)
    outcome = json.loads(done.stdout)
    assert "The rollout of iris did not finish within 2 s" in done.stderr
    assert "0 of 2 new pods serve" in done.stderr
    assert outcome["rolled_back"]["image"] == ONE
    assert 2 <= outcome["seconds"] < 6


def test_a_timeout_longer_than_the_deadline_is_the_clusters_too(fake_cluster, run, project):
    base = project / "k8s" / "base"
    run("--timeout", 1800)
    deadline = fake_cluster.get("Deployment", "iris")["spec"]["progressDeadlineSeconds"]
    assert deadline == 1800
    assert "progressDeadlineSeconds: 300\n" in (base / "deployment.yaml").read_text()
    run()
    assert fake_cluster.get("Deployment", "iris")["spec"]["progressDeadlineSeconds"] == 300
    assert fake_cluster.get("Deployment", "iris")["status"]["updatedReplicas"] == 2
    assert len(fake_cluster.objects("ReplicaSet", "default")) == 1, "no pod is replaced for it"


# Refusals: nothing is half applied


def test_a_field_of_somebody_else(fake_cluster, run):
    run()
    patch = {"spec": {"minReadySeconds": 99}}
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "iris"}, **patch}
    subprocess.run(
        ["kubectl", "apply", "--server-side", "--field-manager=argocd-controller",
         "--force-conflicts", "-f", "-"], input=json.dumps(theirs), text=True, check=True,
    )  # fmt: skip
    before, since = kept(fake_cluster), len(fake_cluster.requests)
    done = run(code=7)
    assert "Argo CD (it deploys from git) owns .spec.minReadySeconds" in done.stderr
    assert (kept(fake_cluster), writes(fake_cluster, since)) == (before, [])
    run("--force-conflicts")
    assert fake_cluster.get("Deployment", "iris")["spec"]["minReadySeconds"] != 99


def test_a_verb_that_is_forbidden(fake_cluster, run):
    fake_cluster.forbid("patch", "services")
    done = run(code=7)
    assert "ann may not patch services in namespace default" in done.stderr
    assert writes(fake_cluster) == []


def test_without_the_right_to_prune(fake_cluster, run):
    """The rights that are needed are told before anything is applied, or the rest goes on."""
    fake_cluster.forbid("list", "events")
    fake_cluster.forbid("list", "persistentvolumeclaims")
    fake_cluster.forbid("get", "namespaces")
    fake_cluster.forbid("list", "nodes")
    assert "2 pods" in run().stdout


def test_a_part_of_an_answer_is_not_taken_for_the_whole(fake_cluster, run):
    """The Service that is not told of would count as made by the release, and go with it."""
    run()
    said = "etcdserver: leader changed"
    for verb, resource in (("get", "services"), ("list", "replicasets")):
        fake_cluster.fail(verb, resource, 500, "InternalError", said, times=1)
        since = len(fake_cluster.requests)
        assert said in run(image=TWO, code=7).stderr
        assert writes(fake_cluster, since) == []


def test_what_can_not_be_seen_is_not_pruned(fake_cluster, run, project):
    run()
    env = project / "k8s" / "base" / "config.env"
    env.write_text(env.read_text().replace("LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG"))
    before = kept(fake_cluster)
    for resource in ("replicasets", "services"):
        fake_cluster.forbid("list", resource)
    done = run("--json", "--no-wait")
    assert json.loads(done.stdout)["pruned"] == []
    assert "Warning: not looked at, as you may not: services" in done.stderr
    assert set(before) <= set(kept(fake_cluster)), "the ConfigMap of the revision before, too"
    assert "Service" in applyset.kinds_of(fake_cluster.get("ConfigMap", "iris-mlship"))


def test_a_webhook_refuses(fake_cluster, run):
    run()
    fake_cluster.play("iris:2", scenarios.webhook_denies())
    before, since = kept(fake_cluster), len(fake_cluster.requests)
    done = run("--autoscale", "4-8", image=TWO, code=7)
    assert "images must come from registry.example.com" in done.stderr
    assert (kept(fake_cluster), writes(fake_cluster, since)) == (before, [])


def test_the_api_is_down(fake_cluster, run):
    fake_cluster.down()
    done = run(code=7)
    assert "Nothing listens at the address of the cluster" in done.stderr
    assert "http://" in done.stdout, "which one, is told"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"token": "right"}, "credentials"),
        ({"tls": "trusted"}, "credentials"),
        ({"token": "right", "tls": "expired"}, "certificate"),
    ],
    ids=["login", "nobody", "certificate"],
)
def test_no_way_in(monkeypatch, run, options, says):
    with FakeCluster(**options) as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        config = yaml.safe_load(cluster.kubeconfig.read_text())
        if options == {"token": "right"}:
            config["users"][0]["user"]["token"] = "outdated"
        cluster.kubeconfig.write_text(yaml.safe_dump(config))
        done = run(code=7)
        assert says in done.stderr.splitlines()[0]
        assert "  Next: " in done.stderr
        assert writes(cluster) == []


def test_the_api_is_out_of_reach_for_a_moment(fake_cluster, project):
    fake_cluster.play("iris:1", scenarios.slow_start(120))
    with started(project, "--yes", "--json") as process:
        fake_cluster.wait(lambda: pods(fake_cluster))
        until_watched(fake_cluster)
        fake_cluster.down()
        time.sleep(2)
        fake_cluster.up()
        out, err = process.communicate(timeout=40)
    assert json.loads(out)["ready"] == 2, err


# Stopped


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_waiting(fake_cluster, run, project, number, code):
    run()
    fake_cluster.play("iris:2", scenarios.slow_start(2000))
    with started(project, "--json", image=TWO) as process:
        fake_cluster.wait(lambda: len(pods(fake_cluster)) > 2)
        time.sleep(1.5)
        out, err = stop(process, number)
    assert process.returncode == code
    told = json.loads(out)
    assert (told["ok"], told["stopped"]) == (False, "waiting for the rollout")
    assert (told["image"], told["revision"]) == (TWO, 2)
    assert any("deployment.apps/iris" in line for line in told["applied"])
    assert "Stopped waiting for the rollout." in err
    assert "On the cluster now: 0 of 2 new pods serve" in err
    assert "Complete it, or go on waiting: the same `mlship deploy` again." in err
    assert "Go back: mlship rollback --to 1. Look: mlship status." in err
    assert image_of(fake_cluster) == TWO, "the rollout goes on without mlship"
    fake_cluster.play("iris:2", scenarios.healthy())
    subprocess.run(["kubectl", "delete", "pods", "--all", "--wait=false"], check=True)
    run(image=TWO)


def test_stopped_while_applying(fake_cluster, project):
    with started(project, "--yes") as process:
        fake_cluster.wait(lambda: writes(fake_cluster))
        fake_cluster.hang()
        fake_cluster.wait(lambda: process.poll() is None)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
        fake_cluster.hang(False)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Stopped while applying; some of the objects may have changed" in err
    assert "the same `mlship deploy` again" in err
    assert "mlship undeploy" in err, "nothing was there before"


def test_going_back_is_not_stopped_half_way(fake_cluster, run, monkeypatch):
    """An autoscaler that is away already, and the old image not yet back, is neither release."""
    run()
    fake_cluster.play("iris:2", scenarios.crash_loop())
    applying = releasing.run

    def interrupted(steps, *rest):
        if any("replace" in step.argv or ONE in (step.stdin or "") for step in steps):
            os.kill(os.getpid(), signal.SIGINT)
        applying(steps, *rest)

    monkeypatch.setattr(releasing, "run", interrupted)
    err = run(image=TWO, code=7).stderr
    assert f"Not deployed; went back to {ONE}" in err
    assert image_of(fake_cluster) == ONE


def test_a_sample_that_can_not_be_sent_hides_no_outcome(fake_cluster, run, project):
    run()
    (project / "sample.json").unlink()
    fake_cluster.play("iris:2", scenarios.crash_loop())
    err = run(image=TWO, code=7).stderr
    assert f"went back to {ONE} (revision 3), which could not be asked: " in err


def test_stopped_before_anything_was_applied(fake_cluster, project):
    fake_cluster.hang()
    with started(project, "--yes") as process:
        fake_cluster.wait(lambda: fake_cluster.requests)
        time.sleep(0.5)
        _, err = stop(process, signal.SIGINT)
    assert process.returncode == 130
    assert "The cluster is as it was." in err
    assert writes(fake_cluster) == []


# The image


def test_an_image_that_no_node_has(fake_cluster, run, monkeypatch):
    monkeypatch.setattr(image_check, "_NODES_TELL_SECONDS", -1)
    fake_cluster.put(having("docker.io/library/other:1"))
    err = run(image="iris:1", check_image=True, code=7).stderr
    assert "The cluster has no image iris:1 and can't pull it" in err
    assert "registry.example.com/team/iris" in err
    assert writes(fake_cluster) == []


def test_an_image_that_the_nodes_have(fake_cluster, run):
    fake_cluster.put(having("docker.io/library/iris:1"))
    assert run(image="iris:1", check_image=True).stderr == ""


def test_an_image_that_the_registry_lacks(fake_cluster, run, tools):
    (tools / "docker").write_text(
        '#!/bin/sh\n[ "$1 $2" = "manifest inspect" ] || exit 64\n'
        'echo "manifest unknown" >&2\nexit 1\n'
    )
    (tools / "docker").chmod(0o755)
    done = run(code=7, check_image=True)
    assert f"The image {ONE} is not in its registry" in done.stderr
    assert "The registry says: manifest unknown" in done.stderr
    assert writes(fake_cluster) == []


@pytest.mark.parametrize("image", ["r.example.com/iris:latest", "r.example.com/iris"])
def test_the_tag_latest_is_warned_of(fake_cluster, run, image):
    fake_cluster.put(having("r.example.com/iris:latest"))
    done = run("--no-wait", image=image, check_image=True)
    assert "Warning: the image's tag is latest" in done.stderr
    assert image_of(fake_cluster) == "r.example.com/iris:latest"


def test_a_digest_is_no_latest(fake_cluster, run):
    image = "r.example.com/iris@sha256:" + "0" * 64
    fake_cluster.put(having(image))
    assert run("--no-wait", image=image, check_image=True).stderr == ""
    assert image_of(fake_cluster) == image


def test_kind_gets_the_image_first(fake_cluster, run, tools, tmp_path, monkeypatch):
    config = yaml.safe_load(fake_cluster.kubeconfig.read_text())
    config["current-context"] = config["contexts"][0]["name"] = "kind-dev"
    fake_cluster.kubeconfig.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KIND_LOG", str(tmp_path / "kind.log"))
    (tools / "kind").write_text(f"#!/bin/sh\n{LOADED}\n")
    (tools / "kind").chmod(0o755)
    run(image="iris:1", check_image=True)
    assert (tmp_path / "kind.log").read_text() == "load docker-image iris:1 --name dev\n"

    (tools / "kind").write_text("#!/bin/sh\necho 'ERROR: image: \"iris:9\" not present'; exit 1\n")
    done = run(image="iris:9", check_image=True, code=7)
    assert "could not be loaded into the nodes" in done.stderr and "not present" in done.stderr
    assert image_of(fake_cluster) == "iris:1"
