"""What the templates of k8s/ print: from mlship.yaml alone, without the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from mlship.config import Config
from mlship.errors import ProjectError, UsageError
from mlship.platform import Keda, Platform, egress_ports
from mlship.sections import plain

PATCHES = "k8s/patches"
# Where a model that is not in the image lies in the pod.
_MOUNTED = PurePosixPath("/model")
_VENDORS = {"s3": "amazon/aws-cli:2.27.0", "gs": "google/cloud-sdk:532.0.0-alpine"}
_SIZE_LIMIT = "10Gi"
_CHECK = 'echo "$MODEL_SHA256  $MODEL_FILE" | sha256sum -c'
_COMMANDS = {
    "s3": f'aws s3 cp --no-progress "$MODEL_SOURCE" "$MODEL_FILE" && {_CHECK}',
    "gs": f'gcloud storage cp "$MODEL_SOURCE" "$MODEL_FILE" && {_CHECK}',
}
FILE_NOTES = {
    "autoscaler": {"k8s/overlays/prod/hpa.yaml": "the autoscaler"},
    "keda": {"k8s/overlays/prod/scaledobject.yaml": "the autoscaler, KEDA's"},
    "ingress": {"k8s/base/ingress.yaml": "the way in from outside"},
    "gateway": {"k8s/base/httproute.yaml": "the way in from outside"},
    "own-gateway": {"k8s/base/gateway.yaml": "a gateway for that, with HTTPS"},
    "service-monitor": {"k8s/base/servicemonitor.yaml": "tells Prometheus to read /metrics"},
    "pod-monitor": {"k8s/base/podmonitor.yaml": "tells Prometheus to read /metrics"},
    "patches": {f"{PATCHES}/kustomization.yaml": "your own patches, for both overlays"},
    "fetch": {"app/fetch.py": "brings the model into a pod, before the server starts"},
}


def options(config: Config) -> list[str]:
    """Return the layers that the settings ask for, besides the one of every project."""
    gateway, monitoring = config.gateway, config.monitoring
    wanted = {
        "autoscaler": not config.keda,
        "keda": config.keda,
        "ingress": config.ingress,
        "gateway": gateway,
        "own-gateway": gateway and gateway.class_,
        monitoring.kind if monitoring else "": monitoring,
        "patches": config.patches,
        "fetch": _scheme(config) == "https",
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def context(config: Config, root: Path) -> dict[str, Any]:
    """Return the values of ``cookiecutter.*``; ``root`` is the project, for the user's patches.

    Raises:
        ProjectError: a patch is missing, or no YAML.
    """
    values = asdict(config)
    source = config.model.source or ""
    # Of what may hold any text or depth, YAML; the templates indent it.
    for name in ("node_selector", "tolerations"):
        values[name] = _yaml([_camel(each) for each in values[name]]
                             if name == "tolerations" else values[name])  # fmt: skip
    for name in ("ingress", "monitoring"):
        for key in ("annotations", "labels"):
            if values[name] and key in values[name]:
                values[name][key] = _yaml(values[name][key])
    return {
        **values,
        "env_from": _yaml(_env_from(config)),
        "env": _yaml(_env(config)),
        "triggers": _yaml(_triggers(config.keda)) if config.keda else "",
        "patches": [_patch(root, each.file, each.kind) for each in config.patches],
        "fetch": _fetch(config),
        "claim": source.removeprefix("pvc://").split("/")[0] if _scheme(config) == "pvc" else "",
        "mounted_model": json.dumps(_mounted(config)) if source else "",
        "egress_ports": egress_ports(source),
        "k8s_options": options(config),
    }


def check_source(config: Config, *, is_folder: bool) -> None:
    """Refuse to fetch a folder: an object or an address is one file.

    Raises:
        UsageError: says what works instead.
    """
    if is_folder and _scheme(config) in ("s3", "gs", "https"):
        raise UsageError(
            "A model that is a folder can't be fetched from model.source",
            why=f"{config.model.source} is one file, and mlship unpacks no archives.",
            next="put the folder on a volume: model.source=pvc://CLAIM/FOLDER, or leave it in "
            "the image",
        )


def platform_yaml(config: Config) -> str:
    """Return the settings for one's own platform as mlship.yaml has them; only those set."""
    names = Platform.__dataclass_fields__
    return _yaml({name: value for name, value in plain(config).items() if name in names})


def _scheme(config: Config) -> str:
    scheme = (config.model.source or "").partition("://")[0]
    return "https" if scheme == "http" else scheme


def _mounted(config: Config) -> str:
    source = config.model.source or ""
    if source.startswith("pvc://"):
        return str(_MOUNTED.joinpath(*source.removeprefix("pvc://").split("/")[1:]))
    return str(_MOUNTED / PurePosixPath(config.model.file).name)


def _fetch(config: Config) -> dict[str, str] | None:
    """Return what the init container is made of, None when there is none; ``command`` is JSON."""
    scheme = _scheme(config)
    limit = config.model.size_limit or _SIZE_LIMIT
    if scheme == "https":
        command = json.dumps(["python", "-m", "app.fetch"])
        return {"image": config.name, "command": command, "size_limit": limit}
    if scheme not in _VENDORS:
        return None
    command = json.dumps(["sh", "-ec", _COMMANDS[scheme]])
    image = config.model.fetch_image or _VENDORS[scheme]
    return {"image": image, "command": command, "size_limit": limit}


def _env_from(config: Config) -> list[dict[str, Any]]:
    given = config.env_from
    if not given:
        return []
    return [
        *({"configMapRef": {"name": name}} for name in given.config_maps),
        *({"secretRef": {"name": name}} for name in given.secrets),
    ]


def _env(config: Config) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, variable in config.env.items():
        if variable.value is not None:
            found.append({"name": name, "value": variable.value})
            continue
        kind = "secretKeyRef" if variable.secret else "configMapKeyRef"
        reference = {"name": variable.secret or variable.config_map, "key": variable.key}
        found.append({"name": name, "valueFrom": {kind: reference}})
    return found


def _triggers(keda: Keda) -> list[dict[str, Any]]:
    return [
        {
            "type": "prometheus",
            "metadata": {
                "serverAddress": each.prometheus.server,
                "query": each.prometheus.query,
                "threshold": each.prometheus.threshold,
            },
            **{key: value for key, value in plain(each).items() if key != "prometheus"},
        }
        if each.prometheus
        else plain(each)
        for each in keda.triggers
    ]


def _camel(toleration: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in toleration.items() if value is not None}
    if "toleration_seconds" in found:
        found["tolerationSeconds"] = found.pop("toleration_seconds")
    return found


def _patch(root: Path, name: str, kind: str) -> dict[str, Any]:
    """Return the patch, and whether it is a list of operations, which need a target."""
    import yaml  # only here and below: most projects set nothing of this

    path = root / PATCHES / name
    try:
        first = next(iter(yaml.safe_load_all(path.read_text(encoding="utf-8"))), None)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise ProjectError(
            f"{path} {'is missing' if missing else 'is not valid YAML'}",
            why="mlship.yaml names it under patches." if missing else str(error),
            next="write it, or take its line out of mlship.yaml" if missing else "correct it",
        ) from None
    return {"file": name, "kind": kind, "operations": isinstance(first, list)}


def _yaml(value: Any) -> str:
    if not value:
        return ""
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100).rstrip("\n")
