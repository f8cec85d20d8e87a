"""What a user of any PyTorch model should know before the lock is made."""

from __future__ import annotations

TORCH_BUILDS = (
    "On Linux the public index's torch brings CUDA, several GB; for the CPU build set "
    "PIP_EXTRA_INDEX_URL to PyTorch's index of CPU builds, for `mlship init` and `mlship build`."
)

NO_VERSION = (
    "A TorchScript file does not name the PyTorch version it was made with; "
    "the project takes the newest."
)
