"""Brings the model into the pod before the server starts: `python -m app.fetch`.

Reads MODEL_SOURCE (the address), MODEL_FILE (where to put it), MODEL_SHA256 (what it must be) and,
for addresses that ask who you are, MODEL_AUTHORIZATION (the header's value: "Bearer ...").
"""

import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

TRIES = 5
TIMEOUT_SECONDS = 60
CHUNK_BYTES = 2**20
# Trying again would not help: another file, or an address that refuses. As app/integrity.py has it.
REFUSED = 3


class Broken(Exception):
    """The connection ended before the file did."""


def fetch(source: str, target: Path, sha256: str) -> str | None:
    """Download to ``target``, or return why its content is refused; what broke is continued."""
    if target.is_file() and digest(target) == sha256:  # the pod was restarted, its volume was not
        return None
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    for left in reversed(range(TRIES)):
        try:
            download(source, part)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 416, 429):
                return f"the server answered {error.code} {error.reason}"
            problem = f"the server answered {error.code} {error.reason}"
            if error.code == 416:  # what is there is no beginning of what the server has
                part.unlink(missing_ok=True)
        except (Broken, OSError, http.client.HTTPException) as error:
            problem = str(error) or type(error).__name__
        if not left:
            raise Broken(f"{problem}; gave up after {TRIES} tries")
        say(f"{problem}; trying again")
        time.sleep(pause(TRIES - left))
    found = digest(part)
    if found != sha256:
        part.unlink()
        return f"it has sha256 {found}, expected {sha256}"
    part.replace(target)
    return None


def download(source: str, part: Path) -> None:
    """Add to ``part`` what it lacks of the file at ``source``."""
    request = urllib.request.Request(source)
    authorization = os.environ.get("MODEL_AUTHORIZATION")
    if authorization:  # not for whom a redirect leads to
        request.add_unredirected_header("Authorization", authorization)
    start = part.stat().st_size if part.exists() else 0
    if start:
        request.add_header("Range", f"bytes={start}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        continued = start > 0 and answer.status == 206
        with part.open("ab" if continued else "wb") as file:
            # read(n) does not tell a connection that broke from the end of the file.
            length = answer.headers.get("Content-Length")
            count = 0
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                count += len(chunk)
    if length is not None and count < int(length):
        raise Broken(f"the connection broke after {count} of {length} bytes")


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pause(tries: int) -> float:
    """Return the seconds to wait after so many tries."""
    return float(min(2**tries, 30))


def say(text: str) -> None:
    print(f"fetch: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Return the exit code: 0, 3 for a model that is refused, 1 when it could not be fetched."""
    source, target = os.environ["MODEL_SOURCE"], Path(os.environ["MODEL_FILE"])
    shown = source.partition("?")[0]  # what follows may be a signature
    say(f"{shown} to {target}")
    try:
        refused = fetch(source, target, os.environ["MODEL_SHA256"])
    except (Broken, OSError) as error:
        say(f"model not fetched: {shown}: {error}")
        return 1
    if refused:
        say(f"model refused: {shown}: {refused}")
        return REFUSED
    say(f"{target.stat().st_size} bytes, sha256 as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
