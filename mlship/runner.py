"""Commands are values; this is the one place that runs them."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlship.errors import ToolFailed, ToolMissing

# How long a program may take to end after Ctrl-C before it is made to.
# Longer than a generated server drains and finishes.
_GRACE_SECONDS = 35


@dataclass(frozen=True)
class Command:
    """A program and its arguments; ``env`` is added to the environment, ``stdin`` is its input."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str | None = None

    def environment(self) -> dict[str, str]:
        """Return the whole environment that the program gets."""
        return {**os.environ, **self.env}

    def __str__(self) -> str:
        """Return the command as one would type it."""
        assignments = [f"{key}={shlex.quote(value)}" for key, value in self.env.items()]
        return " ".join([*assignments, shlex.join(self.argv)])


@dataclass(frozen=True)
class Result:
    """What a captured command said."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Runner:
    """Runs commands. ``echo`` gets each command that acts, before it runs or instead.

    ``env`` is for every program, and never shown: it may hold credentials. ``hidden`` are words
    that programs print and nobody shall read: pip shows an index' password when it fails.
    """

    dry_run: bool = False
    echo: Callable[[Command], None] = lambda command: None
    env: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    def ask(self, command: Command, timeout: float = 60) -> Result:
        """Run a command that changes nothing, also in a dry run, and return what it said.

        Raises:
            ToolMissing: there is no such program.
            ToolFailed: it took longer than ``timeout`` seconds.
        """
        try:
            done = subprocess.run(
                command.argv,
                cwd=command.cwd,
                env={**command.environment(), **self.env},
                input=command.stdin or "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            raise missing(command) from None
        except subprocess.TimeoutExpired:
            raise ToolFailed(
                f"{command.argv[0]} did not answer within {timeout:g} s",
                why=f"$ {command}",
                next="run that command yourself to see what it waits for",
            ) from None
        return Result(done.returncode, done.stdout, done.stderr)

    def stream(self, command: Command, on_line: Callable[[str], None]) -> int:
        """Run a command, give each line of its output to ``on_line``, return its exit code."""
        return self._run(command, on_line)

    def must(self, command: Command, what: str, *, next: str) -> list[str]:
        """Run a command that has to succeed, and return the lines of its output.

        Raises:
            ToolFailed: it did not; says ``what``, the last lines of its output, and ``next``.
        """
        lines: list[str] = []
        if self.stream(command, lines.append) != 0:
            raise ToolFailed(what, why="\n".join(lines[-12:]), next=next)
        return lines

    def foreground(self, command: Command) -> int:
        """Run a command on this terminal and return its exit code."""
        return self._run(command, None)

    @contextlib.contextmanager
    def background(self, command: Command) -> Iterator[Iterator[str]]:
        """Run a command while the context lasts; gives the lines that it prints.

        Raises:
            ToolMissing: there is no such program.
        """
        self.echo(command)
        try:
            process = subprocess.Popen(
                command.argv,
                cwd=command.cwd,
                env={**command.environment(), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C is ours: what we still ask goes through it
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            raise missing(command) from None
        try:
            yield (line.rstrip("\r\n") for line in process.stdout or ())
        finally:
            process.terminate()
            _end(process)
            if process.stdout:
                process.stdout.close()

    def _masked(self, line: str) -> str:
        for word in self.hidden:
            line = line.replace(word, "****")
        return line

    def _run(self, command: Command, on_line: Callable[[str], None] | None) -> int:
        self.echo(command)
        if self.dry_run:
            return 0
        try:
            process = subprocess.Popen(
                command.argv,
                cwd=command.cwd,
                env={**command.environment(), **self.env},
                stdin=_stdin(command, on_line),
                stdout=subprocess.PIPE if on_line else None,
                stderr=subprocess.STDOUT if on_line else None,
                text=True,
                errors="replace",
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            raise missing(command) from None
        try:
            if process.stdin:
                process.stdin.write(command.stdin or "")
                process.stdin.close()
            if on_line and process.stdout:
                for line in process.stdout:
                    on_line(self._masked(line.rstrip("\r\n")))
            return process.wait()
        except BaseException as stop:
            # Ctrl-C reached the program too (same terminal); SIGTERM reached only us.
            if not isinstance(stop, KeyboardInterrupt):
                process.send_signal(signal.SIGTERM)
            _end(process)
            raise


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no Ctrl-C and no other signal stop what has to be done to the end, and soon is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ignored = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {each: signal.signal(each, signal.SIG_IGN) for each in ignored}
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def _stdin(command: Command, on_line: Callable[[str], None] | None) -> int | None:
    if command.stdin is not None:
        return subprocess.PIPE
    return subprocess.DEVNULL if on_line else None


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(_GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def missing(command: Command) -> ToolMissing:
    """Return the error for a program that is not there."""
    program = command.argv[0]
    if command.cwd and not command.cwd.is_dir():
        return ToolMissing(f"The folder {command.cwd} is gone", next="go to the project again")
    return ToolMissing(
        f"{program} is not installed, or not on PATH",
        why=f"It was needed for: {command}",
        next=f"install {Path(program).name}, then run the command again",
    )
