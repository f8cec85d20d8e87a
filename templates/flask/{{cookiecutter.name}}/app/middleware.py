"""Around every request: its id, metrics, the access log."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Response

from app import problems
from app.endpoint import predict
from app.logs import log_access, new_request_id, request_id
from app.metrics import observe_request
from app.problems import ProblemError

logger = logging.getLogger(__name__)

Start = Callable[..., Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]


class Observe:
    """Plain WSGI. The way to ``predict`` is short; everything else is ``app``'s."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        started = time.perf_counter()
        identity = new_request_id(environ.get("HTTP_X_REQUEST_ID", "").encode("latin-1"))
        request_id.set(identity)
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        route = "/predict" if path == "/predict" and method == "POST" else "unmatched"
        status = "500"

        def observed_start(line: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            nonlocal status
            status = line[:3]
            return start(line, [*headers, ("X-Request-ID", identity)], *error)

        try:
            if route != "/predict":
                answer = self.app(environ, observed_start)
                route = environ.get("app.route", route)
                return answer
            content = predict(environ)
            length = ("Content-Length", str(len(content)))
            observed_start("200 OK", [("Content-Type", "application/json"), length])
            return [content]
        except ProblemError as error:
            return respond(error)(environ, observed_start)
        except Exception:
            logger.exception("request failed")
            return respond(problems.unexpected())(environ, observed_start)
        finally:
            seconds = time.perf_counter() - started
            observe_request(method, route, int(status), seconds)
            log_access(method, path, int(status), seconds)


def respond(error: ProblemError) -> Response:
    """Write a problem as an HTTP answer."""
    return Response(error.json(), error.status, error.headers, content_type=problems.MEDIA_TYPE)
