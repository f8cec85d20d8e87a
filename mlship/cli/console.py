"""How things look: the consoles, errors, and echoed commands."""

from __future__ import annotations

import shlex
import sys

from rich.console import Console
from rich.text import Text

from mlship.errors import MlshipError
from mlship.runner import Command, Runner
from mlship.text import printable

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def show_error(error: MlshipError) -> None:
    """Print what happened in red, then why, then what to type next."""
    err.print(Text.assemble(("Error: ", "bold red"), (printable(error.what), "red")))
    if error.why:
        err.print(Text("\n".join(f"  {printable(line)}" for line in error.why.splitlines())))
    if error.next:
        err.print(Text.assemble(("  Next: ", "bold"), printable(error.next)))


def note(text: str) -> None:
    """Print a remark to stderr, so that stdout stays what the command is about."""
    err.print(Text(text, style="dim"))


def warn(text: str) -> None:
    """Print a warning to stderr."""
    err.print(Text.assemble(("Warning: ", "bold yellow"), printable(text)))


def runner(*, dry_run: bool = False, verbose: bool = False) -> Runner:
    """Return a Runner that prints commands: on stdout in a dry run, on stderr when verbose."""

    def echo(command: Command) -> None:
        if dry_run:
            place = f"cd {shlex.quote(str(command.cwd))} && " if command.cwd else ""
            print(f"{place}{command}")
        elif verbose:
            err.print(Text(f"$ {command}", style="dim"))

    return Runner(dry_run=dry_run, echo=echo)


def interactive() -> bool:
    """Tell whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()
