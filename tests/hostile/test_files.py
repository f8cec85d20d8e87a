"""Files that lie about their size, never end, or are no files: refused or answered, and soon."""

import contextlib
import os
import pickle
import subprocess
import sys
import zlib

import pytest

from mlship.errors import ModelError
from mlship.inspection import inspect
from tests.hostile.files import makers
from tests.hostile.opcodes import model, program
from tests.hostile.watching import complaints, watched
from tests.support import models
from tests.support.projects import mlship

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches by /proc")

MAKERS = makers()
# They hold nothing dangerous: to be answered is enough.
EVIL = ("evil", "torch", "legacy", "polyglot", "padding", "pickle-in-zip", "many-calls",
        "endless-names", "function.skops", "lambda", "module.keras")  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    warm = folder / "warm.pkl"
    warm.write_bytes(program(model()))
    paths = {name: make(folder) for name, make in MAKERS.items()}
    found = watched(folder, list(paths.values()), [warm])
    yield {name: found[os.fsdecode(path)] for name, path in paths.items()}
    subprocess.run(["rm", "-rf", folder], check=False)  # some 300 MB


@pytest.mark.parametrize("name", MAKERS)
def test_answered_soon_in_little_memory(answers, name):
    answer = answers[name]
    assert not complaints(answer), answer["text"]
    if name.startswith(EVIL) and answer["outcome"] == "card":
        assert answer["dangers"], "taken for a harmless model"


def test_the_time_limit_itself_holds(tmp_path, monkeypatch):
    """One endless file with the limit that users have; the others above ran with a shorter one."""
    monkeypatch.setenv("MLSHIP_TEST_FULL_BUDGET", "1")
    path = MAKERS["endless-opcodes.joblib"](tmp_path)
    answer = watched(tmp_path, [path], [])[str(path)]
    assert not complaints(answer), answer["text"]
    assert answer["outcome"] == "refused"


# How many ends may pass: what follows STOP is a checksum, and a message may end after any field.
CUT = {"tumor.joblib": 0, "tumor.pkl": 0, "tumor.zlib.joblib": 5, "tumor.onnx": 5}


@pytest.mark.parametrize("name", CUT)
def test_cut_off_anywhere(tmp_path, name):
    """A file that ends too early is refused; nowhere does it break the reader."""
    whole = models.save("tumor.onnx" if name.endswith("onnx") else "tumor.joblib", tmp_path)
    data = whole.read_bytes()
    if name == "tumor.pkl":
        data = pickle.dumps(models.tumor()[0])
    elif "zlib" in name:
        data = zlib.compress(data)
    path = tmp_path / name
    passed = []
    for end in {*range(300), *range(0, len(data), 7), *range(len(data) - 40, len(data))}:
        path.write_bytes(data[:end])
        with contextlib.suppress(ModelError):
            inspect(path)
            passed.append(end)
    assert len(passed) <= CUT[name], passed
    path.write_bytes(data)
    assert len(inspect(path).features) == 30


def test_links_that_hubs_make_are_followed(tmp_path):
    """A hub's cache: names in snapshots/ link to content in blobs/."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "0123").write_bytes(program(model()))
    link = snapshot / "model.pkl"
    link.symlink_to("../../blobs/0123")
    card = inspect(link)
    assert len(card.features) == 3 and card.size == (blobs / "0123").stat().st_size


@pytest.mark.parametrize(
    "name", [b"model-\xff\xfe.pkl", "modèle-模型.pkl".encode(), b"a b'$(x).pkl"]
)
def test_any_path_name_will_do(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(program(model()))
    assert len(inspect(path).features) == 3
    done = mlship("inspect", path, cwd=tmp_path)
    assert "Ridge" in done.stdout


@pytest.mark.parametrize(
    "name", ["fifo.pkl", "zero.pkl", "loop.pkl", "dangling.pkl", "folder-empty"]
)
def test_the_command_line_refuses_them_too(tmp_path, name):
    path = MAKERS[name](tmp_path)
    argv = ("init", "x", "--model", path, "--no-input", "--no-lock")
    done = mlship(*argv, cwd=tmp_path, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    assert not (tmp_path / "x").exists()
