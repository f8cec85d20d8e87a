"""ASGI by hand, without a framework, a schema, metrics or logs: what the machine could do.

``BENCH_BARE`` chooses: ``constant`` parses the JSON and answers always the same (the ceiling),
``direct`` asks the model in the event loop, ``batched`` asks it once for all requests that came in
since it was asked last.
"""

import asyncio
import os
from typing import Any

import numpy as np
import orjson
import predictor

MODE = os.environ["BENCH_BARE"]
# More would only make the first wait for the last.
MOST = 64
CONSTANT = {"predictions": [0], "probabilities": [[0.1] * len(predictor.CLASSES)]}
HEADERS = [(b"content-type", b"application/json")]
model = predictor.load() if MODE != "constant" else None
waiting: list[tuple[Any, asyncio.Future[Any]]] = []


async def batches() -> None:
    """Answer whoever waits, all at once; runs while anyone does."""
    loop = asyncio.get_running_loop()
    while waiting:
        taken, waiting[:MOST] = waiting[:MOST], []
        rows = np.concatenate([rows for rows, _ in taken])
        # In a thread: new requests are read meanwhile and make the next batch.
        labels, scores = await loop.run_in_executor(None, model, rows)  # type: ignore[arg-type]
        start = 0
        for rows, future in taken:
            end = start + len(rows)
            if not future.cancelled():
                future.set_result((labels[start:end], scores[start:end]))
            start = end
    state["task"] = None


state: dict[str, Any] = {"task": None}


async def ask(rows: Any) -> Any:
    """Wait for this request's share of a batch."""
    future = asyncio.get_running_loop().create_future()
    waiting.append((rows, future))
    if state["task"] is None:
        state["task"] = asyncio.create_task(batches())
    return await future


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer POST of {"instances": [...]} on any path."""
    if scope["type"] != "http":
        return
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    rows = orjson.loads(b"".join(parts))["instances"]
    if MODE == "constant":
        content = CONSTANT
    else:
        table = np.asarray(rows, dtype=np.float64)
        labels, scores = await ask(table) if MODE == "batched" else model(table)  # type: ignore[misc]
        content = {"predictions": labels.tolist(), "probabilities": scores.tolist()}
    body = orjson.dumps(content)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": body})
