"""The values of a chart: collected while its templates are made, then written with a schema."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from mlship.emit.printing import Inline, Lines, dump

# Top-level keys in the order that people look for them.
_ORDER = (
    "image", "imagePullSecrets", "nameOverride", "fullnameOverride", "replicaCount", "autoscaling",
    "config", "env", "envFrom", "model", "resources", "podAnnotations", "podLabels",
    "nodeSelector", "tolerations", "affinity", "priorityClassName",
    "terminationGracePeriodSeconds", "podSecurityContext", "securityContext", "serviceAccount",
    "service", "ingress", "gateway", "networkPolicy", "podDisruptionBudget", "monitoring",
)  # fmt: skip
_TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
Schema = dict[str, Any]


@dataclass(frozen=True)
class _Value:
    default: Any
    comment: str
    schema: Schema


@dataclass
class Values:
    """The values of a chart, by their dotted paths (``image.tag``)."""

    found: dict[str, _Value] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, default: Any, comment: str = "", schema: Schema | None = None) -> str:
        """Add a value, unless it is there, and return the expression of it."""
        if path not in self.found:
            wanted = schema or {"type": _TYPES[type(default)]}
            self.found[path] = _Value(default, comment, wanted)
        return f".Values.{path}"

    def agrees(self, path: str, default: Any) -> bool:
        """Tell whether a value is not there yet, or has this default."""
        return path not in self.found or self.found[path].default == default

    def inline(self, path: str, default: Any, comment: str = "") -> Inline:
        """Add a number or text, and return what prints it."""
        text = " | quote" if isinstance(default, str) else ""
        return Inline(f"{{{{ {self.add(path, default, comment)}{text} }}}}")

    def whole(self, path: str, key: str, default: Any, comment: str = "") -> Lines:
        """Add a mapping or list, and return the lines that print it below ``key``."""
        name = self.add(path, default, comment)
        return Lines((f"{key}:", f"  {{{{- toYaml {name} | nindent [2] }}}}"), key)

    def optional(self, path: str, key: str, default: Any, comment: str = "") -> Lines:
        """Add a mapping, list or text that is left out, key and all, where it is empty."""
        name = self.add(path, default, comment)
        if isinstance(default, str):
            inner: tuple[str, ...] = (f"{key}: {{{{ . | quote }}}}",)
        else:
            inner = (f"{key}:", "  {{- toYaml . | nindent [2] }}")
        return Lines((f"{{{{- with {name} }}}}", *inner, "{{- end }}"), key)

    def further(self, path: str, default: Any, comment: str = "") -> Lines:
        """Add what follows the entries of a mapping or list that the chart itself has."""
        name = self.add(path, default, comment)
        return Lines((f"{{{{- with {name} }}}}", "{{- toYaml . | nindent [0] }}", "{{- end }}"))

    def section(self, path: str, comment: str) -> None:
        """Comment a mapping of values."""
        self.comments[path] = comment

    def to_yaml(self, head: str) -> str:
        """Return values.yaml: every value with its default and what it is for."""
        tree = self._tree()
        return head + "".join(
            "\n" + dump(self._shown(key, key, tree[key])) for key in tree
        )  # fmt: skip

    def to_schema(self) -> str:
        """Return values.schema.json: the types, and no other keys than those of values.yaml.

        Helm checks values against it: https://helm.sh/docs/topics/charts/#schema-files.
        """
        schema = self._schema(self._tree(), "")
        # What a chart above this one shares with all of its charts.
        schema["properties"]["global"] = {"type": "object"}
        head = {"$schema": "http://json-schema.org/draft-07/schema#"}
        return json.dumps(head | schema, indent=2) + "\n"

    def _tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for path, value in self.found.items():
            *above, last = path.split(".")
            node = tree
            for key in above:
                node = node.setdefault(key, {})
            node[last] = value
        rank = {key: place for place, key in enumerate(_ORDER)}
        return {key: tree[key] for key in sorted(tree, key=lambda each: rank[each])}

    def _shown(self, key: str, path: str, node: Any) -> dict[Any, Any]:
        comment = node.comment if isinstance(node, _Value) else self.comments.get(path, "")
        lines = tuple(f"# {line}" for line in comment.splitlines())
        head: dict[Any, Any] = {Lines(lines): None} if lines else {}
        if isinstance(node, _Value):
            return head | {key: node.default}
        inner: dict[Any, Any] = {}
        for name, each in node.items():
            inner |= self._shown(name, f"{path}.{name}", each)
        return head | {key: inner}

    def _schema(self, node: Any, path: str) -> Schema:
        if isinstance(node, _Value):
            return node.schema
        properties = {
            key: self._schema(each, f"{path}.{key}" if path else key) for key, each in node.items()
        }
        return {"type": "object", "additionalProperties": False, "properties": properties}
