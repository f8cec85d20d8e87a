"""The Flask application: routes only. The work is in service.py."""

from flask import Flask, Response, request
from flask_swagger_ui import get_swaggerui_blueprint
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException

from app import card, endpoint, metrics, openapi
from app.middleware import Observe, respond
from app.problems import ProblemError
from app.schema import INFO, Health
from app.service import service
{% if cookiecutter.preloads %}
from app.settings import settings
{% endif %}

app = Flask(__name__)
app.config["PROPAGATE_EXCEPTIONS"] = True  # to Observe, which answers them
app.wsgi_app = Observe(app.wsgi_app)  # type: ignore[assignment,method-assign]
app.url_map.strict_slashes = False
# Serves the docs page from here, not from a CDN.
app.register_blueprint(
    get_swaggerui_blueprint("/docs", "/openapi.json", config={"app_name": card.NAME})
)


def reply(body: BaseModel, status: int = 200) -> Response:
    """Write a model as JSON."""
    return Response(body.model_dump_json(), status, mimetype="application/json")


@app.after_request
def name_route(response: Response) -> Response:
    """Tell Observe which route it was, for the metrics."""
    if request.url_rule:
        request.environ["app.route"] = request.url_rule.rule
    return response


@app.errorhandler(ProblemError)
def on_problem(error: ProblemError) -> Response:
    return respond(error)


@app.errorhandler(HTTPException)
def on_http_error(error: HTTPException) -> Response:
    kept = {k: v for k, v in error.get_headers() if k in ("Allow", "Location")}
    detail = error.description or error.name
    return respond(ProblemError(error.code or 500, detail, headers=kept))


@app.post("/predict")
def predict() -> Response:
    """Predict every instance. Observe knows a shorter way to the same."""
    return Response(endpoint.predict(request.environ), mimetype="application/json")


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


{% if cookiecutter.preloads %}
if settings.workers > 1:
    service.preload()  # before gunicorn forks: the workers share its memory
else:
    service.start()
{% else %}
# Loads in the background; requests are taken at once, /readyz says when the model is there.
service.start()
{% endif %}
