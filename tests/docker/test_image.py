"""What is in the image, what is sent for it, and what is built again."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from types import SimpleNamespace

import pytest

from mlship.commands import docker as commands
from mlship.engine import find_builder
from mlship.project import find
from mlship.runner import Runner
from tests.support import models
from tests.support.projects import mlship

pytestmark = pytest.mark.docker
BASE = "python:3.11-slim"
# Bytes that the image may add to its base.
LIMITS = {"onnx": 120e6, "sklearn": 260e6}
IGNORED = shutil.ignore_patterns("__pycache__")


def engine(docker, *argv):
    done = subprocess.run([docker, *argv], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def build(project, tag, *options):
    """Build as the project's README does; return the log and the seconds it took."""
    builder = find_builder(None, Runner())
    made = commands.build(builder, tag, project)
    started = time.monotonic()
    done = subprocess.run(
        [*made.argv[:-1], *options, made.argv[-1]], cwd=project, text=True,
        env={**os.environ, **made.env}, capture_output=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr, time.monotonic() - started


@pytest.fixture(scope="module", params=LIMITS)
def image(request, docker, tmp_path_factory):
    """A project, of which nothing was built before, and its image."""
    folder = tmp_path_factory.mktemp("image")
    model = []
    if request.param == "sklearn":
        model = ["--model", models.save("tumor.joblib", folder), "--runtime", "native"]
    mlship("init", "sized", "--no-input", *model, cwd=folder)
    project, tag = folder / "sized", f"mlship-test-image:{request.param}"
    # A lock of its own: what the builder remembers of others is another machine's state.
    changed(project, "requirements.lock", f"# {time.time_ns()}\n")
    log, seconds = build(project, tag, "--no-cache")
    yield SimpleNamespace(kind=request.param, project=project, tag=tag, log=log, seconds=seconds)
    tags = engine(docker, "images", "--quiet", "mlship-test-image").split()
    engine(docker, "image", "rm", "--force", *set(tags))


def layers(docker, tag):
    return json.loads(engine(docker, "inspect", tag, "--format", "{{json .RootFS.Layers}}"))


def entries(docker, tag):
    """All that an image adds to its base."""
    container = engine(docker, "create", tag)
    argv = [docker, "export", container]
    with (
        subprocess.Popen(argv, stdout=subprocess.PIPE) as export,
        tarfile.open(fileobj=export.stdout, mode="r|") as archive,
    ):
        found = {
            (info.name, oct(info.mode), info.uid, info.gid, info.mtime, info.linkname,
             info.isreg() and hashlib.sha256(archive.extractfile(info).read()).hexdigest())
            for info in archive if info.name.startswith(("opt", "srv"))
        }  # fmt: skip
    engine(docker, "rm", container)
    return found


def differing(docker, one, other):
    """What two images do not share: the message of a failure."""
    return sorted(entries(docker, one) ^ entries(docker, other))[:40]


def size(docker, tag):
    return int(engine(docker, "inspect", tag, "--format", "{{.Size}}"))


def changed(project, name, text):
    path = project / name
    before = path.read_text()
    path.write_text(before + text)
    return lambda: path.write_text(before)


def test_adds_little_to_its_base(image, docker):
    assert size(docker, image.tag) - size(docker, BASE) <= LIMITS[image.kind]


def test_holds_only_what_serves(image, docker):
    files = engine(docker, "run", "--rm", "--entrypoint", "find", image.tag,
                   "/opt/venv", "/srv", "-type", "f").splitlines()  # fmt: skip
    packages = [f.split("/site-packages/")[1] for f in files if "/site-packages/" in f]
    assert not {"pip", "setuptools", "wheel", "pytest"} & {p.split("/")[0] for p in packages}
    tests = [p for p in packages if re.search(r"(^|/)tests?/", p)]
    # numpy.testing imports this one.
    assert {re.sub(r"__pycache__/|\.cpython-311.pyc$|\.py$", "", p) for p in tests} <= {
        "numpy/_core/tests/_natype"
    }
    assert not [p for p in packages if p.startswith("numpy/") and p.endswith((".pyi", ".h", ".a"))]
    assert not [f for f in files if "/.cache/" in f or f.endswith((".whl", "slim.py"))]
    # Each source once, and its bytecode once: nothing is compiled at the start.
    compiled = {f for f in files if f.endswith(".pyc")}
    sources = [f for f in files if f.endswith(".py")]
    own = [f for f in sources if f.startswith("/srv/app/")]
    assert own and len(sources) >= len(compiled) > 0.99 * len(sources)
    assert all(re.sub(r"(\w+)\.py$", r"__pycache__/\1.cpython-311.pyc", f) in compiled for f in own)


def test_library_for_other_languages_is_left_out(image, docker):
    if image.kind == "onnx":
        capi = "/opt/venv/lib/python3.11/site-packages/onnxruntime/capi"
        found = engine(docker, "run", "--rm", "--entrypoint", "ls", image.tag, capi).split()
        assert not [name for name in found if name.startswith("libonnxruntime.so")]
        assert [name for name in found if name.startswith("onnxruntime_pybind11_state")]


def sent(log):
    """The bytes of the build context that were sent to the builder."""
    found = re.search(r"load build context.*?transferring context: ([\d.]+)(k?M?)B", log, re.S)
    assert found, log
    return float(found[1]) * {"": 1, "k": 1e3, "M": 1e6}[found[2]]


def used(project):
    """The bytes of the files that the image is made of."""
    files = [project / name for name in ("requirements.lock", "slim.py")]
    files += [path for name in ("app", "model") for path in (project / name).rglob("*.*")]
    return sum(path.stat().st_size for path in files if path.is_file())


def test_sends_only_what_the_image_uses(image):
    junk = image.project / "notebook.ipynb"
    junk.write_bytes(os.urandom(3_000_000))
    try:
        log, _ = build(image.project, "mlship-test-image:junk")
    finally:
        junk.unlink()
    for each in (image.log, log):
        assert sent(each) < 1.1 * used(image.project) + 10_000 < 1_000_000


@pytest.mark.parametrize("name", ["app/main.py", "model/note.txt"])
def test_a_change_rebuilds_in_a_fraction(image, docker, name):
    path, same, tag = image.project / name, "mlship-test-image:same", "mlship-test-image:changed"
    build(image.project, same)
    before = path.read_bytes() if path.is_file() else None
    with path.open("a") as file:
        file.write("# changed\n")
    try:
        _, seconds = build(image.project, tag)
    finally:
        path.unlink() if before is None else path.write_bytes(before)
    assert seconds < 0.5 * image.seconds
    known = layers(docker, same)
    new = [layer for layer in layers(docker, tag) if layer not in known]
    assert len(new) == 1, differing(docker, same, tag)


def test_a_new_dependency_is_all_that_is_downloaded(image):
    digest = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
    # Of now: the engine may remember an earlier run of this test.
    line = f"six==1.17.0 --hash=sha256:{digest}  # {time.time_ns()}\n"
    undo = changed(image.project, "requirements.lock", line)
    try:
        log, _ = build(image.project, "mlship-test-image:dependency")
    finally:
        undo()
    assert "File was already downloaded" in log
    fetched = re.findall(r"Downloading (\S+)", log)
    assert [name for name in fetched if not name.startswith("six-")] == []


def test_same_files_make_the_same_layers(image, docker, tmp_path):
    """In another checkout, by somebody with another umask, later, with nothing cached."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(image.project, copy, ignore=IGNORED, copy_function=shutil.copyfile)
    for path in copy.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    build(copy, "mlship-test-image:again", "--no-cache")
    again = "mlship-test-image:again"
    assert layers(docker, again) == layers(docker, image.tag), differing(docker, again, image.tag)


def test_labels_say_what_it_is(image, docker):
    project = find(image.project)
    subprocess.run("git init -q && git add . && git -c user.name=a -c user.email=a@example.com "
                   "commit -qm one", shell=True, cwd=image.project, check=True)  # fmt: skip
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=image.project, capture_output=True)
    mlship("build", "--tag", "mlship-test-image:labelled", cwd=image.project)
    found = engine(docker, "inspect", "mlship-test-image:labelled",
                   "--format", "{{json .Config.Labels}}")  # fmt: skip
    labels = json.loads(found)
    opencontainers = "org.opencontainers.image."
    assert labels[opencontainers + "title"] == "sized"
    assert "model of" in labels[opencontainers + "description"]
    assert labels[opencontainers + "version"] == project.config.version
    assert labels[opencontainers + "revision"] == done.stdout.decode().strip()
    assert labels["model.sha256"] == project.config.model.sha256


def write_large(source, chunks):
    """Write a model of chunks, which are copied straight into the image above 100 MB."""
    source.mkdir()
    (source / "predictor.py").write_text(
        'EXAMPLE = {"x": 1.0}\n\n\ndef load():\n    return 1.0\n\n\n'
        "def predict(model, instances):\n    return [i['x'] for i in instances]\n"
    )
    with (source / "weights.bin").open("wb") as file:
        for chunk in chunks:
            file.write(chunk)


def test_a_large_model_is_readable_whatever_the_umask(docker, tmp_path):
    write_large(tmp_path / "source", [bytes(10**7)] * 11)
    argv = ("--model", tmp_path / "source", "--trust", "--no-input")
    mlship("init", "large", *argv, cwd=tmp_path)
    folder = tmp_path / "large" / "model"
    assert "COPY --chmod" in (folder.parent / "Dockerfile").read_text()
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    tag = "mlship-test-image:readable"
    try:
        build(folder.parent, tag)
        found = engine(docker, "run", "--rm", "--entrypoint", "find", tag,
                       "/srv/model", "-readable", "-name", "weights.bin")  # fmt: skip
    finally:
        subprocess.run([docker, "image", "rm", "--force", tag], capture_output=True)
    assert found


@pytest.mark.slow
@pytest.mark.skipif("MLSHIP_TEST_LARGE" not in os.environ, reason="needs MLSHIP_TEST_LARGE=<GB>")
def test_a_large_model_is_stored_and_copied_once(docker, tmp_path):
    """As a Dockerfile of two lines would; the image holds one copy, the builder's cache no more."""
    amount = int(float(os.environ["MLSHIP_TEST_LARGE"]) * 1e9)
    source = tmp_path / "source"
    write_large(source, (os.urandom(10**7) for _ in range(amount // 10**7)))
    mlship("init", "large", "--model", source, "--trust", "--no-input", cwd=tmp_path)
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.move(source, plain / "model")
    (plain / "Dockerfile").write_text(f"FROM {BASE}\nCOPY model /model\n")
    tag = "mlship-test-image:large"
    try:
        _, least = build(plain, f"{tag}-plain", "--no-cache")
        shutil.rmtree(plain)
        _, seconds = build(tmp_path / "large", tag, "--no-cache")
        assert size(docker, tag) - size(docker, BASE) < amount + 120e6
        assert seconds < 2 * least + 30
        undo = changed(tmp_path / "large", "app/main.py", "# changed\n")
        _, again = build(tmp_path / "large", f"{tag}-changed")
        undo()
        assert again < 0.2 * seconds
        assert layers(docker, f"{tag}-changed")[:-1] == layers(docker, tag)[:-1]
    finally:
        tags = [f"{tag}{end}" for end in ("", "-plain", "-changed")]
        subprocess.run([docker, "image", "rm", "--force", *tags], capture_output=True)
