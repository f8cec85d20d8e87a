"""Start-up and scaffold cost: whole-process CPU (user + sys), medians, in one run."""

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from mlship.ownership import files_in

BARE = """
import typer
app = typer.Typer()
@app.command()
def one(name: str = "x") -> None:
    "One."
@app.command()
def two(name: str = "x") -> None:
    "Two."
app()
"""
BIN = Path(sys.executable).parent


def cpu(argv, cwd) -> float:
    """Return the CPU seconds of one process and its children."""
    before = os.times()
    subprocess.run(argv, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def medians(commands: dict, rounds: int) -> dict:
    """Run the commands in turn, so that all see the same machine."""
    seconds = {name: [] for name in commands}
    for index in range(rounds + 1):
        for name, run in commands.items():
            value = run(index)
            if index:  # the first round warms the caches
                seconds[name].append(value)
    return {name: statistics.median(values) for name, values in seconds.items()}


@pytest.mark.slow
def test_help_costs_little_more_than_a_bare_app(tmp_path, record_property):
    (tmp_path / "bare.py").write_text(BARE)
    found = medians(
        {
            "bare": lambda _: cpu([sys.executable, "bare.py", "--help"], tmp_path),
            "mlship": lambda _: cpu([BIN / "mlship", "--help"], tmp_path),
        },
        15,
    )
    ratio = found["mlship"] / found["bare"]
    print(f"\n--help: {found}, ratio {ratio:.2f}")
    assert ratio <= 1.2


@pytest.mark.slow
def test_init_costs_no_more_than_cookiecutter(tmp_path):
    """Against the `cookiecutter` command on a template of the very files that init writes."""
    subprocess.run([BIN / "mlship", "init", "iris", "--no-input", "--no-lock"], cwd=tmp_path,
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    template = tmp_path / "template"
    project = template / "{{cookiecutter.name}}"
    shutil.copytree(tmp_path / "iris", project)
    (template / "cookiecutter.json").write_text('{"name": "iris"}')
    for name in files_in(project):
        path = project / name
        if path.suffix not in (".onnx", ".json"):
            path.write_text(path.read_text() + "\n# {{cookiecutter.name}}\n")
    config = tmp_path / "config.yaml"
    config.write_text(f"replay_dir: {tmp_path}/replay\ncookiecutters_dir: {tmp_path}/cc\n")

    def cookiecutter(index):
        out = tmp_path / f"c{index}"
        argv = [BIN / "cookiecutter", template, "--no-input", "--config-file", config, "-o", out]
        return cpu(argv, tmp_path)

    def mlship(index):
        out = tmp_path / f"m{index}"
        out.mkdir()
        return cpu([BIN / "mlship", "init", "iris", "--no-input", "--no-lock"], out)

    found = medians({"cookiecutter": cookiecutter, "mlship": mlship}, 9)
    count = len(list(files_in(project)))
    assert len(list(files_in(tmp_path / "c1" / "iris"))) == count
    ratio = found["mlship"] / found["cookiecutter"]
    print(f"\ninit on {count} files: {found}, ratio {ratio:.2f}")
    assert ratio <= 1.0
