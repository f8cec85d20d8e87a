"""`make demo`: the whole path on the bundled iris model, in ./demo. Run it as often as you like.

Scaffold, install, serve, ask, test, stop; and with a Docker engine: build, run, ask, stop.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "demo"
PROJECT = FOLDER / "iris"
MLSHIP = [sys.executable, "-m", "mlship"]


def step(text: str) -> None:
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def mlship(*arguments: str, cwd: Path = PROJECT) -> None:
    print("$ mlship", *arguments, flush=True)
    subprocess.run([*MLSHIP, *arguments], cwd=cwd, check=True)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):  # two minutes: the first start installs the project's libraries
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except OSError:
            if server.poll() is not None:
                sys.exit("the server ended before it was ready; see its output above")
            time.sleep(0.1)
    sys.exit("the server was not ready within two minutes")


def ask(url: str) -> None:
    mlship("predict", "--url", url)
    body = (PROJECT / "sample.json").read_bytes()
    request = urllib.request.Request(
        f"{url}/predict", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        print("the same as JSON:", json.dumps(json.load(answer)), flush=True)


def serve_and_test() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    step("Serve it on this machine (the project's own environment is made first)")
    print(f"$ mlship serve --port {port}", flush=True)
    environment = {**os.environ, "LOG_LEVEL": "WARNING"}
    arguments = [*MLSHIP, "serve", "--port", str(port)]
    server = subprocess.Popen(arguments, cwd=PROJECT, env=environment)
    try:
        wait_ready(url, server)
        ask(url)
        step("Run the generated project's own tests")
        print("$ .venv/bin/pytest", flush=True)
        subprocess.run([".venv/bin/pytest", "-q"], cwd=PROJECT, check=True)
    finally:
        server.terminate()
        server.wait(30)
    print("the server is stopped")


def engine_trouble() -> str:
    """Say why the image can't be built here; empty when it can."""
    if not shutil.which("docker"):
        return "there is no docker on this machine"
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=60)
    if answer.returncode != 0:
        return "no Docker engine answers (`docker info` says why)"
    base = "python:" + json.loads(read_python()) + "-slim"
    if subprocess.run(["docker", "image", "inspect", base], capture_output=True).returncode == 0:
        return ""
    pull = subprocess.run(["docker", "pull", "--quiet", base], capture_output=True, text=True)
    return f"the base image {base} can't be pulled here" if pull.returncode else ""


def read_python() -> str:
    for line in (PROJECT / "mlship.yaml").read_text().splitlines():
        if line.startswith("python:"):
            return line.partition(":")[2].strip()
    raise SystemExit("mlship.yaml names no Python")


def build_and_run() -> None:
    step("Build the image and run it")
    trouble = engine_trouble()
    if trouble:
        print(f"skipped: {trouble}")
        return
    port = free_port()
    print("$ mlship build", flush=True)
    built = subprocess.run([*MLSHIP, "build"], cwd=PROJECT)
    if built.returncode == 5:  # a missing tool; mlship has said which
        print("skipped: this Docker can't build with BuildKit")
        return
    built.check_returncode()
    mlship("run", "--detach", "--port", str(port))
    try:
        ask(f"http://127.0.0.1:{port}")
    finally:
        subprocess.run(["docker", "rm", "--force", "iris"], capture_output=True)
    print("the container is removed")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    step("Scaffold: a project for the bundled iris model, in demo/iris")
    mlship("init", "iris", "--no-input", "--force", cwd=FOLDER)
    serve_and_test()
    build_and_run()
    step("Done")
    print("Look around in demo/iris; it is plain files. Next: cd demo/iris && mlship serve")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"stopped: {error.cmd[-2:]} failed")
