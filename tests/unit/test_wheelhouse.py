"""Wheels for a build without network: which count, and what is missing."""

import hashlib

import pytest

from mlship import lockfile, target, wheelhouse
from mlship.errors import ToolFailed, UsageError
from mlship.target import NEWEST, Target

AMD, ARM = Target("linux/amd64", "3.11"), Target("linux/arm64", "3.11")


def lock_of(*pins):
    """A lock of (name, version, marker, contents of its files)."""
    text = ""
    for name, version, marker, contents in pins:
        text += f"{name}=={version}{f' ; {marker}' if marker else ''} \\\n"
        hashes = [f"    --hash=sha256:{hashlib.sha256(c.encode()).hexdigest()}" for c in contents]
        text += " \\\n".join(hashes) + "\n"
    return lockfile.parse(text)


@pytest.fixture
def house(tmp_path):
    folder = tmp_path / "house"
    folder.mkdir()

    def put(**files):
        for name, content in files.items():
            (folder / name).write_text(content)
        return folder

    return put


def test_platform_tags():
    assert AMD.platform_tags[0] == "manylinux_2_36_x86_64"
    assert "manylinux2014_x86_64" in AMD.platform_tags and "manylinux1_x86_64" in AMD.platform_tags
    assert "manylinux2014_aarch64" in ARM.platform_tags
    assert not any("manylinux_2_12" in tag or "2010" in tag for tag in ARM.platform_tags)
    assert ARM.platform_tags[-1] == "linux_aarch64"


def test_pins_are_those_of_the_platform():
    lock = lock_of(
        ("a", "1", "", ["a"]), ("win", "1", "sys_platform == 'win32'", ["w"]),
        ("x86", "1", "platform_machine == 'x86_64'", ["x"]),
        ("old", "1", "python_full_version < '3.11'", ["o"]),
    )  # fmt: skip
    assert [pin.name for pin in AMD.pins(lock)] == ["a", "x86"]
    assert [pin.name for pin in ARM.pins(lock)] == ["a"]


def test_pins_of_some_release_are_there_and_those_of_the_newest_are_told():
    """A base image may be of any release: this one asks for a back-port below 3.11.3."""
    lock = lock_of(
        ("backport", "1", "python_full_version < '3.11.3'", ["o"]),
        ("late", "1", "python_full_version >= '3.11.4'", ["l"]),
    )
    assert [pin.name for pin in AMD.pins(lock)] == ["backport", "late"]
    assert [pin.name for pin in AMD.pins(lock, (NEWEST,))] == ["late"]


def test_what_fits_and_has_the_locks_hash_counts(house):
    amd = "Num_Py-2.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    arm = "num_py-2.0-cp311-cp311-manylinux_2_28_aarch64.whl"
    lock = lock_of(("num-py", "2.0", "", ["amd", "arm"]), ("pure", "1.0", "", ["pure", "sdist"]))
    folder = house(**{amd: "amd", arm: "arm", "pure-1.0.0-py3-none-any.whl": "pure", "notes": ""})
    files, lacks = wheelhouse.choose(folder, lock, [AMD, ARM])
    assert not lacks and [path.name for path in files] == [amd, "pure-1.0.0-py3-none-any.whl", arm]
    only, _ = wheelhouse.choose(folder, lock, [ARM])
    assert [path.name for path in only] == [arm, "pure-1.0.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("pure-1.1-py3-none-any.whl", "pure", "no file"),
        ("pure-1.0-py3-none-any.whl", "other", "pure-1.0-py3-none-any.whl has another hash than "
         "the lock"),
        ("pure-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", "pure",
         "only pure-1.0-cp312-cp312-manylinux_2_17_x86_64.whl is there"),
        ("pure-1.0-cp311-cp311-manylinux_2_39_x86_64.whl", "pure",
         "only pure-1.0-cp311-cp311-manylinux_2_39_x86_64.whl is there"),
        ("pure-1.0-cp311-cp311-win_amd64.whl", "pure",
         "only pure-1.0-cp311-cp311-win_amd64.whl is there"),
    ],
)  # fmt: skip
def test_what_is_missing(house, name, content, why):
    lock = lock_of(("pure", "1.0", "", ["pure"]))
    with pytest.raises(ToolFailed) as caught:
        wheelhouse.require(house(**{name: content}), lock, [AMD], "mlship wheels house")
    assert caught.value.why == f"pure 1.0 for linux/amd64: {why}"
    assert caught.value.next == "mlship wheels house, where there is a network"


def test_a_source_archive_does_not_count(house):
    """What builds it is nowhere where there is no index."""
    lock = lock_of(("pu-re", "1.0", "", ["source"]))
    files, (lack,) = wheelhouse.choose(house(**{"pu_re-1.0.tar.gz": "source"}), lock, [AMD])
    assert not files and lack.why == "only pu_re-1.0.tar.gz is there, which is no wheel"


def test_an_address_in_the_lock_is_not_taken_from_a_folder(house):
    """`pip install --no-index` goes to the address all the same."""
    name = "torch-2.1.0%2Bcpu-cp311-cp311-linux_x86_64.whl"
    folder = house(**{name.replace("%2B", "+"): "torch"})
    digest = hashlib.sha256(b"torch").hexdigest()
    url = f"https://me:pw@h.example.com/{name}"
    lock = lockfile.parse(f"torch @ {url} \\\n    --hash=sha256:{digest}\n")
    with pytest.raises(ToolFailed, match="the lock has an address for it") as caught:
        wheelhouse.require(folder, lock, [AMD], "mlship wheels house")
    assert caught.value.next == (
        "mlship wheels house, where there is a network; then torch==2.1+cpu in pyproject.toml, "
        f"without the address, and UV_FIND_LINKS={folder} mlship lock"
    )
    assert f"https://h.example.com/{name}" in caught.value.why and "pw" not in caught.value.why


def test_no_folder(tmp_path):
    with pytest.raises(ToolFailed, match="There is no folder"):
        wheelhouse.require(tmp_path / "none", lock_of(), [AMD], "mlship wheels none")


def test_placed_while_it_builds(house, tmp_path):
    path = house(**{"a-1-py3-none-any.whl": "a"}) / "a-1-py3-none-any.whl"
    project = tmp_path / "project"
    project.mkdir()
    with pytest.raises(KeyboardInterrupt), wheelhouse.placed([path], project):
        there = project / "wheels" / path.name
        assert there.samefile(path)  # a link: no space of its own
        raise KeyboardInterrupt
    assert not (project / "wheels").exists() and path.is_file()
    (project / "wheels").mkdir()
    with pytest.raises(ToolFailed, match="is there already"), wheelhouse.placed([path], project):
        pass
    assert (project / "wheels").is_dir()


def test_requirements_have_no_markers():
    lock = lock_of(("a", "1", "sys_platform != 'win32'", ["x"]))
    digest = hashlib.sha256(b"x").hexdigest()
    assert wheelhouse.requirements(lock, ARM) == f"a==1 --hash=sha256:{digest}\n"


def test_platforms():
    assert target.platforms(None) == ()
    assert target.platforms("linux/arm64, linux/amd64,linux/arm64") == (
        "linux/arm64",
        "linux/amd64",
    )
    assert target.native() in target.known()


def test_a_machine_that_no_image_is_made_for(monkeypatch):
    monkeypatch.setattr(target.machine, "machine", lambda: "ppc64le")
    with pytest.raises(UsageError, match="An image for linux/ppc64le can't be built") as caught:
        Target(target.native(), "3.11").pins(lock_of())
    assert "--platform linux/amd64" in caught.value.next


@pytest.mark.parametrize("marker", ["os_name ~= 'x'", "'gpu' in extras", "os_name = 'x'"])
def test_a_marker_that_can_not_be_read_is_for_any_platform(marker):
    assert [pin.name for pin in AMD.pins(lock_of(("a", "1", marker, ["a"])))] == ["a"]
