"""Model folders: links, kinds of files, digests."""

import os

import pytest

from mlship.digest import sha256_of, size_of
from mlship.errors import ModelError
from mlship.inspection import inspect
from mlship.inspection.folders import check_links

PREDICTOR = """\
EXAMPLE = {"a": 1.5}
def predict(instances):
    return [i["a"] for i in instances]
"""


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "predict-it"
    path.mkdir()
    (path / "predictor.py").write_text(PREDICTOR)
    return path


def test_a_link_out_of_the_folder_is_refused(tmp_path, folder):
    (tmp_path / "secret").write_text("key")
    for target in (tmp_path / "secret", "/etc/passwd", "nowhere", "loop"):
        (folder / "loop").symlink_to(target)
        with pytest.raises(ModelError, match="is a link"):
            inspect(folder)
        (folder / "loop").unlink()


def test_a_link_within_the_folder_is_fine(folder):
    (folder / "alias.py").symlink_to("predictor.py")
    assert inspect(folder).features[0].name == "a"


def test_a_hub_cache_is_fine(tmp_path):
    snapshot = tmp_path / "models--org--name" / "snapshots" / "abc"
    blobs = tmp_path / "models--org--name" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1234").write_text(PREDICTOR)
    (snapshot / "predictor.py").symlink_to("../../blobs/1234")
    check_links(snapshot)
    (snapshot / "other").symlink_to("../../refs")
    with pytest.raises(ModelError):
        check_links(snapshot)


def test_what_is_no_file_is_refused(tmp_path, folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(ModelError, match="no regular file"):
        inspect(folder)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(ModelError, match="no regular file"):
            inspect(type(folder)(path))


def test_the_digest_is_of_names_and_contents(folder):
    first = sha256_of(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert sha256_of(folder) == first and size_of(folder) == len(PREDICTOR)
    (folder / "more").write_text("")
    assert sha256_of(folder) != first
    (folder / "more").rename(folder / "other")
    second = sha256_of(folder)
    (folder / "other").write_text("x")
    assert len({first, second, sha256_of(folder)}) == 3


def test_a_folder_without_a_model_tells_what_is_in_it(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ModelError) as caught:
        inspect(tmp_path)
    assert "notes.txt" in caught.value.why
