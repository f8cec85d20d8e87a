"""The Flask application: routes only. The work is in service.py."""

import logging
import time

from flask import Flask, Response, g, request
from flask_swagger_ui import get_swaggerui_blueprint
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from app import card, metrics, openapi, problems
from app.logs import log_access, new_request_id, request_id
from app.problems import ProblemError
from app.schema import INFO, Health, PredictRequest, PredictResponse
from app.service import service
from app.settings import settings

logger = logging.getLogger(__name__)

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
app.url_map.strict_slashes = False
# Serves the docs page from here, not from a CDN.
app.register_blueprint(
    get_swaggerui_blueprint("/docs", "/openapi.json", config={"app_name": card.NAME})
)


def reply(body: BaseModel, status: int = 200) -> Response:
    """Write a model as JSON."""
    return Response(body.model_dump_json(), status, mimetype="application/json")


@app.before_request
def begin() -> None:
    g.started = time.perf_counter()
    request_id.set(new_request_id(request.headers.get("x-request-id")))


@app.after_request
def finish(response: Response) -> Response:
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else "unmatched"
    response.headers["X-Request-ID"] = request_id.get() or ""
    metrics.observe_request(request.method, route, response.status_code, seconds)
    log_access(request.method, request.path, response.status_code, seconds)
    return response


@app.errorhandler(ProblemError)
def on_problem(error: ProblemError) -> Response:
    return Response(error.json(), error.status, error.headers, content_type=problems.MEDIA_TYPE)


@app.errorhandler(ValidationError)
def on_invalid(error: ValidationError) -> Response:
    return on_problem(problems.invalid(error.errors()))


@app.errorhandler(RequestEntityTooLarge)
def on_too_large(error: RequestEntityTooLarge) -> Response:
    return on_problem(problems.too_large(settings.max_body_bytes))


@app.errorhandler(TimeoutError)
def on_timeout(error: TimeoutError) -> Response:
    return on_problem(ProblemError(408, "The body did not arrive in time."))


@app.errorhandler(HTTPException)
def on_http_error(error: HTTPException) -> Response:
    kept = {k: v for k, v in error.get_headers() if k in ("Allow", "Location")}
    detail = error.description or error.name
    return on_problem(ProblemError(error.code or 500, detail, headers=kept))


@app.errorhandler(Exception)
def on_unexpected(error: Exception) -> Response:
    logger.exception("request failed")
    return on_problem(problems.unexpected())


@app.post("/predict")
def predict() -> Response:
    """Predict every instance."""
    if request.mimetype != "application/json":
        raise problems.not_json(request.content_type)
    data = request.get_data(cache=False)
    request.stream.read(1)  # a chunked body over the limit is noticed only here
    body = PredictRequest.model_validate_json(data)
    return reply(PredictResponse.model_construct(**service.predict(body)))


@app.get("/healthz")
def healthz() -> Response:
    """Tell that this process is alive."""
    return reply(Health(status="alive"))


@app.get("/readyz")
def readyz() -> Response:
    """Tell whether requests should be sent here."""
    return reply(Health(status=service.state), 200 if service.state == "ready" else 503)


@app.get("/info")
def info() -> Response:
    """Tell what is being served."""
    return reply(INFO)


@app.get("/metrics")
def prometheus() -> Response:
    """Metrics for Prometheus."""
    return Response(metrics.scrape(), content_type=CONTENT_TYPE_LATEST)


@app.get("/openapi.json")
def openapi_document() -> Response:
    """The API, described."""
    return Response(openapi.DOCUMENT, mimetype="application/json")


# Loads in the background; requests are taken at once, /readyz says when the model is there.
service.start()
