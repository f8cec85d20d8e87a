"""Prints objects as a person would write them: known order, comments, Helm's words unquoted.

An object to print is made of dicts, lists and scalars, and of two kinds of text that are put in
as they are: ``Inline`` in a scalar's place, ``Lines`` as a key of a mapping or an item of a list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from mlship.emit.comments import Comments, Place, place_of

# The order that manifests are written in; what is not listed follows as it came.
_ORDER = (
    "apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "type",
    "scaleTargetRef", "host", "path", "pathType", "matches",
    "minReplicas", "maxReplicas", "minReplicaCount", "maxReplicaCount",
    "scaleMetric", "scaleTarget", "deploymentStrategy", "podSelector", "policyTypes",
    "ingressClassName", "tls", "gatewayClassName", "parentRefs", "hostnames",
    "replicas", "revisionHistoryLimit", "minReadySeconds", "progressDeadlineSeconds",
    "selector", "strategy", "template",
    "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks",
    "imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity",
    "terminationGracePeriodSeconds",
    "image", "imagePullPolicy", "command", "args", "envFrom", "env", "ports", "startupProbe",
    "readinessProbe", "livenessProbe", "lifecycle", "terminationMessagePolicy", "resources",
    "requests", "limits", "securityContext", "topologySpreadConstraints", "volumeMounts",
    "httpGet", "periodSeconds", "timeoutSeconds", "maxSkew", "topologyKey", "whenUnsatisfiable",
    "initContainers", "containers", "volumes",
)  # fmt: skip
_RANK = {key: rank for rank, key in enumerate(_ORDER)}
_KEY = re.compile(r"^( *)zLINES(\d+)z: null$")
_ITEM = re.compile(r"^( *)- zLINES(\d+)z$")
# Numbers and booleans to some readers of YAML (1.1 and 1.2, Python's and Go's), texts to others.
_DOUBTFUL = re.compile(r"[-+.]?[0-9][0-9_.eE+-]*|0[xXoObB][0-9a-fA-F_]+|[yYnN]")
_INLINE = re.compile(r"zINLINE(\d+)z")


class Inline(str):
    """A scalar that is printed as it is."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines at the depth where they stand; ``[n]`` in them becomes that depth plus n spaces.

    Attributes:
        lines: the text.
        key: which key they are in the place of, for its comment.
    """

    lines: tuple[str, ...]
    key: str = ""

    def at(self, indent: str) -> list[str]:
        """Return the lines as they stand below ``indent``."""

        def depth(match: re.Match[str]) -> str:
            return str(len(indent) + int(match[1]))

        return [indent + re.sub(r"\[(\d+)\]", depth, line) for line in self.lines]


def ordered(value: Any) -> Any:
    """Return an object with its keys as people order them, at every depth."""
    if isinstance(value, dict):
        return arranged({key: ordered(each) for key, each in value.items()})
    return [ordered(item) for item in value] if isinstance(value, list) else value


def arranged(entries: dict[Any, Any]) -> dict[Any, Any]:
    """Return a mapping with its keys as people order them, ``Lines`` as what they stand for."""

    def rank(key: Any) -> int:
        return _RANK.get(key.key if isinstance(key, Lines) else key, len(_RANK))

    return {key: entries[key] for key in sorted(entries, key=rank)}


def commented(found: Any, comments: Comments, kind: str) -> Any:
    """Return an object with the comments of k8s/ before the keys and items they belong to."""
    return _commented(found, comments, (kind,))


def _commented(value: Any, comments: Comments, place: Place) -> Any:
    if isinstance(value, dict):
        entries: dict[Any, Any] = {}
        for key, each in value.items():
            inner = (*place, key.key if isinstance(key, Lines) else key)
            if comment := comments.get(inner):
                entries[_comment(comment)] = None
            entries[key] = _commented(each, comments, inner)
        return entries
    if isinstance(value, list):
        items: list[Any] = []
        for index, item in enumerate(value):
            inner = (*place, place_of(item, index))
            if comment := comments.get(inner):
                items.append(_comment(comment))
            items.append(_commented(item, comments, inner))
        return items
    return value


def _comment(lines: tuple[str, ...]) -> Lines:
    return Lines(tuple(f"# {line}".rstrip() for line in lines))


def dump(value: Any, *, helm: bool = False) -> str:
    """Return an object as YAML. With ``helm``, braces of the object's own stay what they are."""
    texts: list[Inline | Lines] = []

    def token(dumper: yaml.SafeDumper, text: Inline | Lines) -> yaml.ScalarNode:
        texts.append(text)
        word = "INLINE" if isinstance(text, Inline) else "LINES"
        return dumper.represent_scalar("tag:yaml.org,2002:str", f"z{word}{len(texts) - 1}z")

    class Dumper(_Dumper):
        pass

    Dumper.add_representer(Inline, token)
    Dumper.add_representer(Lines, token)
    text = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    if helm:
        text = text.replace("{{", '{{ "{{" }}')
    lines: list[str] = []
    for line in text.splitlines():
        if match := _KEY.match(line) or _ITEM.match(line):
            entry = texts[int(match[2])]
            assert isinstance(entry, Lines)
            lines += entry.at(match[1])
        else:
            lines.append(_INLINE.sub(lambda match: str(texts[int(match[1])]), line))
    return "\n".join(lines) + "\n"


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, quotes with double quotes, blocks for several lines."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def choose_scalar_style(self) -> Any:
        style = super().choose_scalar_style()
        return '"' if style == "'" else style

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else '"' if _DOUBTFUL.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
