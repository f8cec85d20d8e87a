"""The FastAPI application: routes only. The work is in service.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from app import card, metrics, problems
from app.middleware import Observe
from app.problems import Problem, ProblemError
from app.processes import drain_on_sigterm
from app.schema import INFO, Health, Info, PredictRequest, PredictResponse
from app.service import service
from app.settings import settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start to load the model; requests are taken at once, /readyz says when it is there."""
    current_default_thread_limiter().total_tokens = settings.threads
    drain_on_sigterm(settings.drain_seconds)
    service.start()
    yield


# Offline: the docs page is served from here, not from a CDN.
app: FastAPI = FastAPIOffline(
    title=card.NAME,
    version=card.VERSION,
    description=card.DESCRIPTION,
    lifespan=lifespan,
    redoc_url=None,
)
app.add_middleware(Observe, max_body_bytes=settings.max_body_bytes)


def answer(error: ProblemError) -> Response:
    """Write a problem as an HTTP answer."""
    return Response(error.json(), error.status, error.headers, media_type=problems.MEDIA_TYPE)


@app.exception_handler(ProblemError)
async def on_problem(request: Request, error: ProblemError) -> Response:
    return answer(error)


@app.exception_handler(RequestValidationError)
async def on_invalid(request: Request, error: RequestValidationError) -> Response:
    # FastAPI puts "body" before each place.
    found = [{**each, "loc": tuple(each["loc"])[1:]} for each in error.errors()]
    return answer(problems.invalid(found))


@app.exception_handler(HTTPException)
async def on_http_error(request: Request, error: HTTPException) -> Response:
    return answer(ProblemError(error.status_code, error.detail, headers=dict(error.headers or {})))


def require_json(request: Request) -> None:
    """Refuse bodies of another media type."""
    content_type = request.headers.get("content-type")
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise problems.not_json(content_type)


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Problem,
        "description": description,
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in problems.DESCRIPTIONS.items()
}


# Not async: the model computes in a thread, and health checks are answered meanwhile.
@app.post("/predict", dependencies=[Depends(require_json)], responses=PROBLEMS)
def predict(body: PredictRequest) -> PredictResponse:
    """Predict every instance."""
    return PredictResponse.model_construct(**service.predict(body))


@app.get("/healthz")
async def healthz() -> Health:
    """Tell that this process is alive."""
    return Health(status="alive")


@app.get("/readyz", responses={503: {"model": Health, "description": "Starting or draining"}})
async def readyz(response: Response) -> Health:
    """Tell whether requests should be sent here."""
    response.status_code = 200 if service.state == "ready" else 503
    return Health(status=service.state)


@app.get("/info")
async def info() -> Info:
    """Tell what is being served."""
    return INFO


@app.get("/metrics", include_in_schema=False)
def prometheus() -> Response:
    """Metrics for Prometheus."""
    return Response(metrics.scrape(), media_type=CONTENT_TYPE_LATEST)
