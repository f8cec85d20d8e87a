"""Every setting of the service. Each is read from the environment variable of its name."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app import card

PROJECT = Path(__file__).parents[1]


class Settings(BaseModel):
    """Values are checked at start; a wrong one stops the process with its name."""

    host: Annotated[str, Field(description="Address to listen on")] = "0.0.0.0"
    port: Annotated[int, Field(description="Port to listen on", ge=1, le=65535)] = {{ cookiecutter.port }}
    workers: Annotated[int, Field(description="Server processes", ge=1)] = 1
    threads: Annotated[int, Field(description="{{ cookiecutter.threads_note }}", ge=1)] = {{ cookiecutter.threads }}

    max_batch_size: Annotated[int, Field(description="Instances in one request", ge=1)] = 1000
    join_rows: Annotated[
        int, Field(description="Rows of waiting requests that share a run; 1: none do", ge=1)
    ] = {{ cookiecutter.join_rows }}
    join_seconds: Annotated[
        float, Field(description="How long an idle model waits for company", ge=0)
    ] = 0
    max_waiting: Annotated[int, Field(description="Requests that may wait", ge=1)] = 10_000
    deadline_seconds: Annotated[
        float, Field(description="Who can't be answered within it gets a 503 at once", gt=0)
    ] = {{ cookiecutter.deadline_seconds }}
    max_body_bytes: Annotated[int, Field(description="Size of one request body", ge=1)] = 16 * 2**20

{% if cookiecutter.server == "flask" %}
    read_seconds: Annotated[float, Field(description="How long to wait for a body", gt=0)] = 5
{% endif %}
    # Longer than a load balancer keeps its connections, so that it is never the one surprised.
    keep_alive_seconds: Annotated[
        int, Field(description="How long an idle connection stays open", ge=1)
    ] = 75
    drain_seconds: Annotated[
        float, Field(description="After SIGTERM: serve on, not ready, before closing", ge=0)
    ] = 3
    shutdown_seconds: Annotated[
        int, Field(description="After that: how long requests in flight may take", ge=1)
    ] = 20

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    model_file: Annotated[Path, Field(description="The model to load")] = PROJECT / card.MODEL_FILE
    model_sha256: Annotated[str, Field(description="Any other file is refused")] = card.MODEL_SHA256

    model_config = {"protected_namespaces": ()}


given = {name: os.environ.get(name.upper()) for name in Settings.model_fields}
settings = Settings.model_validate({n: value for n, value in given.items() if value is not None})
