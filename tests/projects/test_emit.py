"""--emit: charts that Helm renders to what k8s/ renders, InferenceServices as KServe has them."""

import copy
import hashlib
import json
import os
import re
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from kubernetes_validate import validate

from mlship import emitting
from mlship.commands import kubectl
from mlship.emit import helm, kserve
from mlship.errors import ProjectError
from mlship.project import find
from mlship.runner import Runner
from tests.conftest import SERVERS
from tests.projects.test_manifests_of_options import KUBERNETES, check_schema, write
from tests.support import charts
from tests.support.options import OPTIONS

SUPPORT = Path(__file__).parents[1] / "support"
INFERENCE_SERVICE = json.loads((SUPPORT / "inferenceservice.json").read_text())
HASH = re.compile(r"^iris-[2456789bcdfghkmt]{10}$")
# What the server changes, it changes with any option.
CASES = [
    (server, option, env)
    for server in SERVERS
    for option in (OPTIONS if server == SERVERS[0] else ("none", "all", "all-others"))
    for env in ("dev", "prod")
]


class Emitted:
    """A project with one option, rendered."""

    def __init__(self, folder, server, option, env):
        root = folder / f"{server}-{option}" / "iris"
        if not root.exists():
            write(root, server, OPTIONS[option])
        self.project, self.env, self.option = find(root), env, option
        self.config = self.project.config
        self.rendered = emitting.render(self.project, env, Runner())

    def chart(self, folder):
        files = helm.chart(self.rendered, self.config, self.env)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder

    def kserve(self):
        files = kserve.manifests(self.rendered, self.config)
        found = [yaml.safe_load(text) for text in files.values()]
        return {each["kind"]: each for each in found}


@pytest.fixture(scope="module", autouse=True)
def kubectl_on_the_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("emit"), {}

    def get(option, server="fastapi", env="prod"):
        key = (server, option, env)
        if key not in made:
            made[key] = Emitted(folder, *key)
        return made[key]

    return get


@pytest.fixture(params=CASES, ids="-".join)
def made(request, make):
    server, option, env = request.param
    return make(option, server, env)


def by_name(objects):
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def normal(value):
    """Leave out what is Helm's own: its labels, the checksum, the release's label in selectors.

    Of k8s/: the manager, and the hash in the name of the ConfigMap.
    """
    helms = ("helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by",
             "checksum/config")  # fmt: skip
    if isinstance(value, dict):
        return {key: normal(each) for key, each in value.items() if key not in helms}
    if isinstance(value, list):
        return [normal(each) for each in value]
    if isinstance(value, str) and HASH.match(value):
        return "iris"
    return value


def with_image(made):
    """The rendered objects with the image that the build makes, as `mlship deploy` sets it."""
    config = made.config
    text = json.dumps(made.rendered.objects)
    return json.loads(
        text.replace(f'"{config.image}:{config.version}"', json.dumps(made.rendered.image))
    )


def test_chart_with_its_defaults_renders_what_k8s_renders(made, tmp_path):
    found = charts.render(made.chart(tmp_path / "chart"))
    for each in found:
        check_schema(each)
    assert by_name(normal(found)) == by_name(normal(with_image(made)))
    assert len(found) == len(made.rendered.objects)


def test_helm_lint_finds_nothing(made, tmp_path):
    assert charts.findings(made.chart(tmp_path / "chart")) == []


def test_inference_service_is_what_kserve_knows(made):
    found = made.kserve()
    service = found.pop("InferenceService")
    jsonschema.validate(service, INFERENCE_SERVICE)
    pod = {
        key: value
        for key, value in service["spec"]["predictor"].items()
        if INFERENCE_SERVICE["properties"]["spec"]["properties"]["predictor"]["properties"][key]
        == {}
    }
    # The rest is a pod's.
    validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "iris"}, "spec": pod},
        KUBERNETES,
        strict=True,
    )
    for each in found.values():
        check_schema(each)
    deployment = by_name(with_image(made))["Deployment", "iris"]["spec"]["template"]
    want = copy.deepcopy(deployment["spec"])
    want["containers"][0]["name"] = "kserve-container"
    assert pod == want
    predictor = service["spec"]["predictor"]
    assert predictor["labels"] == deployment["metadata"]["labels"]
    assert predictor["annotations"] == deployment["metadata"]["annotations"]
    # What selects the pods finds them.
    labels = predictor["labels"].items()
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        if kind in found:
            spec = found[kind]["spec"]
            selector = spec.get("podSelector") or spec["selector"]
            assert selector["matchLabels"].items() <= labels
    assert not found.keys() & {"Deployment", "Service", "Ingress", "HTTPRoute", "Gateway"}
    names = {each["metadata"]["name"] for each in found.values() if each["kind"] == "ConfigMap"}
    assert pod["containers"][0]["envFrom"][0]["configMapRef"]["name"] in names


def test_inference_service_scales_as_k8s_does(make):
    predictor = make("none").kserve()["InferenceService"]["spec"]["predictor"]
    scale = {key: predictor[key] for key in predictor if "cale" in key or "eplicas" in key}
    assert scale == {"minReplicas": 2, "maxReplicas": 6, "scaleMetric": "cpu", "scaleTarget": 75}
    dev = make("none", env="dev").kserve()["InferenceService"]["spec"]["predictor"]
    assert (dev["minReplicas"], dev["maxReplicas"]) == (1, 1)


def test_kedas_triggers_scale_what_kserve_makes(make):
    found = make("keda").kserve()
    annotations = found["InferenceService"]["metadata"]["annotations"]
    assert annotations["serving.kserve.io/autoscalerClass"] == "external"
    assert found["ScaledObject"]["spec"]["scaleTargetRef"]["name"] == "iris-predictor"
    assert "minReplicas" not in found["InferenceService"]["spec"]["predictor"]


def test_what_kserve_routes_itself_is_named(make):
    made = make("ingress")
    assert kserve.left_out(made.rendered, made.config) == ["Ingress/iris"]


def test_two_releases_do_not_share_pods(make, tmp_path):
    chart = make("all").chart(tmp_path / "chart")
    selectors = []
    for release in ("blue", "green"):
        found = charts.render(chart, name=release)
        kinds = {each["kind"]: each for each in found}
        labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
        selector = kinds["Service"]["spec"]["selector"]
        assert selector.items() <= labels
        for matched in (
            kinds["Deployment"]["spec"]["selector"]["matchLabels"],
            kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
            kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        ):
            assert matched == selector
        selectors.append(selector)
        name = f"{release}-iris"
        assert {each["metadata"]["name"] for each in found} == {name}
        pod = kinds["Deployment"]["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == name
        assert pod["containers"][0]["envFrom"][0] == {"configMapRef": {"name": name}}
        path = kinds["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]
        assert path["backend"]["service"]["name"] == name
        assert kinds["HTTPRoute"]["spec"]["rules"][0]["backendRefs"][0]["name"] == name
    assert selectors[0] != selectors[1]


def test_a_chart_beside_what_mlship_deployed_shares_no_pods(make, tmp_path):
    """As docs/emit.md says to migrate within a namespace."""
    made = make("all")
    found = charts.render(
        made.chart(tmp_path / "chart"), {"nameOverride": "iris-helm"}, name="blue"
    )
    kinds = {each["kind"]: each for each in found}
    ours = {each["kind"]: each for each in made.rendered.objects}
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert not ours["Service"]["spec"]["selector"].items() <= labels
    assert kinds["Service"]["spec"]["selector"].items() <= labels
    assert '"app.kubernetes.io/name": "iris"' not in json.dumps(found)
    assert {each["metadata"]["name"] for each in found} == {"blue-iris-helm"}


def test_values_reach_the_objects(make, tmp_path):
    chart = make("none").chart(tmp_path / "chart")
    digest = "sha256:" + "a" * 64
    values = {
        "image": {"repository": "registry.example.com/iris", "digest": digest},
        "imagePullSecrets": [{"name": "regcred"}],
        "autoscaling": {"minReplicas": 3, "maxReplicas": 9, "targetCPUUtilizationPercentage": 50},
        "config": {"LOG_LEVEL": "DEBUG", "MAX_BODY_BYTES": "10485760"},
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "envFrom": [{"secretRef": {"name": "more"}}],
        "resources": {"limits": {"memory": "4Gi"}},
        "podAnnotations": {"team": "ml"}, "podLabels": {"cost": "a1"},
        "nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "high", "terminationGracePeriodSeconds": 90,
        "podSecurityContext": {"runAsUser": None, "fsGroup": None, "runAsGroup": None},
        "serviceAccount": {"annotations": {"role": "r"}},
        "service": {"port": 8080},
        "networkPolicy": {"egress": [{"ports": [{"port": 443}]}]},
        "podDisruptionBudget": {"maxUnavailable": "25%"},
    }  # fmt: skip
    found = {each["kind"]: each for each in charts.render(chart, values)}
    for each in found.values():
        validate(each, KUBERNETES, strict=True)
    template = found["Deployment"]["spec"]["template"]
    pod, server = template["spec"], template["spec"]["containers"][0]
    assert server["image"] == f"registry.example.com/iris@{digest}"
    assert pod["imagePullSecrets"] == [{"name": "regcred"}]
    assert server["env"][-1]["name"] == "TOKEN"
    assert server["env"][0]["name"] == "PORT"
    assert server["envFrom"][1:] == values["envFrom"]
    assert server["resources"]["limits"] == {"cpu": "1", "memory": "4Gi"}
    assert template["metadata"]["annotations"]["team"] == "ml"
    assert template["metadata"]["labels"]["cost"] == "a1"
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "high"
    assert pod["terminationGracePeriodSeconds"] == 90
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert found["ConfigMap"]["data"]["MAX_BODY_BYTES"] == "10485760"
    assert found["ServiceAccount"]["metadata"]["annotations"] == {"role": "r"}
    assert found["Service"]["spec"]["ports"][0]["port"] == 8080
    assert found["NetworkPolicy"]["spec"]["egress"] == [{"ports": [{"port": 443}]}]
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == "25%"
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 50


def test_switches_leave_objects_out(make, tmp_path):
    chart = make("all").chart(tmp_path / "chart")
    off = ("autoscaling", "ingress", "gateway", "networkPolicy", "podDisruptionBudget",
           "monitoring")  # fmt: skip
    values = {name: {"enabled": False} for name in off} | {
        "replicaCount": 4, "serviceAccount": {"create": False, "name": "theirs"},
    }  # fmt: skip
    found = {each["kind"]: each for each in charts.render(chart, values)}
    assert set(found) == {"ConfigMap", "Deployment", "Service"}
    assert found["Deployment"]["spec"]["replicas"] == 4
    assert found["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"] == "theirs"


def test_a_change_of_the_settings_rolls_the_pods(make, tmp_path):
    chart = make("none").chart(tmp_path / "chart")

    def checksum(values):
        found = {each["kind"]: each for each in charts.render(chart, values)}
        return found["Deployment"]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum({}) == checksum({"replicaCount": 4}) != checksum({"config": {"WORKERS": "2"}})
    assert len(checksum({})) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"image": {"tga": "1"}}, "tga"),
        ({"replicas": 3}, "replicas"),
        ({"config": {"MAX_BODY_BYTES": 10485760}}, "string"),
        ({"autoscaling": {"minReplicas": "two"}}, "integer"),
    ],
)
def test_wrong_values_are_refused(make, tmp_path, values, word):
    chart = make("none").chart(tmp_path / "chart")
    with pytest.raises(charts.Refused, match=word):
        charts.render(chart, values)


def test_texts_of_ones_own_stay_what_they_are(make, tmp_path):
    """Braces are Helm's, and readers of YAML disagree on what some texts are."""
    made = copy.deepcopy(make("none"))
    odd = {
        "braces": "{{ .Values.secret }} and {{- x -}}", "yes": "y", "float": "1e3", "octal": "0o17",
        "time": "12:30:45", "date": "2026-01-01", "null": "~", "lines": "a: {{ b }}\n# c\n\n d",
        "hex": "0x1F", "quote": "'\"\\", "comment": "a # b", "umlaut": "ä", "empty": "",
    }  # fmt: skip
    for each in made.rendered.objects:
        if each["kind"] in ("Deployment", "ConfigMap"):
            each["metadata"]["annotations"] = odd
        if each["kind"] == "ConfigMap":
            each["data"] = odd
    found = {each["kind"]: each for each in charts.render(made.chart(tmp_path / "chart"))}
    assert found["Deployment"]["metadata"]["annotations"] == odd
    assert found["ConfigMap"]["data"] == odd
    assert made.kserve()["ConfigMap"]["data"] == odd


def test_what_a_project_lacks_the_chart_lacks(make, tmp_path):
    made = copy.deepcopy(make("none"))
    objects = made.rendered.objects
    objects[:] = [each for each in objects if each["kind"] == "Deployment"]
    (found,) = charts.render(made.chart(tmp_path / "chart"))
    assert found["spec"]["replicas"] == made.config.replicas
    assert found["spec"]["template"]["spec"]["serviceAccountName"] == "iris"
    assert "autoscaling" not in yaml.safe_load((tmp_path / "chart" / "values.yaml").read_text())


def test_another_autoscaler_stays_as_it_is(make):
    made = copy.deepcopy(make("none"))
    kinds = {each["kind"]: each for each in made.rendered.objects}
    memory = {"type": "Utilization", "averageUtilization": 80}
    kinds["HorizontalPodAutoscaler"]["spec"]["metrics"] = [
        {"type": "Resource", "resource": {"name": "memory", "target": memory}}
    ]
    found = made.kserve()
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == "iris-predictor"
    assert scaler["metrics"][0]["resource"]["name"] == "memory"
    annotations = found["InferenceService"]["metadata"]["annotations"]
    assert annotations["serving.kserve.io/autoscalerClass"] == "external"


def test_comments_of_k8s_are_in_what_is_emitted(make):
    made = make("none")
    template = helm.chart(made.rendered, made.config, "prod")["templates/deployment.yaml"]
    service = kserve.manifests(made.rendered, made.config)["inferenceservice.yaml"]
    for text in (template, service):
        comment = "# Serve on while endpoints and load balancers take this pod out.\n"
        assert re.search(rf"( *){re.escape(comment)}\1preStop:\n", text)
        assert "overlays" not in text


@pytest.mark.parametrize("kind", ["helm", "kserve", "kustomize"])
def test_emit_again_keeps_what_was_edited(make, tmp_path, kind):
    project, folder, runner = make("none").project, tmp_path / "out", Runner()
    first = emitting.emit(project, kind, "prod", folder, runner).changes
    assert first.written and not first.kept
    again = emitting.emit(project, kind, "prod", folder, runner).changes
    assert not again.written and sorted(again.unchanged) == sorted(first.written)
    mine = folder / next(name for name in first.written if name.endswith("pdb.yaml"))
    mine.write_text("# mine\n")
    kept = emitting.emit(project, kind, "prod", folder, runner).changes.kept
    assert [folder / name for name in kept] == [mine]
    assert mine.read_text() == "# mine\n"
    forced = emitting.emit(project, kind, "prod", folder, runner, force=True).changes
    assert not forced.kept
    assert "kind: PodDisruptionBudget" in mine.read_text()
    # The overlay of dev has no disruption budget.
    removed = emitting.emit(project, kind, "dev", folder, runner).changes.removed
    assert mine.relative_to(folder).as_posix() in removed
    assert not mine.exists()


def test_a_folder_of_others_is_left_alone(make, tmp_path):
    project, theirs = make("none").project, tmp_path / "values.yaml"
    theirs.write_text("theirs: true\n")
    with pytest.raises(ProjectError, match="is not empty") as refused:
        emitting.emit(project, "helm", "prod", tmp_path, Runner())
    assert "--output" in refused.value.next and "--force" in refused.value.next
    assert [each.name for each in tmp_path.iterdir()] == ["values.yaml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ProjectError, match="is a file"):
        emitting.emit(project, "helm", "prod", tmp_path / "file", Runner())
    emitting.emit(project, "helm", "prod", tmp_path, Runner(), force=True)
    assert "replicaCount" in theirs.read_text()


def test_kustomize_in_a_folder_renders_with_the_image(make, tmp_path):
    made = make("ingress")
    emitting.emit(made.project, "kustomize", "prod", tmp_path / "out", Runner())
    answer = Runner().ask(kubectl.kustomize("kubectl", tmp_path, Path("out")))
    assert answer.code == 0, answer.stderr
    found = list(yaml.safe_load_all(answer.stdout))
    for each in found:
        assert each["metadata"].pop("namespace") == made.config.namespace
    assert by_name(found) == by_name(with_image(made))


def test_the_command_line_shows_what_it_wrote(make, tmp_path, capsys):
    from mlship.cli.emit import emit

    made = make("ingress")
    written = emit(made.project, "kserve", "prod", tmp_path / "out")
    said = capsys.readouterr()
    assert tmp_path / "out" / "inferenceservice.yaml" in written
    assert all(path.is_file() for path in written)
    assert [line.split()[1] for line in said.out.splitlines()] == [str(path) for path in written]
    assert "Ingress/iris" in said.err
    assert emit(made.project, "kserve", "prod", tmp_path / "out") == []
    assert "is up to date" in capsys.readouterr().out
    assert emit(made.project, "kustomize", "prod", None) == []


def test_the_environment_of_values_reaches_what_fetches_the_model(make, tmp_path):
    chart = make("s3").chart(tmp_path / "chart")
    env = [{"name": "AWS_REGION", "value": "north"}]
    sources = [{"secretRef": {"name": "storage"}}]

    def containers(values):
        kinds = {each["kind"]: each for each in charts.render(chart, values)}
        pod = kinds["Deployment"]["spec"]["template"]["spec"]
        return pod["initContainers"][0], pod["containers"][0]

    fetch, server = containers({"env": env, "envFrom": sources, "model": {"fetchImage": "x/aws:1"}})
    assert fetch["env"][-1:] == server["env"][-1:] == env
    assert fetch["envFrom"] == sources == server["envFrom"][1:]
    assert fetch["image"] == "x/aws:1"
    assert "envFrom" not in containers({})[0]


def test_an_environment_that_differs_between_containers_stays(make, tmp_path):
    made = copy.deepcopy(make("s3"))
    kinds = {each["kind"]: each for each in made.rendered.objects}
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    pod["containers"][0]["envFrom"].append({"secretRef": {"name": "server-only"}})
    pod["containers"].append({"name": "proxy", "image": "proxy:1", "env": [{"name": "A"}]})
    found = charts.render(made.chart(tmp_path / "chart"))
    assert by_name(normal(found)) == by_name(normal(with_image(made)))
    service = made.kserve()["InferenceService"]["spec"]["predictor"]
    assert [each["name"] for each in service["containers"]] == ["kserve-container", "proxy"]


@pytest.mark.parametrize("option", ["none", "all", "all-others"])
def test_every_reference_follows_the_release(make, tmp_path, option):
    def names(value):
        if isinstance(value, dict):
            own = [each for key, each in value.items() if key.lower().endswith("name")]
            return own + [name for each in value.values() for name in names(each)]
        return [name for each in value for name in names(each)] if isinstance(value, list) else []

    found = names(charts.render(make(option).chart(tmp_path / "chart"), name="blue"))
    assert "blue-iris" in found
    labels = [name for name in found if name == "iris"]
    assert not [name for name in found if isinstance(name, str) and HASH.match(name)]
    # The label app.kubernetes.io/name has the application's.
    printed = json.dumps(charts.render(tmp_path / "chart", name="blue"))
    assert len(labels) == printed.count('"app.kubernetes.io/name": "iris"')
