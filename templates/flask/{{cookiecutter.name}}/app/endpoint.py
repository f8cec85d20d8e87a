"""POST /predict, as plain WSGI: the parts of Flask that it does without take most of the time."""

from typing import Any

from app import problems
from app.service import service
from app.settings import settings


def predict(environ: dict[str, Any]) -> bytes:
    """Return the answer to one request; raise ProblemError where there is none."""
    problems.require_json(environ.get("CONTENT_TYPE"))
    batcher = service.ready
    rows = service.rows(_body(environ))
    try:
        columns = batcher.predict(rows)
    except Exception as error:
        raise service.problem(error) from error
    return service.answer(columns)


def _body(environ: dict[str, Any]) -> bytes:
    """Read the body; a chunked one has no length, and ends where gunicorn says so."""
    limit = settings.max_body_bytes
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdigit() and int(length) > limit:
        raise problems.too_large(limit)
    try:
        body: bytes = environ["wsgi.input"].read(int(length) if length.isdigit() else limit + 1)
    except TimeoutError:
        raise problems.too_slow() from None
    if len(body) > limit:
        raise problems.too_large(limit)
    return body
