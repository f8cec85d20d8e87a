"""Errors as RFC 9457 problem details, which name the instance and the field."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from app.logs import request_id
from app.schema import FEATURES

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20

# What POST /predict can answer besides 200, for the OpenAPI document.
DESCRIPTIONS = {
    400: "The body is not JSON",
    413: "The body is too large",
    415: "The body is of another media type",
    422: "An instance is wrong; errors name it and the field",
    503: "The model is still loading, or too many requests wait for it",
}


class FieldError(BaseModel):
    """One thing wrong in the request."""

    detail: str
    pointer: str
    instance: int | None = None
    field: str | None = None


class Problem(BaseModel):
    """RFC 9457 problem details; ``errors`` and ``request_id`` are extension members."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FieldError] | None = None


class ProblemError(Exception):
    """Raised where a request can't be answered; both servers turn it into a Problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}
        self.problem = Problem(
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            request_id=request_id.get(),
            errors=errors,
        )

    def json(self) -> str:
        """Return the body of the answer."""
        return self.problem.model_dump_json(exclude_none=True)


def require_json(content_type: str | None) -> None:
    """Refuse a body of another media type."""
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        given = content_type or "without a Content-Type"
        raise ProblemError(415, f"The body must be application/json, not {given}.")


def too_large(limit: int) -> ProblemError:
    """Refuse a body over the limit; the rest of it is not read, so the connection ends."""
    detail = f"The body is larger than {limit} bytes."
    return ProblemError(413, detail, headers={"Connection": "close"})


def too_slow() -> ProblemError:
    """Give up on a body."""
    return ProblemError(408, "The body did not arrive in time.")


def unexpected() -> ProblemError:
    """Answer for an error of ours; what happened is in the log, never in the answer."""
    return ProblemError(500, "The server failed to answer. The request id is in its log.")


def invalid(errors: Sequence[Any]) -> ProblemError:
    """Turn pydantic's errors into one problem: 400 for a body that is no JSON, else 422."""
    found = [_field_error(error) for error in errors[:MAX_ERRORS]]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    empty = errors[0]["type"] == "missing" and not errors[0]["loc"]
    status = 400 if empty or errors[0]["type"] == "json_invalid" else 422
    return ProblemError(status, f"{found[0].detail}{more}", found)


def _field_error(error: Any) -> FieldError:
    # Where it is: ("instances", index, "list" or "object", feature).
    where = list(error["loc"])
    if error["type"] == "unknown_feature":
        where.append(error["ctx"]["field"])
    message = _message(error)
    if error["type"] == "json_invalid":
        return FieldError(detail=f"The body is not JSON: {message}", pointer="#")
    if len(where) < 2:
        name = str(where[0]) if where else "The body"
        return FieldError(detail=f"{name} {message}", pointer="#/" + "/".join(map(str, where)))
    index = int(where[1])
    pointer = f"#/instances/{index}"
    if len(where) < 4:
        return FieldError(detail=f"instances[{index}] {message}", pointer=pointer, instance=index)
    key = where[3]
    field = FEATURES[key] if isinstance(key, int) else str(key)
    escaped = str(key).replace("~", "~0").replace("/", "~1")  # RFC 6901
    return FieldError(
        detail=f"instances[{index}], {field!r}: {message}",
        pointer=f"{pointer}/{escaped}",
        instance=index,
        field=field,
    )


def _message(error: Any) -> str:
    kind, context = error["type"], error.get("ctx") or {}
    if kind == "missing":
        return "is missing"
    if kind in ("too_short", "too_long"):
        bound = context.get("min_length", context.get("max_length"))
        if len(error["loc"]) == 3:  # a row, which has as many values as there are features
            return f"has {context.get('actual_length')} values, the model takes {bound}"
        limit = "at least" if kind == "too_short" else "at most"
        return f"has {context.get('actual_length')} items, {limit} {bound} are taken"
    if kind == "json_invalid":
        return str(context.get("error", error["msg"]))
    return str(error["msg"][0].lower() + error["msg"][1:])
