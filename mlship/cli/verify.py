"""``mlship verify``: the image here, run as a pod, held against what the cluster asks of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlship.cli.options import AsJson, EngineOption, ImageOption, ProjectDir, Verbose

if TYPE_CHECKING:
    from mlship.checks import Check
    from mlship.engine import Engine
    from mlship.project import Project
    from mlship.runner import Runner


def verify_image(
    image: ImageOption = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Take the answers of the project's own server as golden."),
    ] = False,
    engine: EngineOption = None,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Run the image as a pod would run: does it answer as the model did, within its limits?"""
    from mlship.cli import console
    from mlship.engine import find_runtime
    from mlship.project import find

    console.prose_to_stderr(as_json)
    found = find(project)
    runner = console.runner(verbose=verbose)
    runtime = find_runtime(engine, runner)
    verify(found, image or found.image(), runtime, runner, as_json=as_json, record=record)
    if not as_json:
        console.say(("Next:", "dim"), " mlship build --push, mlship deploy")


def verify(
    project: Project,
    image: str,
    engine: Engine,
    runner: Runner,
    *,
    as_json: bool = False,
    record: bool = False,
) -> dict[str, Any]:
    """Show each check of the image as it is done; return the result, for programs.

    Raises:
        ToolFailed: one failed; says which, why, and what to do.
    """
    from rich.text import Text

    from mlship import images, podspec
    from mlship.cli import console
    from mlship.container import Container
    from mlship.errors import ToolFailed
    from mlship.text import printable
    from mlship.verifying import Trial

    config = project.config
    images.require(engine, image, runner)  # before the answers, which may take minutes
    pod = podspec.read(project.root, config, patched(project, runner))
    rows = _golden(project, runner, pod.env, again=record)
    model = project.root / "model" if config.model.source else None
    trial = Trial(Container(engine, image, config.port, pod, runner, model), rows)
    console.out.print(Text.assemble("Verifying ", (image, "bold")))
    done: list[Check] = []
    # Closed also when Ctrl-C comes between two checks: that removes the container.
    with contextlib.closing(trial.checks()) as checks:
        while check := _next(checks):
            done.append(check)
            mark = ("✓", "green") if check.ok else ("✗", "bold red")
            console.out.print(Text.assemble("  ", mark, " ", printable(check.what)))
    failed = next((check for check in done if not check.ok), None)
    result = {"image": image, "ok": failed is None, "checks": [_values(check) for check in done]}
    if as_json:
        console.print_json(result)
    if failed:
        raise ToolFailed(f"The image is not fit: {failed.what[:1].lower()}{failed.what[1:]}",
                         why=failed.why, next=failed.next)  # fmt: skip
    return result


def _next(checks: Iterator[Check]) -> Check | None:
    from mlship.cli import console

    with console.err.status("Running it as on the cluster"):
        return next(checks, None)


def patched(project: Project, runner: Runner) -> dict[str, Any] | None:
    """Return the Deployment with the user's patches; None where there are none."""
    from mlship.cli import console
    from mlship.cluster import manifests
    from mlship.cluster.preparing import kustomize
    from mlship.errors import ToolMissing

    if not project.config.patches:
        return None
    try:
        text = kustomize(project, Path("k8s/overlays/prod"), runner)
    except ToolMissing:
        console.warn("kubectl, which reads your patches in k8s/, is not here: going on without")
        return None
    return manifests.deployment_of(manifests.parse(text), project.config.name)


def _golden(project: Project, runner: Runner, settings: Mapping[str, str], *, again: bool) -> Any:
    from mlship import golden, recording
    from mlship.cli import console
    from mlship.conversion.evidence import ANSWERS
    from mlship.errors import UsageError

    converted = (project.root / ANSWERS).is_file()
    if again and converted:
        raise UsageError(
            "--record is for models that were not converted",
            why=f"{ANSWERS} has the answers of the original, which mlship proved at init.",
            next="mlship init NAME --force --model NEW_MODEL, from the folder above",
        )
    found = golden.read(project.root, project.config.model.sha256)
    if found.predictions and not again:
        return found
    with console.err.status("Asking the model in the project's own environment for its answers"):
        made = recording.record(project, runner, settings)
    refused = len(found.rows) - len(made.rows)
    left_out = f"; left out {refused} that it refuses" if refused else ""
    console.note(
        f"Recorded {len(made.rows)} answers of the project's own server in {golden.FILE}{left_out}"
    )
    return made


def _values(check: Check) -> dict[str, Any]:
    values = {"name": check.name, "ok": check.ok, "what": check.what, **check.figures}
    return values if check.ok else values | {"why": check.why, "next": check.next}
