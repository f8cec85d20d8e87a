"""Images that a node can't get."""

from __future__ import annotations

import re

from mlship.rollout.fields import number, part, word
from mlship.rollout.snapshot import Object, Snapshot
from mlship.rollout.trouble import Trouble

CAUSE = "image-pull"
# kubelet/images/types.go and cri-api/errors: the reasons of a container that waits for an image.
REASONS = {
    "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName",
    "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
}  # fmt: skip
_AGAIN = re.compile(r"^Back-off pulling image \"[^\"]*\"(?:: (?:ErrImagePull: )?)?")
# containerd's, CRI-O's and the registries' words. In this order: "pull access denied, repository
# does not exist or may require authorization" must not count as a plain "not found".
_KINDS = (
    ("busy", r"\b429\b|toomanyrequests|rate limit"),
    ("full", r"no space left on device"),
    ("platform", r"no match for platform|exec format|no matching manifest|not match the specified"),
    (
        "unauthorized",
        r"unauthorized|authorization failed|access denied|403 forbidden|\b401\b|denied:|"
        r"no basic auth|authentication required|insufficient_scope|invalid username",
    ),
    (
        "unreachable",
        r"no such host|i/o timeout|connection refused|dial tcp|handshake|\beof\b|x509|network is "
        r"unreachable|deadline exceeded|http response to https|server misbehaving|unavailable|"
        r"connection reset|5\d\d (?:internal|bad|service|gateway)",
    ),
    ("missing", r"not found|manifest unknown|name unknown|no such image|\b404\b"),
)


def trouble(snapshot: Snapshot, pod: Object, status: Object) -> Trouble | None:
    """Say why a container's image can't be had.

    Certain at the first try when the registry itself answered that there is no such image or
    that it may not be had, or the node that it runs on another kind of CPU: asking again gets the
    same answer. What the network says (no such host, timeout, 429, 5xx) passes by itself at times:
    certain only when a second pull has failed.
    """
    waiting = part(status, "state", "waiting")
    reason = word(waiting, "reason")
    if reason not in REASONS:
        return None
    image = word(status, "image") or "the image"
    failures = _failures(snapshot, pod, image)
    said = _AGAIN.sub("", word(waiting, "message")) or (
        word(failures[-1], "message") if failures else ""
    )
    kind = _kind(reason, said.replace(image, ""))
    tries = sum(max(1, number(event, "count")) for event in failures)
    at_once = kind in {"missing", "unauthorized", "platform", "invalid", "never", "signature"}
    certain = at_once or tries >= 2 or (reason == "ImagePullBackOff" and not snapshot.events)
    what, next_step = _words(kind, image)
    return Trouble(CAUSE, what, (said,) if said else (reason,), next_step, certain)


def _failures(snapshot: Snapshot, pod: Object, image: str) -> list[Object]:
    events = [e for e in snapshot.events_of(pod) if word(e, "reason") == "Failed"]
    return [e for e in events if word(e, "message").startswith(f'Failed to pull image "{image}"')]


def _kind(reason: str, said: str) -> str:
    by_reason = {
        "InvalidImageName": "invalid",
        "ErrImageNeverPull": "never",
        "SignatureValidationFailed": "signature",
        "RegistryUnavailable": "unreachable",
    }
    if reason in by_reason:
        return by_reason[reason]
    # The image's own name and URL may hold such words; quoted text doesn't count.
    plain = re.sub(r'"[^"]*"', '""', said)
    return next((kind for kind, words in _KINDS if re.search(words, plain, re.I)), "other")


def _words(kind: str, image: str) -> tuple[str, str]:
    registry = _registry(image)
    push = f"docker push {image}, then `mlship deploy` again"
    if "/" not in image and kind in {"missing", "unauthorized", "unreachable"}:
        return f"{image} names no registry, and the node does not have it", (
            f"set image: REGISTRY/{image.split(':')[0]} in mlship.yaml, build and push it; or load "
            f"it into the nodes (kind load docker-image {image})"
        )
    meant = "" if registry else ", which is Docker Hub's as it names no other registry"
    registry = registry or "Docker Hub"
    return {
        "missing": (f"There is no image {image}", push),
        "unauthorized": (
            f"The cluster may not pull {image}, or it does not exist",
            f"check the name{meant}; for a private registry: `kubectl create secret "
            "docker-registry`, and its name under image_pull_secrets in mlship.yaml",
        ),
        "platform": (
            f"{image} is not made for the CPU of the nodes",
            "build it for that CPU (docker build --platform linux/amd64), push it, deploy again",
        ),
        "invalid": (
            f"{image} is not a valid name of an image",
            "correct image: in mlship.yaml (lower case, registry/name:tag)",
        ),
        "never": (
            f"The node does not have {image}, and imagePullPolicy: Never forbids to pull it",
            "load the image into the node (kind load, minikube image load), or set "
            "imagePullPolicy: IfNotPresent in k8s/base/deployment.yaml",
        ),
        "signature": (
            f"The signature of {image} is not accepted",
            "sign the image as the cluster's policy asks, push it, deploy again",
        ),
        "busy": (
            f"{registry} limits how often images are pulled, and refuses {image} now",
            "wait, or use a mirror, or pull as a user (image_pull_secrets in mlship.yaml)",
        ),
        "full": (
            f"The node has no disk left for {image}",
            "free disk on the node (`kubectl describe node`), or make the image smaller",
        ),
        "unreachable": (
            f"The node can't reach the registry of {image}",
            f"check the name {registry} and the network of the nodes",
        ),
    }.get(kind, (f"The node can't get {image}", push))


def _registry(image: str) -> str:
    """Return the registry that an image names; empty for Docker Hub's, which nodes ask else."""
    first = image.split("/")[0] if "/" in image else ""
    return first if "." in first or ":" in first or first == "localhost" else ""
