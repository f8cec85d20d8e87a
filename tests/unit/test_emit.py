"""The parts of what is emitted: printing, comments, versions, references."""

import pytest
import yaml

from mlship.emit import comments, file_name, pods, printing
from mlship.emit.helm import semantic_version
from mlship.emit.helm.values import Values
from mlship.emit.printing import Inline, Lines


def test_lines_and_inline_are_printed_as_they_are():
    value = {
        "spec": {
            "count": Inline("{{ .Values.count }}"),
            Lines(("{{- with .Values.x }}", "x: {{ toYaml . | nindent [2] }}", "{{- end }}")): None,
            "items": [{"name": "a"}, Lines(("{{- toYaml .Values.more | nindent [0] }}",))],
        }
    }
    assert printing.dump(value, helm=True) == (
        "spec:\n"
        "  count: {{ .Values.count }}\n"
        "  {{- with .Values.x }}\n"
        "  x: {{ toYaml . | nindent 4 }}\n"
        "  {{- end }}\n"
        "  items:\n"
        "    - name: a\n"
        "    {{- toYaml .Values.more | nindent 4 }}\n"
    )


@pytest.mark.parametrize(
    "text",
    ["1", "1e3", "0.1.0", "0o17", "0x1F", "y", "N", "true", "null", "~", "", "-", "1_000", "12:30",
     "2026-01-01", " a", "a: b", "# c", "{{ x }}", "a\nb", "\u00e4", "'", '"', "\\", "\t", "a\n\n"],
)  # fmt: skip
def test_texts_stay_texts(text):
    printed = printing.dump({"key": text, "list": [text]})
    assert yaml.safe_load(printed) == {"key": text, "list": [text]}
    if text in ("1e3", "0o17", "y", "N"):  # what Go's readers take for a number or a boolean
        assert f'key: "{text}"' in printed


def test_order():
    spec = {"containers": [{"image": "b", "name": "a"}], "x": 1, "serviceAccountName": "s"}
    found = printing.ordered({"spec": spec, "kind": "K", "apiVersion": "v1"})
    assert list(found) == ["apiVersion", "kind", "spec"]
    assert list(found["spec"]) == ["serviceAccountName", "containers", "x"]
    assert list(found["spec"]["containers"][0]) == ["name", "image"]


TEXT = """\
# About
# the whole.
apiVersion: v1
kind: Pod
metadata: {name: iris}
spec:
  # Not for here: overlays/prod does it.
  a: 1
  containers:
    # The first one.
    - name: server
      env:
        - name: A
          # Why it is so.
          value: "# no comment"
        # An item without a name.
        - b
"""


def test_comments_by_place():
    found = comments.of([TEXT, "patch: without a kind\n"])
    assert found == {
        ("Pod", "apiVersion"): ("About", "the whole."),
        ("Pod", "spec", "containers", "server"): ("The first one.",),
        ("Pod", "spec", "containers", "server", "env", "A", "value"): ("Why it is so.",),
        ("Pod", "spec", "containers", "server", "env", 1): ("An item without a name.",),
    }
    printed = printing.dump(printing.commented(yaml.safe_load(TEXT), found, "Pod"))
    wanted = [line for line in TEXT.splitlines() if "overlays" not in line]
    assert [line for line in printed.splitlines() if line.lstrip().startswith("#")] == [
        line for line in wanted if line.lstrip().startswith("#")
    ]
    assert yaml.safe_load(printed) == yaml.safe_load(TEXT)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("0.1.0", "0.1.0"), ("1", "1.0.0"), ("1.2", "1.2.0"), ("01.2.3", "1.2.3"),
     ("1.0rc1", "1.0.0-rc1"), ("1.2.3-beta.02", "1.2.3-beta.2"), ("1.2.3.4", "1.2.3-4"),
     ("1.2.3-", "1.2.3")],
)  # fmt: skip
def test_semantic_version(version, wanted):
    assert semantic_version(version) == wanted


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("iris:1", ("iris", "1", "")),
        ("localhost:5000/team/iris", ("localhost:5000/team/iris", "", "")),
        ("localhost:5000/iris:1@sha256:" + "a" * 64,
         ("localhost:5000/iris", "1", "sha256:" + "a" * 64)),
    ],
)  # fmt: skip
def test_reference(image, parts):
    found = pods.reference(image)
    assert (found.name, found.tag, found.digest) == parts


def test_cpu_target():
    def scaler(*resources):
        return {"spec": {"metrics": [{"type": "Resource", "resource": r} for r in resources]}}

    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 75}}
    memory = {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 75}}
    value = {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1"}}
    assert pods.cpu_target(scaler(cpu)) == 75
    for others in ([memory], [value], [cpu, memory], []):
        assert pods.cpu_target(scaler(*others)) is None
    assert pods.cpu_target({"spec": {"triggers": []}}) is None


def test_file_names():
    one, two = ({"kind": "ConfigMap", "metadata": {"name": name}} for name in ("a", "b"))
    scaler = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}}
    assert file_name(scaler, [one, scaler]) == "hpa.yaml"
    assert file_name(one, [one, scaler]) == "configmap.yaml"
    assert file_name(two, [one, two]) == "configmap-b.yaml"


def test_values_are_commented_and_have_a_schema():
    values = Values()
    values.section("image", "Where from.")
    values.add("image.tag", "1", "Which.")
    values.add("replicaCount", 2)
    assert values.add("replicaCount", 3) == ".Values.replicaCount"
    assert values.to_yaml("# Head.\n") == (
        '# Head.\n\n# Where from.\nimage:\n  # Which.\n  tag: "1"\n\nreplicaCount: 2\n'
    )
    schema = yaml.safe_load(values.to_schema())
    assert schema["additionalProperties"] is False
    assert schema["properties"]["image"]["properties"] == {"tag": {"type": "string"}}
    assert schema["properties"]["replicaCount"] == {"type": "integer"}
    assert schema["properties"]["global"] == {"type": "object"}
