"""A client of the application, without a server in between."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import app
from tests.ready import wait_until_ready


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    with TestClient(app) as client:
        wait_until_ready(client)
        yield client
