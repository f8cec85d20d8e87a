"""Around every request: its id, the size limit, metrics, the access log, draining."""

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import problems
from app.logs import log_access, new_request_id, request_id
from app.metrics import observe_request
from app.problems import ProblemError
from app.processes import is_draining

logger = logging.getLogger(__name__)


class Observe:
    """Plain ASGI, because it must see the answer's first and last byte."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        identity = new_request_id(headers.get("x-request-id"))
        token = request_id.set(identity)
        status = 500
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                error = problems.too_large(self.max_body_bytes)
                raise HTTPException(error.status, str(error), {"Connection": "close"})
            return message

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer["X-Request-ID"] = identity
                if is_draining():  # the client's next request should go to another server
                    answer["Connection"] = "close"
            await send(message)

        try:
            length = headers.get("content-length", "")
            if length.isdigit() and int(length) > self.max_body_bytes:
                error = problems.too_large(self.max_body_bytes)
                await _respond(error, {"Connection": "close"})(scope, receive, observed_send)
            else:
                await self.app(scope, limited_receive, observed_send)
        except Exception:
            logger.exception("request failed")
            await _respond(problems.unexpected(), {})(scope, receive, observed_send)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            observe_request(scope["method"], route, status, seconds)
            log_access(scope["method"], scope["path"], status, seconds)
            request_id.reset(token)


def _respond(error: ProblemError, headers: dict[str, str]) -> Response:
    return Response(error.json(), error.status, headers, media_type=problems.MEDIA_TYPE)
