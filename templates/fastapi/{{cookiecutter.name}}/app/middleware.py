"""Around every request: its id, the size limit, metrics, the access log, draining."""

import logging
import time

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import problems
from app.endpoint import predict
from app.logs import log_access, new_request_id, request_id
from app.metrics import observe_request
from app.problems import ProblemError
from app.processes import is_draining

logger = logging.getLogger(__name__)


class Observe:
    """Plain ASGI. The way to ``predict`` is short; everything else is ``app``'s."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        identity = new_request_id(headers.get(b"x-request-id"))
        token = request_id.set(identity)
        status = 500
        method, path = scope["method"], scope["path"]
        route = "/predict" if path == "/predict" and method == "POST" else "unmatched"

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", identity.encode()))
                if is_draining():  # the client's next request should go to another server
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            if route == "/predict":
                await _send(await predict(headers, receive), observed_send)
            else:
                await self.app(scope, receive, observed_send)
                route = getattr(scope.get("route"), "path", route)
        except ProblemError as error:
            await respond(error)(scope, receive, observed_send)
        except Exception:
            logger.exception("request failed")
            await respond(problems.unexpected())(scope, receive, observed_send)
        finally:
            seconds = time.perf_counter() - started
            observe_request(method, route, status, seconds)
            log_access(method, path, status, seconds)
            request_id.reset(token)


async def _send(content: bytes, send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def respond(error: ProblemError) -> Response:
    """Write a problem as an HTTP answer."""
    return Response(error.json(), error.status, error.headers, media_type=problems.MEDIA_TYPE)
