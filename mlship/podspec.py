"""What the manifests in k8s/base promise a pod, for whoever runs the image elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlship import ownership
from mlship.commands import docker
from mlship.config import Config
from mlship.errors import ProjectError
from mlship.rollout import fields

_DEPLOYMENT, _SETTINGS = Path("k8s/base/deployment.yaml"), Path("k8s/base/config.env")


@dataclass(frozen=True)
class Pod:
    """A pod's terms.

    Attributes:
        ready_seconds: how long the server may take until it is ready, by its startup probe.
        stop_seconds: how long it may take after SIGTERM; the preStop hook has had its part.
        memory, cpu: the limits, as Kubernetes writes them.
        scratch: the folders that may be written to and their sizes; an empty one is no limit.
        user: uid and gid.
        read_only: whether the rest of the disk can't be written to.
        env: the settings, but those that come from Secrets and ConfigMaps of the cluster.
    """

    ready_seconds: float = 180
    stop_seconds: int = 33
    memory: str = "512Mi"
    cpu: str = "1"
    scratch: dict[str, str] = field(default_factory=lambda: {"/tmp": "64Mi"})
    user: str = docker.USER
    read_only: bool = True
    env: dict[str, str] = field(default_factory=dict)

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return int(fields.amount(self.memory) or 0)

    @property
    def max_batch_size(self) -> int:
        """How many instances one request may have; 1000 by the default in app/settings.py."""
        given = self.env.get("MAX_BATCH_SIZE", "")
        return max(int(given), 1) if given.isdecimal() else 1000


def read(root: Path, config: Config, patched: dict[str, Any] | None = None) -> Pod:
    """Return the terms of the project's pods; where k8s/ says nothing, those mlship would write.

    ``patched`` is the Deployment with the user's patches. The limits are those of mlship.yaml, from
    which k8s/base is written again before each deployment, unless a patch has others, or the user
    has edited the file: it stays as it is then.

    Raises:
        ProjectError: the Deployment is no YAML.
    """
    limits, base = config.resources.limits, _deployment(root / _DEPLOYMENT)
    pod = fields.part(patched or base, "spec", "template", "spec")
    container = _server(pod)
    probe = fields.part(container, "startupProbe")
    pause = _number(container, 0, "lifecycle", "preStop", "sleep", "seconds")
    grace = _number(pod, Pod.stop_seconds + pause, "terminationGracePeriodSeconds")
    # Kubernetes' defaults: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
    tries, period = _number(probe, 3, "failureThreshold"), _number(probe, 10, "periodSeconds")
    ready = _number(probe, 0, "initialDelaySeconds") + tries * period
    ours = ownership.ours(root, [str(_DEPLOYMENT)])
    written = _server(fields.part(base, "spec", "template", "spec")) if ours else {}
    return Pod(
        ready_seconds=ready if probe else Pod.ready_seconds,
        stop_seconds=max(int(grace - pause), 1),
        memory=_limit("memory", container, written) or limits.memory,
        cpu=_limit("cpu", container, written) or limits.cpu,
        scratch=_scratch(pod, container) if container else Pod().scratch,
        user=_user(pod, container),
        read_only=fields.value(container, "securityContext", "readOnlyRootFilesystem") is not False,
        env=_settings(root / _SETTINGS) | _variables(container) | _given(config),
    )


def _variables(container: dict[str, Any]) -> dict[str, str]:
    """Return the variables of the Deployment itself, but those that place port and model there."""
    found = {fields.word(e, "name"): e["value"] for e in fields.parts(container, "env")
             if isinstance(e.get("value"), str)}  # fmt: skip
    return {name: value for name, value in found.items() if name not in ("PORT", "MODEL_FILE")}


def _server(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the container of the server; a patch may have put others beside it."""
    found = fields.parts(pod, "containers")
    named = (each for each in found if each.get("name") == "server")
    return next(named, next(iter(found), {}))


def _number(item: dict[str, Any], default: float, *path: str) -> float:
    found = fields.value(item, *path)
    return found if isinstance(found, int | float) else default


def _limit(name: str, container: dict[str, Any], written: dict[str, Any]) -> str:
    """Return the limit that the user has set; empty where it is what mlship wrote."""
    found, before = (
        fields.word(each, "resources", "limits", name) for each in (container, written)
    )
    return found if found != before else ""


def _scratch(pod: dict[str, Any], container: dict[str, Any]) -> dict[str, str]:
    """Return the places of the emptyDirs that the server may write to, with their sizes."""
    sizes = {
        fields.word(volume, "name"): fields.word(volume, "emptyDir", "sizeLimit")
        for volume in fields.parts(pod, "volumes")
        if "emptyDir" in volume
    }
    return {
        fields.word(mount, "mountPath"): sizes[fields.word(mount, "name")]
        for mount in fields.parts(container, "volumeMounts")
        if fields.word(mount, "name") in sizes and not mount.get("readOnly")
    }


def _user(pod: dict[str, Any], container: dict[str, Any]) -> str:
    own = docker.USER.split(":")
    ids = (
        fields.value(container, "securityContext", key) or fields.value(pod, "securityContext", key)
        for key in ("runAsUser", "runAsGroup")
    )
    return ":".join(str(found or default) for found, default in zip(ids, own, strict=True))


def _given(config: Config) -> dict[str, str]:
    return {name: v.value for name, v in config.env.items() if v.value is not None}


def _settings(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {key.strip(): value for key, equals, value in pairs if equals}


def _deployment(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        found = [each for each in yaml.safe_load_all(text) if isinstance(each, dict)]
    except yaml.YAMLError as error:
        raise ProjectError(f"{path} is not valid YAML", why=str(error), next="correct it") from None
    # Whoever edits it may put other objects beside the Deployment.
    named = (each for each in found if each.get("kind") == "Deployment")
    return next(named, next(iter(found), {}))
