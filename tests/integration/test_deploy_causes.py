"""What `mlship deploy --json` says of a rollout that fails: one cause, as soon as it is certain."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fake_cluster import FakeCluster, scenarios
from tests.support.projects import MLSHIP

TOOLS = Path(sys.executable).parent
# The scenario, its cause, and after how many seconds it is certain: those that pass in the cluster,
# which is 20 times as fast as a real one, and those that mlship gives it.
CAUSES = [
    (scenarios.image_not_found, "image-pull", 0),
    (scenarios.image_unauthorized, "image-pull", 0),
    (scenarios.crash_loop, "crash-loop", 0),
    (scenarios.bad_model_hash, "bad-model-hash", 0),
    (scenarios.oom_killed, "out-of-memory", 0),
    (scenarios.unschedulable_cpu, "unschedulable", 5),
    (scenarios.unschedulable_gpu, "gpu", 5),
    (scenarios.quota_exceeded, "quota", 0),
    (scenarios.pod_security, "pod-security", 0),
    (scenarios.webhook_denies_pods, "admission-webhook", 0),
    (scenarios.missing_secret, "missing-config", 0),
    (scenarios.missing_config_map, "missing-config", 0),
    (scenarios.missing_key, "missing-config", 0),
    (scenarios.missing_volume_secret, "missing-config", 0),
    (scenarios.missing_service_account, "missing-service-account", 10),
    (scenarios.startup_failing, "probe", 1),
    (scenarios.readiness_failing, "probe", 15),
    (scenarios.node_pressure, "node-pressure", 5),
]


@pytest.fixture(scope="module")
def told(rendered, tmp_path_factory):
    """Deploy all of them at once, each in a namespace of its own.

    Returns the finished processes to come, by the scenario's name.
    """
    folder = tmp_path_factory.mktemp("causes")
    path = os.pathsep.join(map(str, (TOOLS, "/usr/bin", "/bin")))

    def deploy(number, name):
        return subprocess.run(
            [*MLSHIP, "deploy", "--json", "--yes", "--no-image-check", "--create-namespace",
             "--namespace", f"n{number}", "--image", f"r.example.com/n{number}/iris:1"],
            cwd=shutil.copytree(rendered, folder / name),
            capture_output=True, text=True, timeout=120,
            env={**os.environ, **cluster.environment, "PATH": path},
        )  # fmt: skip

    with FakeCluster() as cluster, ThreadPoolExecutor(4) as pool:
        for number, (play, *_) in enumerate(CAUSES):
            cluster.play(f"/n{number}/", play())
        yield {
            play.__name__: pool.submit(deploy, number, play.__name__)
            for number, (play, *_) in enumerate(CAUSES)
        }


@pytest.mark.parametrize(
    ("play", "cause", "certain"), CAUSES, ids=[play.__name__ for play, *_ in CAUSES]
)
def test_each_cause(told, play, cause, certain):
    done = told[play.__name__].result()
    assert done.returncode == 7, done.stderr
    outcome = json.loads(done.stdout)
    trouble = outcome["troubles"][0]
    assert trouble["cause"] == cause, done.stderr
    assert trouble["what"] and trouble["next"] and trouble["evidence"]
    assert trouble["what"] in done.stderr
    assert outcome["seconds"] <= certain + 5
    assert "nothing served before to go back to" in done.stderr
