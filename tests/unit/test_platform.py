"""mlship.yaml's settings for one's own platform: what is accepted, how mistakes are told."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
import yaml

from mlship import config, kubernetes, layers, platform, sections, settings
from mlship.errors import UsageError
from tests.support.options import OPTIONS
from tests.unit.conftest import CONFIG
from tests.unit.test_config import MINIMAL, load, mistakes

ROOT = Path(__file__).parents[2]
# Behind the 21 lines of the configuration.
LINES = CONFIG.count("\n")


def build(**values):
    return config.build(settings.overlay(MINIMAL, values))


@pytest.mark.parametrize("option", OPTIONS)
def test_written_and_read_again_it_is_the_same(tmp_path, option):
    made = build(**OPTIONS[option])
    values = sections.plain(made)
    assert load(tmp_path, yaml.safe_dump(values, allow_unicode=True)) == made
    assert config.build(values) == made
    written = yaml.safe_load(kubernetes.platform_yaml(made) or "{}")
    given = {key: value for key, value in OPTIONS[option].items() if key != "model"}
    assert written.keys() == given.keys()


def test_nothing_set_is_nothing_written():
    assert kubernetes.platform_yaml(build()) == ""


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("ingress:\n  hots: a\n", [(2, "ingress.hots is not a setting; did you mean host?"),
                                  (1, "ingress.host is missing")]),
        ("ingress:\n  host: A_b\n", [(2, "ingress.host can't be 'A_b'")]),
        ("ingress: example.com\n",
         [(1, "ingress holds settings of its own (it is 'example.com')")]),
        ("ingress:\n  host: a\n  path: predict\n", [(3, "ingress.path can't be 'predict'")]),
        ("ingress:\n  host: a\n  class: Nginx\n", [(3, "ingress.class can't be 'Nginx'")]),
        ("ingress:\n  host: a\n  class_: x\n",
         [(3, "ingress.class_ is not a setting; did you mean class?")]),
        ("ingress:\n  host: a\n  annotations:\n    a b: c\n",
         [(4, "ingress.annotations.a b can't be 'a b'")]),
        ("gateway: {}\n", [(1, "gateway needs one of name (a gateway that exists) and class "
                               "(to make one)")]),
        ("gateway:\n  name: a\n  class: b\n", [(1, "gateway needs one of name (a gateway that "
                                                   "exists) and class (to make one)")]),
        ("gateway:\n  class: b\n",
         [(2, "gateway.class needs tls_secret, the certificate of its listener")]),
        ("gateway:\n  class: b\n  tls_secret: t\n  section: s\n",
         [(2, "gateway.class excludes namespace and section, which lead to another's")]),
        ("gateway:\n  name: b\n  tls_secret: t\n",
         [(3, "gateway.tls_secret is for a gateway of your own: set class, not name")]),
        ("gateway:\n  name: b\n  hostnames:\n    - ok\n    - Not_ok\n",
         [(5, "gateway.hostnames.1 can't be 'Not_ok'")]),
        ("image_pull_secrets: registry\n",
         [(1, "image_pull_secrets input should be a valid list (it is 'registry')")]),
        ("image_pull_secrets:\n  - a\n  - B\n", [(3, "image_pull_secrets.1 can't be 'B'")]),
        ("env_from:\n  secret: [a]\n",
         [(2, "env_from.secret is not a setting; did you mean secrets?")]),
        ("env:\n  A: x\n  A-B: x\n", [(3, "env.A-B can't be 'A-B'")]),
        ("env:\n  PORT: 1\n", [(2, "env.PORT is set by mlship; see port and model")]),
        ("env:\n  A: {secret: s}\n", [(2, "env.A needs secret or config_map, with key")]),
        ("env:\n  A: {key: s}\n", [(2, "env.A needs one of a value, secret and config_map")]),
        ("env:\n  A: {value: 1, key: s}\n",
         [(2, "env.A needs secret or config_map, with key")]),
        ("env:\n  A: {secret: s, config_map: c, key: k}\n",
         [(2, "env.A needs one of a value, secret and config_map")]),
        ("node_selector:\n  pool: a b\n", [(2, "node_selector.pool can't be 'a b'")]),
        ("tolerations:\n  - key: a\n    operator: Exist\n",
         [(3, "tolerations.0.operator input should be 'Equal' or 'Exists' (it is 'Exist')")]),
        ("tolerations:\n  - {operator: Exists}\n  - {value: a}\n",
         [(3, "tolerations.1 needs a key (or operator: Exists, for every taint)")]),
        ("tolerations:\n  - {key: a, operator: Exists, value: b}\n",
         [(2, "tolerations.0 has operator Exists, which takes no value")]),
        ("tolerations:\n  - {key: a, toleration_seconds: 9}\n",
         [(2, "tolerations.0 has toleration_seconds, which effect: NoExecute goes with")]),
        ("gpu: -1\n", [(1, "gpu input should be greater than or equal to 0 (it is -1)")]),
        ("gpu_resource: a b\n", [(1, "gpu_resource can't be 'a b'")]),
        ("priority_class: High\n", [(1, "priority_class can't be 'High'")]),
        ("monitoring:\n  kind: prometheus\n",
         [(2, "monitoring.kind input should be 'service-monitor' or 'pod-monitor' "
              "(it is 'prometheus')")]),
        ("monitoring:\n  interval: 30\n",
         [(2, "monitoring.interval can't be '30': it is 30s, 1m, ...")]),
        ("keda: {}\n", [(1, "keda.triggers is missing")]),
        ("keda:\n  triggers: []\n", [(2, "keda.triggers is empty")]),
        ("keda:\n  triggers:\n    - metadata: {a: b}\n",
         [(3, "keda.triggers.0 needs one of type and prometheus")]),
        ("keda:\n  triggers:\n    - type: cron\n      prometheus:\n        server: p:9090\n"
         "        query: x\n        threshold: 1\n",
         [(5, "keda.triggers.0.prometheus.server can't be 'p:9090'")]),
        ("patches: [../x.yaml]\n", [(1, "patches.0.file can't be '../x.yaml'")]),
        ("patches: [kustomization.yaml]\n",
         [(1, "patches.0 is the file that mlship writes there")]),
        ("patches:\n  - a.yaml\n  - file: b.yaml\n    knid: Service\n",
         [(4, "patches.1.knid is not a setting; did you mean kind?")]),
    ],
)  # fmt: skip
def test_mistake(tmp_path, text, messages):
    want = [f"line {LINES + line}: {message}" for line, message in messages]
    assert sorted(mistakes(tmp_path, CONFIG + text)) == sorted(want)


@pytest.mark.parametrize(
    "source",
    [
        "pvc://claim/model.onnx", "pvc://my.claim/a/b c/v=1/m.onnx", "s3://bucket/a/b.onnx",
        "gs://my_bucket/b", "https://h/m", "https://h.example.com:8443/a%20b?c=d&e=f#g",
        "http://minio.storage/m",
    ],
)  # fmt: skip
def test_source(source):
    assert build(model={"source": source}).model.source == source


@pytest.mark.parametrize(
    "source",
    [
        "model.onnx", "/mnt/m", "pvc://claim", "pvc://claim/", "pvc://claim/a/../b", "pvc:///a",
        "pvc://Claim/a", "s3://bucket", "s3://bucket/", "s3://b/a\"b", "s3://b/$(id)", "s3://b/a`b",
        "s3://b//a", "https://user:secret@host/m", "https://host", "https://h/a b", "ftp://h/m",
        "file:///etc/passwd", "https://h/a\nb",
    ],
)  # fmt: skip
def test_no_source(source):
    with pytest.raises(UsageError):
        build(model={"source": source})


@pytest.mark.parametrize("source", [None, "https://h/m", "pvc://claim/m"])
def test_a_fetch_image_goes_with_a_vendors_program(source):
    with pytest.raises(UsageError) as caught:
        build(model={"source": source, "fetch_image": "aws:1"})
    assert caught.value.what == "Settings disagree"
    assert caught.value.why == "model.fetch_image is for a source of s3:// or gs://."


@pytest.mark.parametrize("scheme", ["s3://buc/k", "gs://buc/k", "https://h/k", "http://h/k"])
def test_a_folder_is_not_fetched(scheme):
    with pytest.raises(UsageError) as caught:
        kubernetes.check_source(build(model={"source": scheme}), is_folder=True)
    assert "pvc://" in caught.value.next
    kubernetes.check_source(build(model={"source": scheme}), is_folder=False)


def test_a_folder_may_lie_on_a_volume():
    kubernetes.check_source(build(model={"source": "pvc://claim/folder"}), is_folder=True)


@pytest.mark.parametrize(
    ("source", "ports"),
    [
        ("pvc://c/m", []), ("https://h/m", [443]), ("https://h:8443/m", [8443]),
        ("http://h/m", [80]), ("s3://buc/k", [443, 80]), ("", []),
    ],
)  # fmt: skip
def test_egress_ports(source, ports):
    assert platform.egress_ports(source) == ports


def scalars(section, prefix=""):
    """Yield the dotted keys of a section's numbers and texts, those of sections in it too."""
    hints = get_type_hints(section, include_extras=False)
    for each in fields(section):
        hint = hints[each.name]
        options = get_args(hint) if get_origin(hint) is UnionType else (hint,)
        (hint,) = [option for option in options if option is not type(None)]
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        key = prefix + each.name.rstrip("_")
        if is_dataclass(hint):
            yield from scalars(hint, f"{key}.")
        elif get_origin(hint) not in (tuple, dict):
            yield key


def test_every_scalar_can_be_set_on_the_command_line():
    # Those that a model or an option of `init` decides.
    decided = {"name", "server", "runtime", "model.file", "model.sha256", "original.file",
               "original.sha256"}  # fmt: skip
    assert set(settings.KEYS) == set(scalars(config.Config)) - decided


def test_set():
    given = settings.parse(["ingress.host=a.example.com", "ingress.class=nginx", "gpu=2",
                            "model.source=s3://buc/k"])  # fmt: skip
    made = build(**given)
    assert made.ingress == platform.Ingress("a.example.com", class_="nginx")
    assert (made.gpu, made.model.source) == (2, "s3://buc/k")


def examples(path, prefix):
    """Yield the YAML of a text's examples: lines that start with ``prefix``, run by run."""
    block = []
    for line in [*path.read_text().splitlines(), ""]:
        if line.startswith(prefix) or (block and prefix.isspace() and not line.strip()):
            block.append(line[len(prefix) :])
            continue
        if block:
            yield "\n".join(block)
        block = []


def test_the_examples_of_the_documentation_are_settings():
    seen = set()
    for text in examples(ROOT / "docs" / "manifests.md", "    "):
        if re.match(r"(mlship|kubectl|k8s/|#)", text):
            continue
        values = yaml.safe_load(text)
        if "model" in values:
            values["model"] |= {"sha256": "a" * 64}
        seen |= values.keys()
        build(**values)
    assert seen >= {"model", *platform.Platform.__dataclass_fields__}


def test_the_examples_in_a_projects_mlship_yaml_are_settings():
    path = layers.root() / "shared" / "{{cookiecutter.name}}" / "mlship.yaml"
    lines = path.read_text().replace("{{ cookiecutter.name }}", "iris").splitlines()
    examples = [line[1:] for line in lines if re.match(r"#(\w+:|  )", line)]
    *options, source = examples
    values = yaml.safe_load("\n".join(options))
    build(**values)
    # All but what a name alone tells.
    assert values.keys() == platform.Platform.__dataclass_fields__.keys() - {"gpu_resource"}
    assert re.findall(r"\b(pvc|s3|gs|https)://", source) == ["pvc", "s3", "gs", "https"]
    assert len(lines) - lines.index(next(line for line in lines if "More for k8s/" in line)) <= 25
