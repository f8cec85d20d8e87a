"""Lets a child process load hostile files for real, or watches ``inspect`` read them there.

    python -m tests.hostile.watching load FOLDER      < JSON list of [path, loader]
    python -m tests.hostile.watching inspect FOLDER   < JSON object of paths and warm

prints one JSON object a file. ``watched`` and ``loaded`` start that and collect the answers.
"""

import contextlib
import faulthandler
import importlib
import json
import os
import pkgutil
import re
import resource
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

# What an answer may take: seconds of the processor, and MB.
SECONDS = 10.0
MEGABYTES = 300.0
_FORBIDDEN = re.compile(
    r"os\.(system|exec|spawn|posix_spawn|fork|forkpty|kill|remove|rename|mkdir|rmdir|link|symlink"
    r"|truncate|chmod|chown|putenv|startfile)|subprocess\.|socket\.|ctypes\.|shutil\.|tempfile\."
    r"|webbrowser\.|urllib\.|http\.|smtplib\.|ftplib\.|imaplib\.|poplib\.|telnetlib\.|pty\."
    r"|sqlite3\.|pickle\.find_class|marshal\.|code\.|cpython\.run|builtins\.(input|breakpoint)"
    r"|signal\.pthread_kill|setopencodehook|sys\.set|gc\."
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Notes what the interpreter does that reading a file has no need of."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = args
            if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & _WRITING:
                self.seen.append(f"open {path!r} {mode!r} {flags!r}")
        elif event in ("exec", "compile"):
            where = getattr(args[0], "co_filename", None) if event == "exec" else args[1]
            # "<unknown>": ast.parse, which only parses.
            allowed = where == "<unknown>" and event == "compile"
            if not allowed and not (isinstance(where, str) and Path(where).is_absolute()):
                self.seen.append(f"{event} {args!r}"[:300])
        elif _FORBIDDEN.match(event) and not _is_import():
            self.seen.append(f"{event} {args!r}"[:300])


def _is_import() -> bool:
    """Whether importlib is at work: it unmarshals the code of modules."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename.startswith("<frozen importlib")


def _child(task: str, folder: Path, given: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.hostile.watching", task, folder],
        input=json.dumps(given), text=True, capture_output=True, timeout=900,
        cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def watched(folder: Path, paths: list[Path], warm: list[Path]) -> dict[str, dict]:
    """Return what ``inspect`` said and did about each file, by its path as text.

    ``warm`` are harmless models that are read first. A file that takes the child with it is
    answered with what the child wrote last, and the rest is read by another child.
    """
    answers: dict[str, dict] = {}
    left = [os.fsdecode(path) for path in paths]
    while left:
        done = _child("inspect", folder, {"paths": left, "warm": [str(path) for path in warm]})
        got = [json.loads(line) for line in done.stdout.splitlines()]
        answers |= dict(zip(left, got, strict=False))
        if len(got) < len(left):
            text = f"exit code {done.returncode}\n{done.stderr[:3000]}"
            answers[left[len(got)]] = {"outcome": "died", "text": text}
        left = left[len(got) + 1 :]
    return answers


def loaded(folder: Path, files: list[tuple[Path, str]]) -> dict[str, bool]:
    """Load each file in a process of its own; return whether it made the canary."""
    done = _child("load", folder, [[str(path), loader] for path, loader in files])
    assert done.returncode == 0, done.stderr
    got = [json.loads(line) for line in done.stdout.splitlines()]
    return {answer["path"]: answer["canary"] for answer in got}


def complaints(answer: dict) -> list[str]:
    """Return what is wrong with an answer, whatever the file was."""
    if answer["outcome"] not in ("refused", "card"):
        return [f"{answer['outcome']}: {answer['text']}"]
    return [
        text
        for text, wrong in {
            f"{answer['cpu']:.1f} s": answer["cpu"] > SECONDS,
            f"{answer['peak']:.0f} MB": answer["peak"] > MEGABYTES,
            f"it ran: {answer['events']}": answer["events"],
            f"it imported {answer['imported']}": answer["imported"],
            "the canary is there": answer["canary"],
            f"a message of {len(answer['text'])} characters": len(answer["text"]) > 20_000,
            f"the memory ran out: {answer['text'][:300]}": "MemoryError" in answer["text"],
        }.items()
        if wrong
    ]


def peak() -> float:
    """Return the highest memory since ``forget_peak``, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def forget_peak() -> None:
    """Start counting the highest memory anew (man 5 proc, clear_refs)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def observe(path: Path, watch: Watch) -> dict:
    """Let ``inspect`` read a file; return what it said and did."""
    from mlship.errors import ModelError
    from mlship.inspection import inspect

    modules = set(sys.modules)
    watch.seen = []
    forget_peak()
    answer: dict = {"path": str(path)}
    faulthandler.dump_traceback_later(2.5 * SECONDS, exit=True)
    started, cpu = time.monotonic(), time.process_time()
    watch.on = True
    try:
        card = inspect(path)
    except ModelError as error:
        watch.on = False
        answer |= {"outcome": "refused", "text": f"{error.what}\n{error.why}\n{error.next}"}
    except BaseException:
        watch.on = False
        answer |= {"outcome": "escaped", "text": traceback.format_exc()[-3000:]}
    else:
        watch.on = False
        answer |= {
            "outcome": "card", "text": card.description, "format": card.format,
            "dangers": [str(d) for d in card.dangers], "modules": list(card.modules),
        }  # fmt: skip
    watch.on = False
    answer["seconds"] = time.monotonic() - started
    answer["cpu"] = time.process_time() - cpu
    faulthandler.cancel_dump_traceback_later()
    answer["peak"] = peak()
    answer["events"] = watch.seen[:5]
    answer["imported"] = sorted(
        name for name in set(sys.modules) - modules if not name.startswith(("mlship", "encodings"))
    )
    answer["canary"] = os.path.lexists("canary")
    return answer


def import_all() -> None:
    """Import what mlship imports when it needs it, so that no import is to be expected later."""
    import mlship.inspection

    for module in pkgutil.walk_packages(mlship.inspection.__path__, "mlship.inspection."):
        importlib.import_module(module.name)
    for name in ("lz4.frame", "yaml", "html.entities"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _hurry() -> None:
    """Let mlship give up on endless files after 2 s; how long it really takes is another test's."""
    from mlship.inspection import sources

    if not os.environ.get("MLSHIP_TEST_FULL_BUDGET"):
        sources._SECONDS = min(sources._SECONDS, 2.0)


def inspect_all(paths: list[str], warm: list[str]) -> None:
    """Watch ``inspect`` read each file."""
    # More than any answer may take; a bomb must not take the machine with it.
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
    watch = Watch()
    import_all()
    for path in warm:  # the lazy imports of the standard library
        observe(Path(path), watch)
    _hurry()
    for path in paths:
        # Each in a process of its own, as users have it: what one file leaves behind in the
        # allocator would let the next one grow further before mlship sees it grow.
        if not (child := os.fork()):
            print(json.dumps(observe(Path(os.fsdecode(path)), watch)), flush=True)
            os._exit(0)
        if status := os.waitpid(child, 0)[1]:
            sys.exit(f"the process that read {path} ended with {status}")


def load_all(files: list[list[str]]) -> None:
    """Load each file with the loader it was made for, in a process and a folder of its own."""
    import joblib  # noqa: F401
    import pandas  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    for number, (path, loader) in enumerate(files):
        folder = Path(f"run-{number}").resolve()
        folder.mkdir()
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _load(path, loader, folder)
        deadline = time.monotonic() + 15
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
            time.sleep(0.002)
        seconds = time.monotonic() - started
        canary = os.path.lexists(folder / "canary")
        print(json.dumps({"path": path, "canary": canary, "seconds": seconds}), flush=True)


def _load(path: str, loader: str, folder: Path) -> None:
    try:
        os.setsid()
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        if loader == "joblib":
            import joblib

            joblib.load(path)
        else:
            import pickle

            with Path(path).open("rb") as file:
                pickle.load(file)
    finally:
        until = time.monotonic() + 1  # some start a process or a thread and do not wait for it
        while not os.path.lexists("canary") and time.monotonic() < until:
            time.sleep(0.005)
        os._exit(0)


if __name__ == "__main__":
    os.chdir(sys.argv[2])
    given = json.load(sys.stdin)
    if sys.argv[1] == "load":
        load_all(given)
    else:
        inspect_all(given["paths"], given["warm"])
