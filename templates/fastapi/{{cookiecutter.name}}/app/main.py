"""The FastAPI application: routes only. The work is in service.py."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from app import card, metrics, problems
from app.middleware import Observe, respond
from app.problems import Problem, ProblemError
from app.processes import drain_on_sigterm
from app.schema import INFO, Health, Info, PredictRequest, PredictResponse
from app.service import service
from app.settings import settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start to load the model; requests are taken at once, /readyz says when it is there.

    Of several workers, /readyz asks only one: so none takes requests before it can answer them.
    """
    drain_on_sigterm(settings.drain_seconds)
    service.start()
    if settings.workers > 1:
        await asyncio.to_thread(service.loaded.wait)
    yield


# Offline: the docs page is served from here, not from a CDN.
api: FastAPI = FastAPIOffline(
    title=card.NAME,
    version=card.VERSION,
    description=card.DESCRIPTION,
    lifespan=lifespan,
    redoc_url=None,
)


@api.exception_handler(ProblemError)
async def on_problem(request: Request, error: ProblemError) -> Response:
    return respond(error)


@api.exception_handler(HTTPException)
async def on_http_error(request: Request, error: HTTPException) -> Response:
    return respond(ProblemError(error.status_code, error.detail, headers=dict(error.headers or {})))


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Problem,
        "description": description,
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in problems.DESCRIPTIONS.items()
}


# Only documented here: Observe takes the short way, to endpoint.py.
@api.post("/predict", responses=PROBLEMS)
async def predict(body: PredictRequest) -> PredictResponse:
    """Predict every instance."""
    raise NotImplementedError


@api.get("/healthz")
async def healthz() -> Health:
    """Tell that this process is alive."""
    return Health(status="alive")


@api.get("/readyz", responses={503: {"model": Health, "description": "Starting or draining"}})
async def readyz(response: Response) -> Health:
    """Tell whether requests should be sent here."""
    response.status_code = 200 if service.state == "ready" else 503
    return Health(status=service.state)


@api.get("/info")
async def info() -> Info:
    """Tell what is being served."""
    return INFO


@api.get("/metrics", include_in_schema=False)
def prometheus() -> Response:
    """Metrics for Prometheus."""
    return Response(metrics.scrape(), media_type=CONTENT_TYPE_LATEST)


app = Observe(api)
