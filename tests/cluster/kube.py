"""The cluster under test: kubectl, a project deployed on it, and load from inside of it."""

import json
import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.project import find
from tests.support.projects import mlship

CONTEXT = os.environ.get("MLSHIP_TEST_CONTEXT", "")

# Asks over connections that are kept and over fresh ones, and with pauses between. http.client
# says of no connection that it was closed meanwhile; like any client worth its name, this looks.
LOAD = """
import collections, http.client, json, select, sys, threading, time
host, seconds, body = sys.argv[1], float(sys.argv[2]), sys.argv[3]
end = time.time() + seconds
ok, bad = collections.Counter(), []

def is_closed(conn):
    return bool(conn.sock and select.select([conn.sock], [], [], 0)[0])

def ask(kind, pause, keep):
    conn = None
    while time.time() < end:
        try:
            if conn is None or conn.sock is None or is_closed(conn):
                conn = http.client.HTTPConnection(host, timeout=10)
            headers = {"Content-Type": "application/json"}
            if not keep:
                headers["Connection"] = "close"
            conn.request("POST", "/predict", body, headers)
            answer = conn.getresponse()
            answer.read()
            if answer.status == 200:
                ok[kind] += 1
            else:
                bad.append(f"{kind}: {answer.status}")
            if answer.will_close:
                conn.close()
        except Exception as error:
            bad.append(f"{time.time():.1f} {kind} pause {pause}: {error!r}")
            conn = None
        time.sleep(pause)

pauses = [("kept", p, True) for p in (0.005, 0.01, 0.02, 0.1, 0.5, 1.5, 4.0)]
pauses += [("fresh", p, False) for p in (0.01, 0.02, 0.05)]
threads = [threading.Thread(target=ask, args=each) for each in pauses]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps({"ok": ok, "bad": bad}))
"""


def kubectl(*argv: object, check: bool = True, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["kubectl", "--context", CONTEXT, *map(str, argv)],
        capture_output=True, text=True, timeout=300, input=stdin,
    )  # fmt: skip
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def load(image: str) -> None:
    """Bring an image of the engine here to the cluster."""
    command = os.environ.get("MLSHIP_TEST_LOAD")
    if command:
        subprocess.run(shlex.split(command.format(image=image)), check=True, timeout=300)


@dataclass
class Deployed:
    """A project on the cluster."""

    root: Path
    namespace: str
    docker: str
    first: Any = None

    @property
    def name(self) -> str:
        return find(self.root).config.name

    @property
    def image(self) -> str:
        return find(self.root).image()

    def mlship(self, *argv: object, check: bool = True):
        place = ("--namespace", self.namespace, "--context", CONTEXT)
        return mlship(*argv, *place, cwd=self.root, check=check)

    def deploy(self, *argv: object, check: bool = True):
        return self.mlship("deploy", "--yes", *argv, check=check)

    def fails(self, *argv: object) -> dict[str, Any]:
        """Deploy what can't serve, and return what `--json` says of it."""
        done = self.deploy("--json", *argv, check=False)
        assert done.returncode == 7, done.stdout + done.stderr
        return json.loads(done.stdout)

    def kubectl(self, *argv: object, **kwargs) -> str:
        return kubectl("--namespace", self.namespace, *argv, **kwargs)

    def get(self, kind: str = "deployment", name: str = "") -> dict[str, Any]:
        return json.loads(self.kubectl("get", kind, name or self.name, "--output", "json"))

    def pods(self) -> list[str]:
        """Return the names of the pods that are not on their way out."""
        selector = f"app.kubernetes.io/name={self.name}"
        found = json.loads(self.kubectl("get", "pods", "--selector", selector, "--output", "json"))
        return [
            pod["metadata"]["name"]
            for pod in found["items"]
            if "deletionTimestamp" not in pod["metadata"]
        ]

    def predictions(self) -> list[Any]:
        """Return what the service on the cluster answers to the sample."""
        answer = json.loads(self.mlship("predict", "--cluster", "--json").stdout)
        return answer["predictions"]

    def set(self, name: str, value: object) -> None:
        """Set a top-level value of mlship.yaml, which may be there already."""
        path = self.root / "mlship.yaml"
        text = re.sub(rf"(?m)^{name}:.*\n(?:[ ]+.*\n)*", "", path.read_text())
        path.write_text(f"{text}{name}: {json.dumps(value)}\n")

    def derived(self, tag: str, *lines: str) -> str:
        """Build an image on top of the project's, and bring it to the cluster."""
        image = f"{self.image.rpartition(':')[0]}:{tag}"
        dockerfile = "\n".join([f"FROM {self.image}", *lines, ""])
        subprocess.run(
            [self.docker, "build", "--quiet", "--tag", image, "-"],
            input=dockerfile, text=True, check=True, timeout=300, capture_output=True,
        )  # fmt: skip
        load(image)
        return image


class Load:
    """A pod that asks the Service steadily, from inside the cluster's network."""

    def __init__(self, deployed: Deployed, seconds: int) -> None:
        self.deployed, self.name = deployed, f"load-{deployed.name}"
        # By its address, so that a cluster without DNS will do.
        host = deployed.get("service")["spec"]["clusterIP"]
        body = (deployed.root / "sample.json").read_text()
        hardened = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
            "runAsNonRoot": True,
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {
                        "name": "load",
                        "image": deployed.image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-c", LOAD, host, str(seconds), body],
                        "securityContext": hardened,
                    }
                ],
            },
        }
        deployed.kubectl("delete", "pod", self.name, "--ignore-not-found")
        deployed.kubectl("apply", "--filename", "-", stdin=json.dumps(pod))
        deployed.kubectl("wait", "--for=condition=Ready", f"pod/{self.name}", "--timeout=60s")
        self.until = time.monotonic() + seconds

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until

    def result(self) -> dict[str, Any]:
        """Wait for its end and return the counts."""
        done = "--for=jsonpath={.status.phase}=Succeeded"
        self.deployed.kubectl("wait", done, f"pod/{self.name}", "--timeout=200s")
        said = self.deployed.kubectl("logs", self.name)
        self.deployed.kubectl("delete", "pod", self.name)
        return json.loads(said.splitlines()[-1])
