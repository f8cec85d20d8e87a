"""How things look: the consoles, errors, and echoed commands."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from mlship.errors import MlshipError
from mlship.runner import Command, Runner
from mlship.text import printable

# Names and addresses come from elsewhere: "dev[/x]", "https://[fd00:100::1]", ":100:".
_AS_IT_STANDS: Any = {"markup": False, "emoji": False, "highlight": False, "soft_wrap": True}

out = Console(**_AS_IT_STANDS)
err = Console(stderr=True, **_AS_IT_STANDS)


def say(*parts: str | tuple[str, str]) -> None:
    """Print a line of parts, each as it stands, or with a style."""
    out.print(Text.assemble(*parts))


def show_error(error: MlshipError, label: str = "Error") -> None:
    """Print what happened in red, then why, then what to type next."""
    err.print(Text.assemble((f"{label}: ", "bold red"), (printable(error.what), "red")))
    if error.why:
        err.print(Text("\n".join(f"  {printable(line)}" for line in error.why.splitlines())))
    if error.next:
        err.print(Text.assemble(("  Next: ", "bold"), printable(error.next)))


_owes_json = False


def prose_to_stderr(wanted: bool) -> None:
    """With ``--json``, leave stdout to the result: all that is for people goes to stderr."""
    global out, _owes_json
    if wanted:
        out, _owes_json = err, True


def print_json(value: Any) -> None:
    """Print a result for programs."""
    global _owes_json
    import json

    _owes_json = False
    # At once: a command that lasts, such as open, may have a program waiting for it.
    print(json.dumps(value, indent=2), flush=True)


def as_values(error: MlshipError) -> dict[str, Any]:
    """Return an error for programs; one of a known cause has its word, ``forbidden``."""
    cause = getattr(error, "cause", "")
    return {
        "what": error.what, "why": error.why, "next": error.next, "exit_code": error.exit_code,
    } | ({"cause": cause} if cause else {})  # fmt: skip


@contextmanager
def told(outcome: dict[str, Any], *, as_json: bool) -> Iterator[None]:
    """With ``--json``, print what came of a command, also where it failed: then with the error."""
    try:
        yield
    except MlshipError as error:
        outcome["error"] = as_values(error)
        raise
    finally:
        if as_json:
            print_json(outcome)


def print_failure(error: MlshipError) -> None:
    """With ``--json``, print the error where no result was printed yet."""
    if _owes_json:
        print_json({"ok": False, "error": as_values(error)})


def dim(line: str) -> None:
    """Print a line that a program wrote, which may hold anything."""
    out.print(Text(printable(line), style="dim"))


def confirm(question: str, doubts: list[str], *, yes: bool) -> None:
    """Ask a person where there are doubts; go on where there are none, or with ``yes``.

    Raises:
        UsageError: nobody can be asked.
        Declined: the person said no.
    """
    from mlship.errors import Declined, UsageError

    if not doubts or yes:
        return
    why = "; ".join(doubts)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # the question goes to stderr
        raise UsageError(
            f"{question.rstrip('?')}: nobody is here to ask",
            why=f"{why[:1].upper()}{why[1:]}.",
            next="look at the context and the namespace above, then add --yes",
        )
    err.print(Text(f"{why[:1].upper()}{why[1:]}.", style="yellow"))
    from rich.prompt import Confirm

    asking = Confirm(Text(question), console=err)
    asking.validate_error_message = "Please enter Y or N"  # rich's own is markup
    try:
        sure = asking(default=False)
    except EOFError:  # Ctrl-D
        sure = False
    if not sure:
        raise Declined("Nothing was changed")


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
