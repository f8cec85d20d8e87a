"""The three ways to patch an object; server-side apply is in ``fields``."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch

from tests.support.fake_cluster.answers import Refused
from tests.support.fake_cluster.fields import by_key, key
from tests.support.fake_cluster.resources import Object

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def patched(live: Object, patch: Any, content_type: str) -> Object:
    """Return the object with a patch applied; the live one stays as it is."""
    if content_type == JSON:
        try:
            result: Object = jsonpatch.apply_patch(live, patch)
        except jsonpatch.JsonPatchException as error:
            raise Refused(422, "Invalid", f"the server rejected our request: {error}") from error
        return result
    if content_type not in (MERGE, STRATEGIC):
        raise Refused(415, "UnsupportedMediaType", f"unsupported patch type {content_type}")
    return _merged(copy.deepcopy(live), patch, lists=content_type == STRATEGIC)


def _merged(live: Any, patch: Any, *, lists: bool, field: str = "") -> Any:
    if isinstance(patch, dict):
        if patch.pop("$patch", "") == "replace":
            return patch
        result = live if isinstance(live, dict) else {}
        for name, value in patch.items():
            if value is None:
                result.pop(name, None)
            elif not name.startswith("$"):  # $setElementOrder: the order stays as it is
                result[name] = _merged(result.get(name), value, lists=lists, field=name)
        return result
    if lists and isinstance(patch, list) and isinstance(live, list):
        before, changes = by_key(field, live), by_key(field, patch)
        if before is not None and changes is not None:
            for item in patch:
                name = str(key(field, item))
                if isinstance(item, dict) and item.get("$patch") == "delete":
                    before.pop(name, None)
                else:
                    before[name] = _merged(before.get(name), item, lists=True)
            return list(before.values())
    return patch
