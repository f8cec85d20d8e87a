"""k8s/ itself, for another repository: the same files below one kustomization with the image."""

from __future__ import annotations

from pathlib import Path

from mlship.cluster.manifests import deployment_of, dump
from mlship.config import Config
from mlship.emit import Rendered, pods
from mlship.ownership import files_in


def files(root: Path, rendered: Rendered, config: Config, env: str) -> dict[str, str]:
    """Return the files by name; ``root`` is the project.

    Raises:
        ProjectError: the manifests have no Deployment of the project's name.
    """
    folder = root / "k8s"
    found = {
        name: (folder / name).read_text(encoding="utf-8")
        for name in files_in(folder)
        if not name.startswith("overlays/") or name.startswith(f"overlays/{env}/")
    }
    pod = deployment_of(rendered.objects, config.name)["spec"]["template"]["spec"]
    image = pods.reference(rendered.image)
    entry = {"name": pods.reference(pods.server(pod)["image"]).name, "newName": image.name}
    version = {"digest": image.digest} if image.digest else {"newTag": image.tag or "latest"}
    top = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": config.namespace,
        "resources": [f"overlays/{env}"],
        "images": [entry | version],
    }
    return found | {"kustomization.yaml": "# kubectl apply -k DIR\n" + dump(top)}
