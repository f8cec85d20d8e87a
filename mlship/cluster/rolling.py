"""Looking at a rollout that is ours, and noticing when it no longer is."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlship.cluster.deployed import Deployed
from mlship.errors import ClusterError
from mlship.rollout.revisions import BY, image_of
from mlship.rollout.snapshot import Object, Snapshot


class Superseded(ClusterError):
    """Somebody else deployed the project while its rollout was waited for."""


@dataclass(frozen=True)
class Rolling(Deployed):
    """A project while one release of it rolls out: looking at it tells when another came.

    Attributes:
        applied: the Deployment's template as it stands after the release; filled by looking.
    """

    applied: list[Object] = field(default_factory=list)

    def look(self) -> Snapshot:
        """Return how it stands.

        Raises:
            Superseded: it is another release's by now.
            ClusterError: the cluster can't be reached, or there is no such Deployment.
        """
        found = super().look()
        template = found.deployment["spec"]["template"]
        if not self.applied:
            self.applied.append(template)
        if self.applied != [template]:
            by = found.deployment["metadata"].get("annotations", {}).get(BY, "")
            raise Superseded(
                f"Another deployment of {self.name} came in between" + (f", by {by}" if by else ""),
                why=f"The cluster rolls out {image_of(found.deployment)} now. Nothing was undone.",
                next="mlship status, then talk to each other",
            )
        return found
