"""The rendered manifests in other forms that platforms ask for: a Helm chart, KServe's objects.

Each form is a pure function from what ``kubectl kustomize k8s/overlays/ENV`` renders, parsed, and
the Config to texts by file name; ``writing`` puts those into a folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mlship.cluster.manifests import Object
from mlship.emit.comments import Comments


@dataclass(frozen=True)
class Rendered:
    """What a form is made of.

    Attributes:
        objects: the manifests of one overlay.
        image: the full reference of the server's image.
        comments: those of the files that the objects come from.
    """

    objects: list[Object]
    image: str
    comments: Comments = field(default_factory=dict)


# The short names that people give the files of these kinds.
_SHORT = {"horizontalpodautoscaler": "hpa", "poddisruptionbudget": "pdb"}


def file_name(found: Object, objects: list[Object]) -> str:
    """Return a file name for one of ``objects``: its kind, and its name where that takes both."""
    kind = found["kind"].lower()
    short = _SHORT.get(kind, kind)
    alone = sum(each["kind"] == found["kind"] for each in objects) == 1
    return f"{short}.yaml" if alone else f"{short}-{found['metadata']['name']}.yaml"
