"""What tutorials lead to: FastAPI on uvicorn with uvloop and httptools, Flask on gunicorn."""

from __future__ import annotations

from bench.servers.definition import ALL, APPS, Place, Server

SKLEARN = ("scikit-learn==1.9.1", "joblib")


def uvicorn(application: str, place: Place) -> list[str]:
    """Return the argv of uvicorn as fast as it can be told to be."""
    return [
        place.program("uvicorn"), application, "--app-dir", str(APPS),
        "--host", "127.0.0.1", "--port", str(place.port), "--workers", "1",
        "--loop", "uvloop", "--http", "httptools", "--log-level", "warning", "--no-access-log",
    ]  # fmt: skip


def _gunicorn(place: Place) -> list[str]:
    return [
        place.program("gunicorn"), "plain_flask:app", "--chdir", str(APPS),
        "--bind", f"127.0.0.1:{place.port}", "--workers", "1",
        "--worker-class", "gthread", "--threads", "8", "--keep-alive", "75",
        "--log-level", "warning", "--worker-tmp-dir", "/dev/shm", "--no-control-socket",
    ]  # fmt: skip


SERVERS = (
    Server(
        name="plain-fastapi",
        label="plain FastAPI",
        kind="plain",
        requirements=("fastapi", "uvicorn[standard]", *SKLEARN),
        argv=lambda place: uvicorn("plain_fastapi:app", place),
    ),
    Server(
        name="plain-fastapi-onnx",
        label="plain FastAPI + ONNX Runtime",
        kind="plain",
        requirements=("fastapi", "uvicorn[standard]", "onnxruntime>=1.20"),
        argv=lambda place: uvicorn("plain_fastapi_onnx:app", place),
        runtime="onnx",
        models=ALL,
    ),
    Server(
        name="plain-flask",
        label="plain Flask",
        kind="plain",
        requirements=("flask", "gunicorn", *SKLEARN),
        argv=_gunicorn,
    ),
)
