"""The witness who knows nothing."""

from mlship.rollout.snapshot import Object


class Nobody:
    """What those get who may ask for nothing."""

    def log(self, pod: str, container: str, *, previous: bool) -> list[str]:
        """Know no line."""
        return []

    def probe(self, pod: str, port: int, path: str) -> str:
        """Know no answer."""
        return ""

    def nodes(self) -> list[Object]:
        """Know no node."""
        return []

    def node_pods(self) -> list[Object]:
        """Know no pod."""
        return []

    def exists(self, kind: str, name: str) -> bool | None:
        """Not know."""
        return None
