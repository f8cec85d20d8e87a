"""LitServe with one worker; ``BENCH_BATCH`` turns its batching on."""

import os
from typing import Any

import litserve
import predictor

BATCHED = "BENCH_BATCH" in os.environ


class Model(litserve.LitAPI):
    """Rows in, labels and probabilities out."""

    def setup(self, device: str) -> None:
        """Load the model, in the worker."""
        self.model = predictor.load()

    def decode_request(self, request: dict[str, Any]) -> Any:
        """Take the rows."""
        return request["instances"]

    def predict(self, instances: Any) -> Any:
        """Predict the rows of one request, or of a list of requests."""
        if not BATCHED:
            return predictor.answer(*self.model(instances))
        labels, scores = self.model([row for rows in instances for row in rows])
        found, start = [], 0
        for rows in instances:
            end = start + len(rows)
            found.append(predictor.answer(labels[start:end], scores[start:end]))
            start = end
        return found

    def batch(self, inputs: Any) -> Any:
        """Join nothing: predict takes the list of requests."""
        return inputs

    def unbatch(self, output: Any) -> Any:
        """Split nothing: predict gives a list."""
        return output

    def encode_response(self, output: Any) -> Any:
        """Answer what predict made."""
        return output


if __name__ == "__main__":
    options = {"max_batch_size": 64, "batch_timeout": 0.002} if BATCHED else {}
    server = litserve.LitServer(
        Model(**options),
        accelerator="cpu",
        devices=1,
        workers_per_device=1,
        timeout=60,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        generate_client_file=False,
        num_api_servers=1,
    )
