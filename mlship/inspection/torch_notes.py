"""What a user of any PyTorch model should know before the lock is made."""

from __future__ import annotations

TORCH_BUILDS = (
    "On Linux the package index's torch brings CUDA, several GB; "
    "set UV_TORCH_BACKEND=cpu before `mlship init` to lock the CPU build instead."
)

NO_VERSION = (
    "A TorchScript file does not name the PyTorch version it was made with; "
    "the project takes the newest."
)
