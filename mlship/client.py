"""Asking a running service over HTTP."""

from __future__ import annotations

import csv
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlship.errors import ServiceError, UsageError


def is_loopback(url: str) -> bool:
    """Tell whether the URL names this machine, by its loopback interface."""
    host = urllib.parse.urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _opener(url: str, *, direct: bool = False) -> urllib.request.OpenerDirector:
    # A company proxy can't reach this machine's own loopback.
    direct = direct or is_loopback(url)
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if direct else []))


def predict(
    url: str, body: dict[str, Any], timeout: float = 30, *, direct: bool = False
) -> dict[str, Any]:
    """POST ``body`` to ``url``/predict and return the answer; ``direct`` takes no proxy.

    Raises:
        ServiceError: nothing answers there, or it refuses the request.
    """
    not_a_service = ServiceError(
        f"What answers at {url} is not a prediction service",
        next="pass --url with the right address",
    )
    try:
        request = urllib.request.Request(
            f"{url.rstrip('/')}/predict",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _opener(url, direct=direct).open(request, timeout=timeout) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise _refused(error) from None
    except OSError as error:  # URLError is one
        raise ServiceError(
            f"No service answers at {url}",
            why=str(getattr(error, "reason", error)),
            next="start it with `mlship serve` or `mlship run`, or pass --url",
        ) from None
    except json.JSONDecodeError:
        raise not_a_service from None
    except (ValueError, http.client.InvalidURL):
        raise UsageError(
            f"{url!r} is not the URL of a service", next="--url http://127.0.0.1:8000"
        ) from None
    except http.client.HTTPException:
        raise not_a_service from None
    if not isinstance(answer, dict) or not isinstance(answer.get("predictions"), list):
        raise not_a_service
    return answer


def _refused(error: urllib.error.HTTPError) -> ServiceError:
    try:
        problem = json.load(error)
    except ValueError:
        problem = None
    problem = problem if isinstance(problem, dict) else {}
    errors = problem.get("errors")
    found = [e.get("detail") for e in errors if isinstance(e, dict)] if errors else []
    details = found or [problem.get("detail", error.reason)]
    return ServiceError(
        f"The service answered {error.code} {error.reason}",
        why="\n".join(map(str, details[:5])),
        next="correct the request; `mlship predict` without --file sends a right one",
        status=error.code,
    )


def wait_until_ready(
    url: str, seconds: float, alive: Callable[[], bool], *, direct: bool = False
) -> None:
    """Return when ``url``/readyz answers 200; ``direct`` takes no proxy.

    Raises:
        ServiceError: it did not within ``seconds``, or ``alive()`` said no; ``why`` is what was
            answered last, empty where nothing was.
    """
    deadline, answered = time.monotonic() + seconds, ""
    opener = _opener(url, direct=direct)
    while time.monotonic() < deadline:
        try:
            with opener.open(f"{url}/readyz", timeout=2):
                return
        except urllib.error.HTTPError as error:
            answered = f"/readyz answered {error.code} {error.reason}"
        except (OSError, http.client.HTTPException):  # URLError is an OSError
            pass
        if not alive():
            raise ServiceError("The server ended before it was ready")
        time.sleep(0.1)
    raise ServiceError(f"The server was not ready within {seconds:g} s", why=answered)


def read_instances(path: Path, example: dict[str, Any]) -> dict[str, Any]:
    """Return the request body that a file holds.

    A .json file is a body, or a list of instances. A .csv file has a header: columns that are
    features are sent by name, others (such as the target) are left out. Cells become what
    ``example``, an instance by name, has in their place; empty ones and NA become null.

    Raises:
        UsageError: the file is missing or can't be read so.
    """
    try:
        if path.suffix.lower() == ".csv":
            return {"instances": _rows(path, example)}
        value = json.loads(path.read_text(encoding="utf-8-sig"))
        instances = value.get("instances") if isinstance(value, dict) else value
        if not isinstance(instances, list) or not instances:
            raise ValueError("it holds no list of instances")
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(
            f"{path} can't be sent",
            why=str(error),
            next='--file takes a CSV with a header, or JSON like {"instances": [...]}',
        ) from None
    return {"instances": instances}


def _rows(path: Path, example: dict[str, Any]) -> list[Any]:
    from mlship.sampling import delimited

    found = delimited.rows(path)
    names, _ = next(found, ([], 0))
    missing = [name for name in example if name not in names]
    if missing:
        raise ValueError(f"the header lacks: {', '.join(missing[:5])}")
    wanted = [(names.index(name), name) for name in example]
    return [{name: _cell(row[i], example[name]) for i, name in wanted} for row, _ in found]


def _cell(text: str, like: Any) -> int | float | str | bool | None:
    """Return a cell as a value of the same kind as ``like``."""
    from mlship.sampling.columns import BOOLS, NULLS

    if text in NULLS:
        return None
    if isinstance(like, str):
        return text  # a code such as 007 stays one
    return BOOLS.get(text, text) if isinstance(like, bool) else _number(text)


def _number(text: str) -> int | float | str:
    try:
        return int(text)  # first: a float can't hold every long whole number
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text  # the service names what is wrong with it
    return int(number) if number.is_integer() and "." not in text else number
