"""The size of images of one model, by mlship and by its peers, and what is in ours.

    python -m bench.images [--work DIR] [--write docs/images.md]

Builds them all on one base image with the docker of DOCKER (20.10 to 22, or with buildx). The
peers' Dockerfiles are their own; see `_adapted` for the two lines that are changed in them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench.work import Work, default_folder, python, run

BASE = "python:3.11-slim"
APPS = Path(__file__).parent / "apps" / "images"
DOCKER = os.environ.get("DOCKER", "docker")
BEGIN, END = "<!-- begin: python -m bench.images -->", "<!-- end -->"
# Bytes that each library's wheel brings, and those that are in the image, bytecode included.
_LIBRARIES = """
import json
from importlib.metadata import distributions
found = {}
for each in distributions():
    files = [f for f in each.files or () if "bin/" not in str(f)]
    there = [f.locate() for f in files if f.locate().is_file()]
    code = [f.parent / "__pycache__" / f"{f.stem}.cpython-311.pyc" for f in there]
    code = [p for p in code if p.is_file()]
    found[each.name] = (sum(f.size or 0 for f in files),
                        sum(p.stat().st_size for p in there), sum(p.stat().st_size for p in code))
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Image:
    """A built image; ``seconds`` is how long its first build took, with nothing cached."""

    label: str
    tag: str
    bytes: int
    seconds: float


def build(folder: Path, label: str) -> Image:
    """Build a folder that has a Dockerfile, all anew."""
    tag = "mlship-bench-images:" + re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    started = time.monotonic()
    variables = {**os.environ, "DOCKER_BUILDKIT": "1"}
    run([DOCKER, "build", "--no-cache", "--tag", tag, "."], cwd=folder, env=variables)
    return Image(label, tag, size(tag), time.monotonic() - started)


def size(tag: str) -> int:
    """Return the bytes of all layers of an image."""
    return int(run([DOCKER, "image", "inspect", tag, "--format", "{{.Size}}"]))


def ours(work: Path, model: Path, runtime: str, server: str) -> Path:
    """Return a generated project with its lock."""
    name = f"iris-{runtime}-{server}"
    shutil.rmtree(work / name, ignore_errors=True)
    run([python(), "-m", "mlship", "init", name, "--model", model, "--runtime", runtime,
         "--server", server, "--no-input"], cwd=work)  # fmt: skip
    return work / name


def mlflow(work: Work, folder: Path, model: Path) -> Path:
    """Return the folder of `mlflow models generate-dockerfile`, which build-docker builds."""
    programs = work.environment(("mlflow", "scikit-learn", "joblib")) / "bin"
    for name in ("mlflow-model", "mlflow"):
        shutil.rmtree(folder / name, ignore_errors=True)
    run([programs / "python", APPS / "mlflow_save.py", model, "mlflow-model"], cwd=folder)
    run([programs / "mlflow", "models", "generate-dockerfile", "--model-uri", "mlflow-model",
         "--output-directory", "mlflow"], cwd=folder)  # fmt: skip
    return _adapted(folder / "mlflow", "Dockerfile")


def bentoml(work: Work, folder: Path, model: Path) -> Path:
    """Return the folder that `bentoml containerize` builds."""
    programs = work.environment(("bentoml", "scikit-learn", "joblib", "uv")) / "bin"
    made, home = folder / "bento", folder / "bento-home"
    for each in (made, home):
        shutil.rmtree(each, ignore_errors=True)
    shutil.copytree(APPS, made)
    shutil.copyfile(model, made / "model.joblib")
    variables = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True",
                 "PATH": f"{programs}:{os.environ['PATH']}"}  # fmt: skip
    run([programs / "bentoml", "build"], cwd=made, env=variables)
    (bento,) = (path for path in (home / "bentos" / "iris").iterdir() if path.is_dir())
    shutil.copyfile(bento / "env" / "docker" / "Dockerfile", bento / "Dockerfile")
    return _adapted(bento, "Dockerfile")


def _adapted(folder: Path, name: str) -> Path:
    """Put a peer's Dockerfile on our base; the stand-in for it is Debian's Python, which wants to
    be told that pip may install beside its own.
    """
    path = folder / name
    text = re.sub(r"^FROM python:\S+", f"FROM {BASE}", path.read_text(), flags=re.M)
    text = re.sub(r"^(FROM .*)$", r"\1\nENV PIP_BREAK_SYSTEM_PACKAGES=1", text, flags=re.M)
    path.write_text(text)
    return folder


def libraries(image: Image) -> list[tuple[str, int, int, int]]:
    """Return names with the bytes of the wheel, of what is left of it, and of its bytecode."""
    found = json.loads(run([DOCKER, "run", "--rm", image.tag, "python", "-c", _LIBRARIES]))
    return sorted(((name, *sizes) for name, sizes in found.items()), key=lambda row: -row[1])


def table(images: list[Image]) -> str:
    """Return the sizes over the base as a table in Markdown."""
    base = size(BASE)
    lines = [
        "| the same scikit-learn model, by | adds to the base | first build |",
        "| --- | ---: | ---: |",
    ]
    for each in images:
        lines.append(
            f"| {each.label} | {(each.bytes - base) / 1e6:.0f} MB | {each.seconds:.0f} s |"
        )
    return "\n".join([*lines, "", f"The base itself, `{BASE}`, has {base / 1e6:.0f} MB."])


def contents(image: Image) -> str:
    """Return what each library brings as a table in Markdown; those below 1 MB in one line."""
    rows = libraries(image)
    small = [row for row in rows if row[1] < 10**6]
    rest = (f"{len(small)} more", *(sum(row[i] for row in small) for i in (1, 2, 3)))
    total = ("all", *(sum(row[i] for row in rows) for i in (1, 2, 3)))
    lines = [
        f"| {image.label}: MB | its wheel | stays | bytecode |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, *sizes in [row for row in rows if row not in small] + [rest, total]:
        lines.append(f"| {name} | " + " | ".join(f"{each / 1e6:.1f}" for each in sizes) + " |")
    return "\n".join(lines)


def main() -> None:
    """Build, print, and write where asked."""
    parser = argparse.ArgumentParser(description="Build and measure the images.")
    parser.add_argument("--work", type=Path, default=default_folder())
    parser.add_argument("--write", type=Path, help="put the tables into this file")
    asked = parser.parse_args()
    work = Work(asked.work)
    folder = work.sub("images")
    model = folder / "model.joblib"
    programs = work.environment(("mlflow", "scikit-learn", "joblib")) / "bin"
    run([programs / "python", APPS / "train.py", model])
    images = [
        build(ours(folder, model, "onnx", "fastapi"), "mlship, ONNX, FastAPI"),
        build(ours(folder, model, "onnx", "flask"), "mlship, ONNX, Flask"),
        build(ours(folder, model, "native", "fastapi"), "mlship, native, FastAPI"),
        build(bentoml(work, folder, model), "BentoML, `containerize`"),
        build(mlflow(work, folder, model), "MLflow, `build-docker`"),
    ]
    text = "\n\n".join([table(images), contents(images[0]), contents(images[2])])
    print(text)
    if asked.write:
        before, _, rest = asked.write.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        asked.write.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    run([DOCKER, "image", "rm", "--force", *(each.tag for each in images)])


if __name__ == "__main__":
    main()
