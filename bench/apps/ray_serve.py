"""Ray Serve with its batching: one replica, one proxy, no access log."""

import os
from typing import Any

import predictor
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
class Model:
    """Rows in, labels and probabilities out."""

    def __init__(self) -> None:
        self.model = predictor.load()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def predict(self, requests: list[Any]) -> list[Any]:
        """Predict the rows of several requests at once."""
        labels, scores = self.model([row for rows in requests for row in rows])
        found, start = [], 0
        for rows in requests:
            end = start + len(rows)
            found.append(predictor.answer(labels[start:end], scores[start:end]))
            start = end
        return found

    async def __call__(self, request: Request) -> Any:
        """Answer one request."""
        return await self.predict((await request.json())["instances"])


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="warning")
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    logs = {"enable_access_log": False, "log_level": "WARNING"}
    serve.run(Model.options(logging_config=logs).bind(), route_prefix="/predict", blocking=True)
