"""The exact argv of docker and podman."""

from pathlib import Path

import pytest

from mlship.commands import docker
from mlship.engine import Engine
from mlship.runner import Command

ROOT = Path("/projects/iris")
ENGINE = Engine("docker", "/usr/bin/docker")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("buildx", ("buildx", "build", "--progress", "plain", "--tag", "iris:1", "--load", ".")),
        ("buildkit", ("build", "--progress", "plain", "--tag", "iris:1", ".")),
        ("podman", ("build", "--format", "docker", "--tag", "iris:1", ".")),
        ("docker", ("build", "--tag", "iris:1", ".")),
    ],
)
def test_build(kind, words):
    assert docker.build(Engine(kind, "tool"), "iris:1", ROOT) == Command(("tool", *words), cwd=ROOT)


def test_build_sets_the_engines_environment():
    engine = Engine("buildkit", "tool", build_env={"DOCKER_BUILDKIT": "1"})
    assert docker.build(engine, "iris:1", ROOT).env == {"DOCKER_BUILDKIT": "1"}


@pytest.mark.parametrize(
    ("kind", "last"), [("buildx", ("--push", ".")), ("buildkit", (".",)), ("podman", (".",))]
)
def test_build_with_every_option(kind, last):
    engine = Engine(kind, "tool")
    command = docker.build(
        engine,
        "iris:1",
        ROOT,
        platform="linux/amd64,linux/arm64",
        push=True,
        build_args={"VERSION": "1.0", "PYTHON_IMAGE": "a b"},
    )
    assert command.argv == (
        "tool",
        *engine.build_argv,
        *("--tag", "iris:1", "--build-arg", "VERSION=1.0", "--build-arg", "PYTHON_IMAGE=a b"),
        *("--platform", "linux/amd64,linux/arm64"),
        *last,
    )


def test_run():
    command = docker.run(ENGINE, "iris:1", "iris", 9000, 8000, "512m")
    assert command == Command(
        (
            "/usr/bin/docker",
            "run",
            "--detach",
            *("--name", "iris"),
            *("--label", "mlship.project=iris"),
            "--read-only",
            *("--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges"),
            *("--user", "10001:10001"),
            *("--memory", "512m"),
            *("--env", "PORT=8000"),
            *("--publish", "127.0.0.1:9000:8000"),
            "iris:1",
        )
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (docker.push(ENGINE, "iris:1"), ("push", "iris:1")),
        (
            docker.image_exists(ENGINE, "iris:1"),
            ("image", "inspect", "--format", "{{.Id}}", "iris:1"),
        ),
        (
            docker.state(ENGINE, "iris"),
            (
                "container",
                "inspect",
                "--format",
                '{{.State.Status}} {{index .Config.Labels "mlship.project"}}',
                "iris",
            ),
        ),
        (docker.logs(ENGINE, "iris"), ("logs", "iris")),
        (docker.logs(ENGINE, "iris", follow=True), ("logs", "--follow", "iris")),
        (docker.stop(ENGINE, "iris"), ("stop", "--time", "30", "iris")),
        (docker.remove(ENGINE, "iris"), ("rm", "--force", "iris")),
    ],
)
def test_others(command, words):
    assert command == Command(("/usr/bin/docker", *words))


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        ("512Ki", "512k"),
        ("512Mi", "512m"),
        ("1.5Gi", "1.5g"),
        ("1Ti", "1t"),
        ("100k", "100000"),
        ("512M", "512000000"),
        ("1.5G", "1500000000"),
        ("1T", "1000000000000"),
        ("1048576", "1048576"),
    ],
)
def test_memory(quantity, size):
    assert docker.memory(quantity) == size
