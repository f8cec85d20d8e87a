"""The exact argv of docker, podman and buildah."""

from pathlib import Path

import pytest

from mlship.commands import docker
from mlship.engine import Engine
from mlship.podspec import Pod
from mlship.runner import Command

ROOT = Path("/projects/iris")
ENGINE = Engine("docker", "/usr/bin/docker")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("buildx", ("buildx", "build", "--progress", "plain", "--tag", "iris:1", "--load", ".")),
        ("buildkit", ("build", "--progress", "plain", "--tag", "iris:1", ".")),
        ("podman", ("build", "--format", "docker", "--tag", "iris:1", ".")),
        ("buildah", ("build", "--format", "docker", "--layers", "--tag", "iris:1", ".")),
        ("docker", ("build", "--tag", "iris:1", ".")),
    ],
)
def test_build(kind, words):
    assert docker.build(Engine(kind, "tool"), "iris:1", ROOT) == Command(("tool", *words), cwd=ROOT)


def test_build_sets_the_engines_environment():
    engine = Engine("buildkit", "tool", build_env={"DOCKER_BUILDKIT": "1"})
    assert docker.build(engine, "iris:1", ROOT).env == {"DOCKER_BUILDKIT": "1"}


@pytest.mark.parametrize(
    ("kind", "tag", "more"),
    [
        ("buildx", "--tag", ("--metadata-file", "/tmp/digest", "--push")),
        ("buildkit", "--tag", ()),
        ("podman", "--manifest", ("--timestamp", "1700000000")),
        ("buildah", "--manifest", ("--timestamp", "1700000000")),
    ],
)
def test_build_with_every_option(kind, tag, more):
    engine = Engine(kind, "tool")
    command = docker.build(
        engine,
        "iris:1",
        ROOT,
        platforms=("linux/amd64", "linux/arm64"),
        push=True,
        build_args={"VERSION": "1.0", "PYTHON_IMAGE": "a b"},
        passed=("HTTPS_PROXY",),
        secrets={"pip_conf": Path("/tmp/pip.conf"), "ca_bundle": Path("/etc/ca.pem")},
        network="host",
        epoch=1700000000,
        metadata=Path("/tmp/digest"),
    )
    assert command.argv == (
        "tool",
        *engine.build_argv,
        *(tag, "iris:1", "--build-arg", "VERSION=1.0", "--build-arg", "PYTHON_IMAGE=a b"),
        *("--build-arg", "HTTPS_PROXY"),
        *("--secret", "id=pip_conf,src=/tmp/pip.conf", "--secret", "id=ca_bundle,src=/etc/ca.pem"),
        *("--network", "host", "--platform", "linux/amd64,linux/arm64"),
        *more,
        ".",
    )


@pytest.mark.parametrize(
    ("push", "output"),
    [(True, "type=image,push=true,rewrite-timestamp=true"),
     (False, "type=docker,rewrite-timestamp=true")],
)  # fmt: skip
def test_buildx_sets_the_time_of_all_files_where_it_can(push, output):
    command = docker.build(Engine("buildx", "docker"), "iris:1", ROOT, push=push, rewrite=True)
    assert command.argv[-3:] == ("--output", output, ".")


@pytest.mark.parametrize("program", ["podman", "buildah"])
def test_push_of_podman_and_buildah(program):
    engine, file = Engine(program, program), Path("/tmp/digest")
    assert docker.push(engine, "r.io/iris:1", digest_file=file).argv == (
        program, "push", "--digestfile", "/tmp/digest", "r.io/iris:1", "docker://r.io/iris:1"
    )  # fmt: skip
    assert docker.push(engine, "r.io/iris:1", digest_file=file, as_list=True).argv == (
        program, "manifest", "push", "--all", "--digestfile", "/tmp/digest", "r.io/iris:1",
        "docker://r.io/iris:1",
    )  # fmt: skip
    # podman takes away all names of the image that comes first, where it is told none.
    words = ("untag", "iris:1") if program == "podman" else ("rmi",)
    assert [command.argv for command in docker.free_name(engine, "iris:1")] == [
        (program, "manifest", "rm", "iris:1"), (program, *words, "iris:1")
    ]  # fmt: skip


def test_one_platform_is_no_list():
    podman = Engine("podman", "podman")
    command = docker.build(podman, "iris:1", ROOT, platforms=("linux/arm64",))
    assert "--manifest" not in command.argv and "--tag" in command.argv


def test_run():
    pod = Pod(memory="1Gi", env={"A": "b c"}, scratch={"/tmp": "64Mi"})
    assert docker.run(ENGINE, "iris:1", "iris", "iris-0a", 9000, 8000, pod) == Command((
        "/usr/bin/docker", "run", "--detach", "--name", "iris", "--label", "mlship.project=iris-0a",
        "--read-only", "--tmpfs", "/tmp:rw,exec,size=64m,mode=1777",
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "10001:10001",
        "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024",
        "--memory", "1g", "--memory-swap", "1g", "--env", "A=b c", "--env", "PORT=8000",
        "--publish", "127.0.0.1:9000:8000", "iris:1",
    ))  # fmt: skip


def test_run_with_a_model_that_is_not_in_the_image():
    for path, field in (
        ("/projects/iris/model", "source=/projects/iris/model"),
        ("/a:b/model", "source=/a:b/model"),
        ('/a, "b"/model', '"source=/a, ""b""/model"'),
    ):
        command = docker.run(ENGINE, "iris:1", "iris", "iris-0a", 9000, 8000, Pod(), Path(path))
        mount = command.argv.index("--mount")
        assert command.argv[mount + 1] == f"type=bind,{field},target=/srv/model,readonly"
        assert mount < command.argv.index("iris:1")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (docker.push(ENGINE, "iris:1"), ("push", "iris:1")),
        (docker.inspect_builder(ENGINE, start=True), ("buildx", "inspect", "--bootstrap")),
        (docker.inspect_builder(ENGINE, start=False), ("buildx", "inspect")),
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
