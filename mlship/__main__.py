"""The program: runs a command and turns errors into one red line and an exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys

from mlship.errors import MlshipError


def main() -> None:
    """Run mlship. The exit codes are listed in the README."""
    # A quarter of `init`'s time would go to collecting what lives until the end anyway.
    gc.disable()
    # Lets `finally` clean up when a supervisor stops us, or the terminal is closed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
        signal.signal(signal.SIGHUP, _hang_up)
    try:
        from mlship.cli import app

        app(prog_name="mlship")
    except MlshipError as error:
        _fail(error)
    except KeyboardInterrupt:  # while importing; later, Typer exits with 130 by itself
        sys.stderr.write("\nStopped.\n")
        sys.exit(130)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _fail(
            MlshipError(f"{error.strerror or error}{where}", next="check the disk and its rights")
        )
    except Exception as error:
        if os.environ.get("MLSHIP_TRACEBACK"):
            raise
        _fail(
            MlshipError(
                f"mlship stumbled over itself: {type(error).__name__}: {error}",
                why="This is a bug in mlship, not in your project.",
                next="run it again with MLSHIP_TRACEBACK=1 and report what it prints",
            )
        )
    finally:
        _flush()


def _flush() -> None:
    """Write what is left to be written, while it can still be told that it was not."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try once more at its end, and print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # that is `mlship status | head`
            _fail(MlshipError(f"{error.strerror}: stdout", next="check the disk and its rights"))


def _hang_up(*_: object) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal and the shell each send one
    sys.exit(129)


def _fail(error: MlshipError) -> None:
    from mlship.cli.console import print_failure, show_error

    print_failure(error)
    show_error(error)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
