"""Renders Helm charts with Helm itself: its SDK where the wheel is installed, else the program."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.conftest import require


class Refused(Exception):
    """Helm's words where it does not render."""


def render(
    chart: Path, values: dict | None = None, *, name: str = "iris", namespace: str = "ml"
) -> list[dict]:
    """Return the objects of a chart; raises Refused where Helm does."""
    if importlib.util.find_spec("helm_python"):
        return _by_sdk(chart, values or {}, name, namespace)
    if not shutil.which("helm"):
        require("helm", "neither helm-python-sdk nor the program is installed")
    argv = ["helm", "template", name, chart, "--namespace", namespace, "--values", "-"]
    done = subprocess.run(argv, input=yaml.safe_dump(values), capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stderr)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _by_sdk(chart: Path, values: dict, name: str, namespace: str) -> list[dict]:
    import helm_python

    try:
        with helm_python.Chart.load(chart) as loaded:
            # `helm template` does that first.
            loaded.validate_schema(loaded.merge_values(values))
            texts = loaded.render(values, name=name, namespace=namespace)
    except helm_python.HelmError as error:
        raise Refused(str(error)) from None
    return [
        each
        for path, text in sorted(texts.items())
        if path.endswith(".yaml")
        for each in yaml.safe_load_all(text)
        if each
    ]


def findings(chart: Path) -> list[str]:
    """Return what `helm lint --strict` finds, but for the icon that charts may have."""
    if importlib.util.find_spec("helm_python"):
        import helm_python

        report = helm_python.lint(chart, strict=True)
        found = [each["error"] for each in report["messages"]] + report["errors"]
    else:
        if not shutil.which("helm"):
            require("helm", "neither helm-python-sdk nor the program is installed")
        done = subprocess.run(["helm", "lint", "--strict", chart], capture_output=True, text=True)
        found = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return [each for each in found if "icon is recommended" not in each]
