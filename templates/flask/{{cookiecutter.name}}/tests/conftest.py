"""A client of the application, without a server in between."""

from collections.abc import Iterator

import httpx
import pytest

from app.main import app
from tests.ready import wait_until_ready


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    transport = httpx.WSGITransport(app=app)
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        wait_until_ready(client)
        yield client
