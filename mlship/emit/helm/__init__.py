"""A Helm chart (https://helm.sh/docs/topics/charts/) of the rendered manifests.

What a platform team sets is a value whose default is what k8s/ renders; all else stands in the
templates as it is in k8s/.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mlship import layers
from mlship.cluster.manifests import Object
from mlship.config import Config
from mlship.emit import Rendered, file_name
from mlship.emit.helm import kinds, objects
from mlship.emit.helm.values import Values
from mlship.emit.printing import commented, dump, ordered

_FOLDER = "helm"
_HEAD = """\
# The defaults are those of the project's manifests, k8s/overlays/{env}. Set your own in a file:
# helm upgrade --install {name} DIR --values my.yaml
"""


def chart(rendered: Rendered, config: Config, env: str) -> dict[str, str]:
    """Return the chart's files by name.

    Raises:
        ProjectError: the manifests have no Deployment of the project's name.
    """
    values = Values()
    made = objects.Chart(config, rendered, values)
    files = {}
    for found in objects.in_order(rendered.objects):
        name = objects.file_name_of(made, found) or file_name(found, rendered.objects)
        files[f"templates/{name}"] = _template(made, found)
    return {
        "Chart.yaml": _chart_yaml(config),
        "values.yaml": values.to_yaml(_HEAD.format(env=env, name=config.name)),
        "values.schema.json": values.to_schema(),
        **_plain_files(config, made.service_port),
        **files,
    }


def semantic_version(version: str) -> str:
    """Return a version as Helm wants it, major.minor.patch: ``1.0rc1`` becomes ``1.0.0-rc1``."""
    match = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(.*)", version)
    assert match
    numbers = ".".join(str(int(part or 0)) for part in match.groups()[:3])
    rest = ".".join(re.findall(r"[0-9a-zA-Z-]+", match[4].replace("-", ".")))
    # A number of a pre-release has no leading zeros: https://semver.org/#spec-item-9
    rest = ".".join(part.lstrip("0") or "0" if part.isdigit() else part for part in rest.split("."))
    return f"{numbers}-{rest}" if match[4].strip(".-") else numbers


def _template(made: objects.Chart, found: Object) -> str:
    shape: Callable[..., objects.Template] = kinds.FOR_KIND.get(found["kind"], objects.plain)
    template = shape(made, ordered(found))
    text = dump(
        commented(template.value, made.rendered.comments, found["kind"]),
        helm=True,
    )
    if template.condition:
        text = f"{{{{- if {template.condition} }}}}\n{text}{{{{- end }}}}\n"
    return text


def _chart_yaml(config: Config) -> str:
    return dump(
        {
            "apiVersion": "v2",
            "name": config.name,
            "description": f"{config.name}: a model behind an HTTP API, POST /predict",
            "type": "application",
            "version": semantic_version(config.version),
            "appVersion": config.version,
            # The pause before a pod stops (lifecycle.preStop.sleep) is there since then.
            "kubeVersion": ">=1.30.0-0",
        }
    )


def _plain_files(config: Config, service_port: str) -> dict[str, str]:
    """Return the files that are the same for every project but for its name.

    Helm's braces are left alone: the two placeholders are in double square brackets.
    """
    root = layers.root() / _FOLDER
    found = {}
    for name in (".helmignore", "templates/_helpers.tpl", "templates/NOTES.txt"):
        text = (root / name).read_text(encoding="utf-8")
        text = text.replace("[[ name ]]", config.name)
        found[name] = text.replace("[[ service_port ]]", service_port)
    return found
