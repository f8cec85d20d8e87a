"""k8s/ with every option: rendered by kubectl, strict to the schemas, restricted, consistent."""

import copy
import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import jsonschema
import pytest
import yaml
from kubernetes_validate import validate

from mlship import ownership, plan, rendering, scaffold
from mlship.project import find
from tests.conftest import SERVERS, require
from tests.support.options import OPTIONS, PATCH_FILES
from tests.support.pod_security import violations

TOOLS = Path(sys.executable).parent
SUPPORT = Path(__file__).parents[1] / "support"
CUSTOM = yaml.safe_load((SUPPORT / "custom_resources.yaml").read_text())
KUBERNETES = "1.36"
CHECKOV = "checkov@3.3.30"
BASE = {"ConfigMap", "Deployment", "NetworkPolicy", "Service", "ServiceAccount"}
MORE = {
    "ingress": {"Ingress"}, "ingress-full": {"Ingress"}, "gateway": {"HTTPRoute"},
    "own-gateway": {"HTTPRoute", "Gateway"}, "service-monitor": {"ServiceMonitor"},
    "pod-monitor": {"PodMonitor"}, "all": {"Ingress", "HTTPRoute", "ServiceMonitor"},
    "all-others": {"Ingress", "HTTPRoute", "Gateway", "PodMonitor"},
}  # fmt: skip


def write(target, server, values):
    for name, text in PATCH_FILES.items():
        path = target / "k8s" / "patches" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    made = plan.make(target, plan.Wishes(server=server, values=values))
    return scaffold.scaffold(made.card, made.context(), target, force=True)


def documents(project, overlay):
    argv = [TOOLS / "kubectl", "kustomize", f"k8s/overlays/{overlay}"]
    done = subprocess.run(argv, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


class Made:
    """A project with one option, and what kubectl makes of its overlays."""

    def __init__(self, folder, server, option):
        self.option, self.root = option, folder / f"{server}-{option}" / "iris"
        write(self.root, server, OPTIONS[option])
        self.overlays = {name: documents(self.root, name) for name in ("dev", "prod")}
        for name, found in self.overlays.items():
            (folder / f"{server}-{option}-{name}.yaml").write_text(yaml.safe_dump_all(found))

    def kinds(self, overlay="prod"):
        return {document["kind"]: document for document in self.overlays[overlay]}

    def pod(self, overlay="prod"):
        return self.kinds(overlay)["Deployment"]["spec"]["template"]["spec"]

    def container(self, name="server"):
        pod = self.pod()
        (found,) = [
            c for c in pod["containers"] + pod.get("initContainers", []) if c["name"] == name
        ]
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("options")


@pytest.fixture(scope="module")
def make(folder):
    made = {}

    def get(option, server="fastapi"):
        if (server, option) not in made:
            made[server, option] = Made(folder, server, option)
        return made[server, option]

    return get


@pytest.fixture(params=[(s, o) for s in SERVERS for o in OPTIONS], ids="-".join)
def made(request, make):
    server, option = request.param
    return make(option, server)


def check_schema(document):
    kind = f"{document['apiVersion']} {document['kind']}"
    if kind in CUSTOM:
        assert document.keys() == {"apiVersion", "kind", "metadata", "spec"}
        jsonschema.validate(document["spec"], CUSTOM[kind])
    else:
        validate(document, KUBERNETES, strict=True)


def test_strict_schemas_find_nothing(made):
    for overlay, found in made.overlays.items():
        for document in found:
            check_schema(document)
        kinds = sorted(document["kind"] for document in found)
        scaled = {"ScaledObject" if "keda" in OPTIONS[made.option] else "HorizontalPodAutoscaler",
                  "PodDisruptionBudget"}  # fmt: skip
        want = BASE | MORE.get(made.option, set()) | (scaled if overlay == "prod" else set())
        assert kinds == sorted(want)


def test_restricted_pod_security_allows_it(made):
    for overlay in made.overlays:
        assert violations(made.pod(overlay)) == []


def test_every_container_is_bounded_and_cannot_write(made):
    pod = made.pod()
    for container in pod["containers"] + pod.get("initContainers", []):
        resources = container["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys() & resources["limits"].keys()
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}
    for volume in pod["volumes"]:
        assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]


def test_labels_are_on_everything_and_select_the_pods(made):
    for found in made.overlays.values():
        for document in found:
            labels = document["metadata"]["labels"]
            assert labels["app.kubernetes.io/name"] == "iris"
            assert labels["app.kubernetes.io/managed-by"] == "mlship"


def test_dev_is_one_pod_with_debug_logs_and_prod_leaves_the_count_open(made):
    dev, prod = made.kinds("dev"), made.kinds("prod")
    assert dev["Deployment"]["spec"]["replicas"] == 1
    assert dev["ConfigMap"]["data"] == {**prod["ConfigMap"]["data"], "LOG_LEVEL": "DEBUG"}
    assert "replicas" not in prod["Deployment"]["spec"]
    # A change of the settings rolls the pods: the name is part of the pod's template.
    for kinds in (dev, prod):
        pod = kinds["Deployment"]["spec"]["template"]["spec"]
        name = pod["containers"][0]["envFrom"][0]["configMapRef"]["name"]
        assert name == kinds["ConfigMap"]["metadata"]["name"] != "iris"


def test_rendering_from_mlship_yaml_alone_gives_the_same(made):
    """Two ways to the files, cookiecutter's and jinja2's; and the options outlive the YAML."""
    changes = rendering.check(find(made.root))
    assert (changes.written, changes.removed, changes.kept) == ([], [], [])


def test_every_file_is_in_the_readme(made):
    readme = (made.root / "README.md").read_text()
    for name in ownership.read_record(made.root):
        if name.startswith("k8s/") or name == "app/fetch.py":
            assert f"`{name}`" in readme


@pytest.mark.parametrize("option", OPTIONS)
def test_force_changes_nothing(make, option, tmp_path):
    target = tmp_path / "iris"
    shutil.copytree(make(option).root, target)
    before = {name: (target / name).read_bytes() for name in ownership.files_in(target)}
    made = plan.make(target, plan.Wishes())
    scaffold.scaffold(made.card, made.context(), target, force=True)
    after = {name: (target / name).read_bytes() for name in ownership.files_in(target)}
    assert after == before
    assert {f"k8s/patches/{name}" for name in PATCH_FILES} <= before.keys()


def test_ingress(make):
    spec = make("ingress").kinds()["Ingress"]["spec"]
    assert spec == {"rules": [{"host": "iris.example.com", "http": {"paths": [
        {"path": "/", "pathType": "Prefix",
         "backend": {"service": {"name": "iris", "port": {"name": "http"}}}}]}}]}  # fmt: skip
    full = make("ingress-full").kinds()["Ingress"]
    given = OPTIONS["ingress-full"]["ingress"]
    assert full["metadata"]["annotations"] == given["annotations"]
    assert full["spec"]["tls"] == [{"hosts": ["iris.example.com"], "secretName": "tls"}]
    assert full["spec"]["ingressClassName"] == "nginx"
    assert full["spec"]["rules"][0]["http"]["paths"][0]["path"] == "/predict"


def test_gateway(make):
    route = make("gateway").kinds()["HTTPRoute"]["spec"]
    assert route["parentRefs"] == [
        {"name": "shared", "namespace": "gateways", "sectionName": "https"}
    ]
    assert route["hostnames"] == ["iris.example.com", "*.models.example.com"]
    assert route["rules"][0]["backendRefs"] == [{"name": "iris", "port": 80}]
    own = make("own-gateway").kinds()
    assert own["HTTPRoute"]["spec"]["parentRefs"] == [{"name": own["Gateway"]["metadata"]["name"]}]
    (listener,) = own["Gateway"]["spec"]["listeners"]
    assert listener["tls"]["certificateRefs"] == [{"name": "tls"}]


def test_pull_secrets_are_texts(make):
    assert make("image-pull-secrets").pod()["imagePullSecrets"] == [
        {"name": "registry"}, {"name": "123"}]  # fmt: skip


def test_variables(make):
    assert make("env-from").container()["envFrom"][1:] == [
        {"configMapRef": {"name": "flags"}}, {"secretRef": {"name": "storage"}},
        {"secretRef": {"name": "123"}},
    ]  # fmt: skip
    port, *rest = make("env").container()["env"]
    assert port == {"name": "PORT", "value": "8000"}
    assert rest == [
        {"name": "REGION", "value": "north"},
        {"name": "EMPTY", "value": ""},
        {"name": "ODD", "value": 'yes: "no" # {{ 1 }}\n$'},
        {"name": "ONE", "value": "1"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
        {
            "name": "LIMIT",
            "valueFrom": {"configMapKeyRef": {"name": "limits", "key": "limit.most"}},
        },
    ]


def test_nodes(make):
    pod = make("nodes").pod()
    assert pod["nodeSelector"] == {"pool": "gpu", "example.com/fast": "true"}
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoExecute",
         "tolerationSeconds": 60},
        {"operator": "Exists"},
    ]  # fmt: skip
    assert pod["priorityClassName"] == "important"


@pytest.mark.parametrize(
    ("option", "name", "count"), [("gpu", "nvidia.com/gpu", 2), ("other-gpu", "amd.com/gpu", 1)]
)
def test_gpu(make, option, name, count):
    resources = make(option).container()["resources"]
    assert resources["requests"][name] == resources["limits"][name] == count
    assert "gpu" not in json.dumps(make("none").container()["resources"])


def test_monitors_read_the_port_of_the_service_and_replace_the_annotations(make):
    none = make("none").kinds()
    annotations = none["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    monitor = make("service-monitor").kinds()
    service = monitor["Service"]
    labels = monitor["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert labels.items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["ServiceMonitor"]["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["interval"] == "30s"
    assert monitor["ServiceMonitor"]["metadata"]["labels"]["release"] == "prometheus"
    template = monitor["Deployment"]["spec"]["template"]["metadata"]
    assert template["annotations"].keys() == {"model.sha256"}
    pods = make("pod-monitor").kinds()["PodMonitor"]["spec"]
    (endpoint,) = pods["podMetricsEndpoints"]
    container = make("pod-monitor").container()
    assert endpoint["port"] in [port["name"] for port in container["ports"]]
    assert endpoint["interval"] == "1m30s"


def test_autoscalers_have_the_bounds_of_mlship_yaml(make):
    hpa = make("none").kinds()["HorizontalPodAutoscaler"]["spec"]
    assert (hpa["minReplicas"], hpa["maxReplicas"]) == (2, 6)
    assert hpa["metrics"][0]["resource"]["target"]["averageUtilization"] == 75
    scaled = make("keda").kinds()["ScaledObject"]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (2, 6)
    short = OPTIONS["keda"]["keda"]["triggers"][0]["prometheus"]
    assert scaled["triggers"] == [
        {"type": "prometheus",
         "metadata": {"serverAddress": short["server"], "query": short["query"],
                      "threshold": "50"}}]  # fmt: skip
    full = make("keda-full").kinds()["ScaledObject"]["spec"]
    assert full["triggers"][:2] == OPTIONS["keda-full"]["keda"]["triggers"][:2]
    assert full["triggers"][2]["authenticationRef"] == {"name": "auth"}
    assert (full["pollingInterval"], full["cooldownPeriod"]) == (15, 60)


def environment(container):
    return {each["name"]: each.get("value") for each in container["env"]}


def test_a_claim_is_mounted_to_read(make):
    made = make("pvc")
    assert environment(made.container())["MODEL_FILE"] == "/model/iris/v 1/iris.onnx"
    assert {"name": "model", "mountPath": "/model", "readOnly": True} in made.container()[
        "volumeMounts"
    ]
    assert made.pod()["volumes"][1] == {
        "name": "model", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}
    }  # fmt: skip
    assert "initContainers" not in made.pod()
    policy = made.kinds()["NetworkPolicy"]["spec"]
    assert "Egress" in policy["policyTypes"] and "egress" not in policy, "the pod may ask nobody"


@pytest.mark.parametrize(
    ("option", "image", "ports"),
    [
        ("https", "iris:0.1.0", [8443]),
        ("http", "iris:0.1.0", [80]),
        ("s3", "amazon/aws-cli:2.27.0", [443, 80]),
        ("gs", "example.com/gcloud:1", [443, 80]),
    ],
)
def test_a_source_is_fetched_before_the_server_starts(make, option, image, ports):
    made = make(option)
    fetch = made.container("fetch")
    sha256 = find(made.root).config.model.sha256
    assert fetch["image"] == image
    assert environment(fetch) == {
        "HOME": "/tmp", "MODEL_SOURCE": OPTIONS[option]["model"]["source"],
        "MODEL_FILE": "/model/iris.onnx", "MODEL_SHA256": sha256,
    }  # fmt: skip
    assert environment(made.container())["MODEL_FILE"] == "/model/iris.onnx"
    assert {"name": "model", "mountPath": "/model", "readOnly": True} in made.container()[
        "volumeMounts"
    ]
    (rule,) = made.kinds()["NetworkPolicy"]["spec"]["egress"]
    assert [(p["protocol"], p["port"]) for p in rule["ports"]] == [
        ("UDP", 53), ("TCP", 53), *(("TCP", port) for port in ports)]  # fmt: skip
    limit = OPTIONS[option]["model"].get("size_limit", "10Gi")
    assert made.pod()["volumes"][1] == {"name": "model", "emptyDir": {"sizeLimit": limit}}


def test_credentials_reach_who_fetches(make):
    fetch = make("all").container("fetch")
    assert {"secretRef": {"name": "storage"}} in fetch["envFrom"]
    assert "TOKEN" in environment(fetch)


@pytest.mark.parametrize("option", ["pvc", "https", "s3", "none"])
def test_with_a_source_the_image_leaves_the_model_out(make, option):
    root = make(option).root
    inside = option == "none"
    assert ("COPY model " in (root / "Dockerfile").read_text()) is inside
    assert ("!model" in (root / ".dockerignore").read_text().splitlines()) is inside
    assert (root / "app" / "fetch.py").exists() is (option == "https")
    (root / "requirements.lock").write_text("")
    before = find(root).content_hash()
    model = root / "model" / "iris.onnx"
    kept = model.read_bytes()
    model.write_bytes(b"other")
    assert (find(root).content_hash() != before) is inside
    model.write_bytes(kept)
    (root / "requirements.lock").unlink()


def test_patches_are_in_both_overlays(make):
    made = make("patches")
    for overlay in made.overlays:
        kinds = made.kinds(overlay)
        template = kinds["Deployment"]["spec"]["template"]
        assert template["metadata"]["annotations"]["team"] == "vision"
        assert kinds["Deployment"]["spec"]["revisionHistoryLimit"] == 2
        assert kinds["Service"]["metadata"]["annotations"] == {"cost": "7"}


def mutations():
    def pod(path, value):
        def change(spec):
            *parents, last = path
            for part in parents:
                spec = spec[part]
            if value is None:
                del spec[last]
            else:
                spec[last] = value

        return change

    inside = ("containers", 0, "securityContext")
    yield from [
        pod(("hostNetwork",), True), pod(("hostPID",), True), pod(("hostIPC",), True),
        pod((*inside, "privileged"), True), pod((*inside, "capabilities"), {"drop": []}),
        pod((*inside, "capabilities", "add"), ["SYS_TIME"]),
        pod((*inside, "allowPrivilegeEscalation"), None), pod((*inside, "runAsUser"), 0),
        pod((*inside, "runAsNonRoot"), False), pod(("securityContext", "runAsNonRoot"), None),
        pod(("securityContext", "seccompProfile"), None),
        pod((*inside, "seccompProfile"), {"type": "Unconfined"}),
        pod((*inside, "procMount"), "Unmasked"),
        pod((*inside, "appArmorProfile"), {"type": "Unconfined"}),
        pod((*inside, "seLinuxOptions"), {"user": "root"}),
        pod(("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
        pod(("volumes", 0), {"name": "tmp", "hostPath": {"path": "/"}}),
        pod(("containers", 0, "ports", 0, "hostPort"), 80),
        pod(("containers", 0, "livenessProbe", "httpGet", "host"), "169.254.169.254"),
        pod(("initContainers", 0, "securityContext"), None),
    ]  # fmt: skip


@pytest.mark.parametrize("mutate", list(mutations()))
def test_the_check_of_pod_security_finds(make, mutate):
    pod = copy.deepcopy(make("https").pod())
    mutate(pod)
    assert violations(pod)


@pytest.mark.slow
def test_checkov_finds_nothing(make, folder):
    """Once over all files; in an environment of its own, as it pins half of the world."""
    for option in OPTIONS:
        make(option)
    count = len(list(folder.glob("fastapi-*.yaml")))
    argv = ["tool", "run", CHECKOV, "--config-file", SUPPORT / "checkov.yaml", "-o", "json"]
    files = [part for path in sorted(folder.glob("*.yaml")) for part in ("-f", path)]
    done = subprocess.run(
        [TOOLS / "uv", *argv, *files], cwd=folder, capture_output=True, text=True, timeout=900
    )
    if not done.stdout:
        require("checkov", done.stderr[-300:])
    found = json.loads(done.stdout)
    assert count == 2 * len(OPTIONS)
    # It has seen what it was given.
    assert found["summary"]["resource_count"] > 5 * count
    assert found["summary"]["parsing_errors"] == 0
    failed = {
        (check["check_id"], check["check_name"], check["resource"])
        for check in found["results"]["failed_checks"]
    }
    assert failed == set()


def test_the_code_that_fetches_is_as_clean_as_the_rest(make):
    root = make("https").root
    for argv in (["ruff", "check", "."], ["ruff", "format", "--check", "."],
                 ["mypy", "--strict", "--config-file=", "app/fetch.py"]):  # fmt: skip
        done = subprocess.run(
            [TOOLS / argv[0], *argv[1:]], cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.cluster
@pytest.mark.skipif("MLSHIP_TEST_CONTEXT" not in os.environ, reason="names no context")
def test_a_server_that_enforces_restricted_takes_it(make):
    """Of what a bare cluster knows; warnings of Pod Security and of strict fields are errors."""
    namespace = f"mlship-options-{uuid.uuid4().hex[:6]}"
    kubectl = [TOOLS / "kubectl", "--context", os.environ["MLSHIP_TEST_CONTEXT"]]
    level = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    subprocess.run([*kubectl, "create", "namespace", namespace], check=True)
    try:
        subprocess.run([*kubectl, "label", "namespace", namespace, *level], check=True)
        argv = ["apply", "--namespace", namespace, "--dry-run=server", "--validate=strict", "-f-"]
        for option in OPTIONS:
            for found in make(option).overlays.values():
                known = [d for d in found if f"{d['apiVersion']} {d['kind']}" not in CUSTOM]
                done = subprocess.run(
                    [*kubectl, *argv],
                    input=yaml.safe_dump_all(known),
                    capture_output=True,
                    text=True,
                )
                assert (done.returncode, done.stderr) == (0, ""), option
    finally:
        subprocess.run([*kubectl, "delete", "namespace", namespace, "--wait=false"], check=True)
