"""``python -m onnxproof REQUEST RESULT``: reads what to convert, writes what came of it.

REQUEST holds the model's path and format; task, takes, features, classes, probabilities and
options of its card; ``rows`` of the user's sample; how many rows to make (``generated``) and the
``seed``; ``memory``, the most bytes of address space; and the names of ``packages`` whose versions
are told. RESULT gets ``rows``, ``tried``, ``golden`` and ``seconds`` (``report.py``), and ``graph``
where a conversion was proven; the model then lies beside it as ``model.onnx``. ``error`` stands
there instead where nothing could be tried.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def main(request_file: str, result_file: str) -> None:
    """Convert and prove; every failure of a library ends in the result."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    _limit(request["memory"])
    try:
        from . import proof

        result, graph = proof.prove(request)
        if graph is not None:
            content = graph.model.SerializeToString(deterministic=True)
            Path(result_file).with_name("model.onnx").write_bytes(content)
            result["graph"] = {
                "dtypes": graph.dtypes,
                "inputs": graph.inputs,
                "labels": graph.labels,
                "opsets": graph.opsets,
                "outputs": graph.outputs,
            }
    except Exception as error:
        from . import report

        result = {"error": report.words(error)}
    result["versions"] = {
        "python": ".".join(map(str, sys.version_info[:3])),
        **{name: found for name in request["packages"] if (found := _version(name))},
    }
    Path(result_file).write_text(json.dumps(result, allow_nan=False), encoding="utf-8")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _limit(memory: int) -> None:
    """Bound the address space, where the system can."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    most: Any = resource.getrlimit(resource.RLIMIT_AS)[1]
    bound = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_AS, (bound, most))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
