"""What a build takes from the environment, and what it says before it begins."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mlship import building, emulation, network, pushed, revision, state, target
from mlship.building import Wishes
from mlship.emulation import Builder
from mlship.engine import Engine
from mlship.errors import ProjectError, ToolFailed, ToolMissing, UsageError
from mlship.project import find
from mlship.runner import Command, Result, Runner
from mlship.surroundings import Surroundings, look_around
from tests.support.projects import MLSHIP
from tests.unit.conftest import write_program

BUILDKIT = Engine("buildkit", "docker", build_env={"DOCKER_BUILDKIT": "1"})
PODMAN = Engine("podman", "podman")
DIGEST = "sha256:" + "d" * 64
NOTHING = {"HOME": "/nowhere", "PIP_CONFIG_FILE": os.devnull}
INSPECT = """\
Name:          multi
Driver:        docker-container
Last Activity: 2024-01-01 00:00:00 +0000 UTC

Nodes:
Name:             multi0
Endpoint:         unix:///var/run/docker.sock
Status:           running
BuildKit version: v0.13.2
Platforms:        linux/amd64*, linux/amd64/v2, linux/arm64, linux/386
"""


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    return path


def prepared(project, wishes=None, environ=None, engine=BUILDKIT, **files):
    found = find(project)
    around = look_around({**NOTHING, **(environ or {})}, project=found.root, **files)
    return building.prepared(found, wishes or Wishes(), around, engine, Runner())


def test_plain(project):
    with prepared(project) as made:
        words = made.command().argv
        assert made.command().env == {"DOCKER_BUILDKIT": "1"}
    assert "--secret" not in words and "--network" not in words and made.notes == ()
    assert "VERSION=0.2.0" in words and "REVISION=unknown" in words


def test_index_and_ca_are_secrets_and_the_index_is_gone_afterwards(project, bundle):
    variables = {"PIP_INDEX_URL": "https://u:pw@pypi.example.com/s", "PIP_CERT": str(bundle)}
    with prepared(project, environ=variables) as made:
        command = made.command()
        path = made.secrets["pip_conf"]
        assert "u:pw@pypi.example.com" in path.read_text() and path.stat().st_mode & 0o077 == 0
        assert made.secrets["ca_bundle"] == bundle
    assert not path.exists()
    assert "pw@" not in str(command)
    assert made.notes == (
        "Installing from https://pypi.example.com/s (PIP_INDEX_URL), told to the build as a "
        "secret.",
    )


def test_the_indexes_that_uv_locked_from_are_told_to_the_build(project):
    (project / "pyproject.toml").write_text(
        '[[tool.uv.index]]\nurl = "https://pypi.example.com/s"\ndefault = true\n'
    )
    with prepared(project) as made:
        assert "index-url = https://pypi.example.com/s\n" in made.secrets["pip_conf"].read_text()
        (note,) = made.notes
        assert "(pyproject.toml)" in note


def test_a_library_that_no_public_index_has_is_named(project):
    lock = project / "requirements.lock"
    lock.write_text(lock.read_text() + f"torch==2.13.0+cpu \\\n    --hash=sha256:{'0' * 64}\n")
    with prepared(project) as made:
        (note,) = made.notes
        assert note.startswith("torch 2.13.0+cpu is on no public index")
    variables = {"PIP_EXTRA_INDEX_URL": "https://pypi.example.com/cpu"}
    with prepared(project, environ=variables) as made:
        (note,) = made.notes
        assert note.startswith("Installing from https://pypi.example.com/cpu")


def test_a_comma_in_a_path_is_no_option_of_the_builder(project, bundle, tmp_path):
    folder = tmp_path / "a, b"
    folder.mkdir()
    with prepared(project, ca_bundle=bundle.rename(folder / "ca.pem")) as made:
        path = made.secrets["ca_bundle"]
        assert "," not in str(path) and path.read_bytes() == (folder / "ca.pem").read_bytes()
    assert not path.exists()


def test_proxies_go_by_name(project):
    variables = {"HTTPS_PROXY": "http://u:pw@proxy.example.com:3128", "no_proxy": "localhost"}
    with prepared(project, environ=variables) as made:
        words = made.command().argv
    assert "HTTPS_PROXY" in words and "no_proxy" in words and made.notes == ()
    assert not any("pw" in word for word in words)


@pytest.mark.parametrize(
    "variables",
    [
        {"PIP_INDEX_URL": "http://127.0.0.1:1/simple"},
        {"HTTP_PROXY": "http://localhost:3128"},
        {"PIP_PROXY": "localhost:3128"},
    ],
)
def test_loopback_is_told_unless_the_network_is_the_hosts(project, variables):
    with prepared(project, environ=variables) as made:
        assert "add --network host" in made.notes[-1]
    with prepared(project, Wishes(network="host"), variables) as made:
        assert not any("loopback" in note for note in made.notes)
        assert made.command().argv[-3:-1] == ("--network", "host")


def test_a_proxy_that_is_none_is_left_to_the_builder(project):
    with prepared(project, environ={"HTTPS_PROXY": "http://[bad"}) as made:
        assert "HTTPS_PROXY" in made.command().argv


def test_podman_sets_a_time_on_all_files_only_where_one_is_set(project):
    """By the time of a commit, the libraries would be another layer with each commit."""
    for kind in ("podman", "buildah"):
        with prepared(project, engine=Engine(kind, kind)) as made:
            assert "--timestamp" not in made.command().argv and made.epoch
        dated = {"SOURCE_DATE_EPOCH": "5"}
        with prepared(project, environ=dated, engine=Engine(kind, kind)) as made:
            assert made.command().argv[-3:-1] == ("--timestamp", "5")


def test_base(project):
    with prepared(project, Wishes(base="mirror/python:3")) as made:
        assert "PYTHON_IMAGE=mirror/python:3" in made.command().argv
    with (project / "mlship.yaml").open("a") as config:
        config.write("base: registry.example.com/python:3.12-slim\n")
    with prepared(project) as made:
        assert "PYTHON_IMAGE=registry.example.com/python:3.12-slim" in made.command().argv


def test_another_base_than_the_projects_is_another_image(project):
    (project / "Dockerfile").write_text("ARG PYTHON_IMAGE=python:3.12-slim\n")

    def image(base):
        images = set()
        for wishes in (Wishes(base=base), Wishes(build_args={"PYTHON_IMAGE": base})):
            with prepared(project, wishes) as made:
                images.add(made.image)
                assert made.is_usual is (made.image == find(project).image())
        (name,) = images
        return name

    usual = find(project).image()
    assert image("python:3.12-slim") == usual
    assert len({usual, image("a/python:3.12"), image("b/python:3.12")}) == 3
    with (project / "mlship.yaml").open("a") as config:
        config.write("base: a/python:3.12\n")
    assert image("a/python:3.12") == find(project).image() != image("python:3.12-slim")
    with prepared(project, Wishes(tag="iris:1")) as made:
        assert not made.is_usual


def test_a_base_with_another_python(project):
    for wishes in (Wishes(base="python:3.8"), Wishes(build_args={"PYTHON_IMAGE": "python:3.8"})):
        with (
            pytest.raises(ProjectError, match=r"would have Python 3\.8"),
            prepared(project, wishes),
        ):
            pass


def test_a_name_without_registry_is_not_pushed(project):
    with pytest.raises(UsageError, match="iris:1 names no registry"):
        prepared(project, Wishes(tag="iris:1", push=True)).__enter__()
    with prepared(project, Wishes(tag="team/iris:1", push=True)) as made:
        assert made.push().argv == ("docker", "push", "team/iris:1")


def test_several_platforms(project, monkeypatch):
    monkeypatch.setattr(emulation, "require", lambda *_: None)
    both = "linux/arm64,linux/amd64"
    with prepared(project, Wishes(platform=both), engine=PODMAN) as made:
        assert ("--manifest", made.image) == made.command().argv[4:6]
        assert "manifest" in made.push().argv and made.here == (target.native(),)
    with pytest.raises(UsageError, match="one platform at a time"):
        prepared(project, Wishes(platform=both, push=True)).__enter__()
    with pytest.raises(UsageError, match="only push it"):
        prepared(project, Wishes(platform=both), engine=Engine("buildx", "docker")).__enter__()
    with pytest.raises(UsageError, match="can't be built"):
        prepared(project, Wishes(platform="windows/amd64")).__enter__()


def test_emulation(monkeypatch, tmp_path):
    monkeypatch.setattr(emulation, "BINFMT", tmp_path)
    monkeypatch.setattr(emulation, "native", lambda: "linux/amd64")
    emulation.require(["linux/amd64"], Builder(), PODMAN)
    with pytest.raises(ToolMissing, match="linux/arm64 can't run here") as caught:
        emulation.require(["linux/amd64", "linux/arm64"], Builder(), BUILDKIT)
    assert caught.value.next.startswith(
        "docker run --privileged --rm tonistiigi/binfmt --install arm64;"
    )
    with pytest.raises(ToolMissing) as caught:
        emulation.require(["linux/arm64"], Builder(), PODMAN)
    assert caught.value.next.startswith("sudo podman run --privileged --rm docker.io/")
    (tmp_path / "qemu-aarch64").write_text("disabled\n")
    with pytest.raises(ToolMissing):
        emulation.require(["linux/arm64"], Builder(), PODMAN)
    (tmp_path / "qemu-aarch64").write_text("enabled\ninterpreter /usr/bin/qemu\n")
    emulation.require(["linux/arm64"], Builder(), PODMAN)


def test_buildx_knows_its_platforms():
    builder = emulation.parse(INSPECT)
    assert builder.driver == "docker-container" and builder.version == (0, 13)
    assert builder.platforms == ("linux/amd64", "linux/amd64/v2", "linux/arm64", "linux/386")
    assert builder.rewrites_timestamps
    emulation.require(["linux/arm64"], builder, BUILDKIT)
    without = emulation.parse(INSPECT.replace("linux/arm64, ", ""))
    with pytest.raises(ToolMissing):
        emulation.require(["linux/arm64"], without, BUILDKIT)
    assert not emulation.parse(INSPECT.replace("v0.13", "v0.12")).rewrites_timestamps
    assert not emulation.parse(INSPECT.replace("docker-container", "docker")).rewrites_timestamps


def test_a_dry_run_starts_no_builder(monkeypatch):
    asked = []
    monkeypatch.setattr(
        Runner,
        "ask",
        lambda self, command, timeout: asked.append(command.argv) or Result(1, "", ""),
    )
    for dry in (True, False):
        emulation.inspect(Engine("buildx", "docker"), Runner(dry_run=dry))
    assert asked == [
        ("docker", "buildx", "inspect"),
        ("docker", "buildx", "inspect", "--bootstrap"),
    ]


def test_wheelhouse_is_asked_for_before_the_build(project, tmp_path):
    house = tmp_path / "my house"
    house.mkdir()
    with pytest.raises(ToolFailed, match="lacks 1 of the wheels") as caught:
        prepared(project, Wishes(wheels=house, platform="linux/amd64")).__enter__()
    assert caught.value.why == "numpy 2.0 for linux/amd64: no file"
    assert caught.value.next.startswith(f"mlship wheels '{house}' --platform linux/amd64")


def test_ca_bundle(bundle, tmp_path):
    assert network.ca_bundle(None, {}) is None
    assert network.ca_bundle(None, {"SSL_CERT_FILE": str(bundle)}) == bundle
    assert network.ca_bundle(None, {"SSL_CERT_FILE": "/none"}, str(bundle)) == bundle
    assert network.ca_bundle(None, {"HOME": "/none"}, "~nobody-here/ca.pem") is None
    assert network.ca_bundle(None, {"PIP_CERT": "/none", "CURL_CA_BUNDLE": str(bundle)}) == bundle
    other = tmp_path / "other.pem"
    other.write_text("-----BEGIN CERTIFICATE-----" + "x" * network.LARGEST_SECRET)
    assert network.ca_bundle(None, {"PIP_CERT": str(other)}) is None
    both = {"PIP_CERT": str(other), "SSL_CERT_FILE": str(bundle)}
    assert network.too_large(both) == other
    assert network.too_large(both, str(bundle)) is None
    with pytest.raises(UsageError) as caught:
        network.ca_bundle(other, {})
    assert "500 KB" in caught.value.why
    other.write_text("nothing")
    with pytest.raises(UsageError, match="can't be used"):
        network.ca_bundle(other, {})


def test_certificates_that_a_build_cannot_have_are_told(project, bundle):
    large = bundle.with_name("large.pem")
    large.write_text("-----BEGIN CERTIFICATE-----" + "x" * network.LARGEST_SECRET)
    variables = {"SSL_CERT_FILE": str(large)}
    with prepared(project, environ=variables) as made:
        assert made.notes[0].startswith(f"{large} is larger") and not made.secrets
    with prepared(project, environ=variables, ca_bundle=bundle) as made:
        assert not made.notes


def test_uv_and_pip_get_the_bundle(bundle):
    around = look_around({**NOTHING, "PIP_INDEX_URL": "https://h.example.com"}, ca_bundle=bundle)
    assert isinstance(around, Surroundings)
    assert around.for_uv == {
        "SSL_CERT_FILE": str(bundle), "UV_DEFAULT_INDEX": "https://h.example.com"
    }  # fmt: skip
    assert around.for_pip == {"PIP_CERT": str(bundle), "PIP_INDEX_URL": "https://h.example.com"}


def test_programs_get_what_is_not_shown():
    lines, echoed = [], []
    runner = Runner(echo=echoed.append, env={"SECRET": "s3cret"}, hidden=("s3cret",))
    runner.stream(Command(("sh", "-c", "echo at $SECRET/simple")), lines.append)
    assert lines == ["at ****/simple"]
    assert "s3cret" not in str(echoed[0])


def git(root: Path, *argv: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    env = {**os.environ, "GIT_COMMITTER_DATE": "1700000000 +0000"}
    subprocess.run(["git", *who, *argv], cwd=root, check=True, capture_output=True, env=env)


def test_the_time_of_an_image(project):
    runner, files = Runner(), ["Dockerfile", "app/main.py", "missing"]

    def epoch(environ=None):
        commit = revision.of(project, runner)
        return revision.epoch(project, files, commit, environ or {}, runner)

    os.utime(project / "Dockerfile", (1000, 1000))
    os.utime(project / "app/main.py", (2000, 2000.5))
    assert epoch() == 2000
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "all")
    assert epoch() == 1700000000
    (project / "README.md").write_text("changed")
    assert epoch() == 2000
    assert epoch({"SOURCE_DATE_EPOCH": "5"}) == 5
    for wrong in ("today", "-1", "253402300800", "1" * 5000):
        with pytest.raises(UsageError):
            epoch({"SOURCE_DATE_EPOCH": wrong})


def test_a_project_that_git_ignores_has_no_revision(project):
    parent = project.parent
    git(parent, "init", "--quiet")
    (parent / ".gitignore").write_text("iris/\n")
    git(parent, "add", ".gitignore")
    git(parent, "commit", "--quiet", "--message", "all")
    assert revision.of(project, Runner()) == "unknown"
    git(parent, "add", "--force", "iris")
    assert revision.of(project, Runner()).endswith("-dirty")


def test_digests(tmp_path):
    path = tmp_path / "digest"
    assert pushed.in_file(path) == ""
    path.write_text(f'{{"containerimage.digest": "{DIGEST}", "image.name": "iris"}}')
    assert pushed.in_file(path) == DIGEST
    path.write_text(DIGEST)
    assert pushed.in_file(path) == DIGEST
    path.write_text("")
    assert pushed.in_file(path) == ""
    assert pushed.in_output(["a: Pushed", f"0.1.0: digest: {DIGEST} size: 1363"]) == DIGEST
    assert pushed.in_output(["a: Pushed"]) == ""


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("r.io:5000/t/iris:1-a", "r.io:5000/t/iris"),
        ("iris:1", "iris"),
        ("r.io:5000/i", "r.io:5000/i"),
    ],
)
def test_by_digest(image, repository):
    assert pushed.by_digest(image, DIGEST) == f"{repository}@{DIGEST}"


def test_a_push_counts_for_its_content_version_and_repository(project):
    found = find(project)
    assert pushed.reference(found) == found.image()
    pushed.remember(found, "other.example.com/iris:mine", DIGEST, found.content_hash())
    assert pushed.reference(found) == f"other.example.com/iris@{DIGEST}"
    before = (project / "app/main.py").read_text()
    (project / "app/main.py").write_text("changed\n")
    assert pushed.reference(found) == found.image()
    (project / "app/main.py").write_text(before)
    assert pushed.reference(found).endswith(DIGEST)
    config = project / "mlship.yaml"
    config.write_text(config.read_text().replace("registry.example.com", "new.example.com"))
    assert pushed.reference(find(project)).startswith("new.example.com/team/iris:")


def test_a_push_counts_for_what_the_project_was_when_its_build_began(project):
    """Who goes on working while it builds must not deploy the old image as the new code."""
    found = find(project)
    with prepared(project, Wishes(push=True)) as made:
        before = (project / "app/main.py").read_text()
        (project / "app/main.py").write_text("changed meanwhile\n")
        pushed.remember(found, made.image, DIGEST, made.content)
    assert pushed.reference(found) == found.image()
    (project / "app/main.py").write_text(before)
    assert pushed.reference(found).endswith(DIGEST)


def test_state_keeps_the_last_pushes_and_survives_nonsense(project):
    for number in range(30):
        state.remember_push(project, f"iris:{number}", state.Pushed(f"iris:{number}", DIGEST, "c"))
    assert state.pushed(project, "iris:29") and not state.pushed(project, "iris:9")
    place = state.Place("c", "s", "n")
    state.remember(project, "dev", place)
    assert state.pushed(project, "iris:29") and state.place(project, "dev") == place
    (project / state.FILE).write_text('{"pushed": ["x"]}')
    assert state.pushed(project, "iris:29") is None
    state.remember_push(project, "iris:1", state.Pushed("iris:1", DIGEST, "c"))
    assert state.pushed(project, "iris:1")


def test_a_closed_terminal_leaves_no_password(project, tmp_path):
    scratch, begun = tmp_path / "scratch", tmp_path / "begun"
    scratch.mkdir()
    docker = write_program(tmp_path / "bin" / "docker", f"""case "$*" in
--version) echo "Docker version 20.10.24, build abc" ;;
"buildx version") exit 1 ;;
build*) touch {begun}; exec sleep 60 ;;
esac""")  # fmt: skip
    process = subprocess.Popen(
        [*MLSHIP, "build"], cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"MLSHIP_DOCKER": docker, "TMPDIR": str(scratch), "CI": "",
                          "PIP_INDEX_URL": "https://me:s3cret@pypi.acme.test/simple"},
    )  # fmt: skip
    try:
        while not begun.exists():
            assert process.poll() is None
            time.sleep(0.05)
        (kept,) = scratch.glob("mlship-build-*/pip.conf")
        assert "s3cret" in kept.read_text()
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 129
    finally:
        process.kill()
        process.wait()
    assert list(scratch.iterdir()) == []
