"""The OpenAPI document, from the same pydantic models that validate."""

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app import card, problems
from app.problems import Problem
from app.schema import Health, Info, PredictRequest, PredictResponse


def _content(model: type[BaseModel], media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


def _get(summary: str, model: type[BaseModel]) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": "OK", "content": _content(model)}},
    }


def build() -> dict[str, Any]:
    """Describe every route."""
    models = (PredictRequest, PredictResponse, Info, Health, Problem)
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    predict = {
        "summary": "Predict every instance",
        "requestBody": {"required": True, "content": _content(PredictRequest)},
        "responses": {
            "200": {"description": "Predictions", "content": _content(PredictResponse)},
            **{
                str(status): {
                    "description": description,
                    "content": _content(Problem, problems.MEDIA_TYPE),
                }
                for status, description in problems.DESCRIPTIONS.items()
            },
        },
    }
    ready = _get("Tell whether requests should be sent here", Health)
    ready["responses"]["503"] = {"description": "Starting or draining", "content": _content(Health)}
    return {
        "openapi": "3.1.0",
        "info": {"title": card.NAME, "description": card.DESCRIPTION, "version": card.VERSION},
        "paths": {
            "/predict": {"post": predict},
            "/healthz": {"get": _get("Tell that this process is alive", Health)},
            "/readyz": {"get": ready},
            "/info": {"get": _get("Tell what is being served", Info)},
        },
        "components": {"schemas": schemas["$defs"]},
    }


DOCUMENT = json.dumps(build())
