"""POST /predict, as plain ASGI: the parts of FastAPI that it does without take most of the time."""

from starlette.types import Receive

from app import problems
from app.problems import ProblemError
from app.service import service
from app.settings import settings


async def predict(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """Return the answer to one request; raise ProblemError where there is none."""
    problems.require_json(headers.get(b"content-type", b"").decode("latin-1"))
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > settings.max_body_bytes:
        raise problems.too_large(settings.max_body_bytes)
    batcher = service.ready
    rows = service.rows(await _body(receive))
    try:
        columns = await batcher.predict(rows)
    except Exception as error:
        raise service.problem(error) from error
    return service.answer(columns)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(400, "The client left before its body had arrived.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > settings.max_body_bytes:  # a chunked body does not announce its length
            raise problems.too_large(settings.max_body_bytes)
        more = message.get("more_body", False)
    return b"".join(parts)
