"""ConfigMaps and Secrets that a pod needs and the namespace does not have."""

from __future__ import annotations

import re

from mlship.rollout.trouble import Trouble, Witness

_ABSENT = re.compile(r'\b(configmap|secret) \\?"([^"\\]+)\\?" not found', re.I)
# kubelet/kubelet_pods.go and pkg/volume/configmap: "references non-existent config key: ...".
_KEY = re.compile(r"couldn't find key (\S+) in (ConfigMap|Secret) (?:[^/\s]+/)?(\S+)")
_VOLUME_KEY = re.compile(r"references non-existent (config|secret) key: ([^\s,]+)")


def missing(said: str, witness: Witness) -> Trouble | None:
    """Say which ConfigMap or Secret, or which key of it, kubelet did not find.

    Certain at once, unless the API now has the object: kubelet sees new ones a moment later. A key
    is certain at once: kubelet has read the object, and the manifests apply it before the pods.
    """
    if found := _ABSENT.search(said):
        kind = "ConfigMap" if found.group(1).lower() == "configmap" else "Secret"
        name = found.group(2)
        return Trouble(
            "missing-config",
            f"There is no {kind} {name}, which the pods need",
            (said,),
            _create(kind, name),
            certain=witness.exists(kind.lower(), name) is not True,
        )
    if found := _KEY.search(said):
        key, kind, name = found.groups()
        return Trouble(
            "missing-config",
            f"The {kind} {name} has no key {key}, which the pods need",
            (said,),
            f"kubectl edit {kind.lower()} {name}, or correct the key under env in mlship.yaml",
        )
    if found := _VOLUME_KEY.search(said):
        kind = "ConfigMap" if found.group(1) == "config" else "Secret"
        return Trouble(
            "missing-config",
            f"A {kind} that the pods mount has no key {found.group(2)}",
            (said,),
            "add the key to it, or correct items: in k8s/base/deployment.yaml",
        )
    return None


def _create(kind: str, name: str) -> str:
    generic = " generic" if kind == "Secret" else ""
    return f"kubectl create {kind.lower()}{generic} {name} --from-literal=KEY=VALUE, then deploy"
