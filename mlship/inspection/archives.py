"""Zip files, read member by member with limits; nothing is ever unpacked to disk."""

from __future__ import annotations

import contextlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mlship.errors import ModelError

# The end record (APPNOTE.TXT 4.3.16) lies within its own length and the longest comment.
_END, _END_BYTES = b"PK\x05\x06", 22 + 65535
_MAX_DIRECTORY = 64 << 20
# Configurations and pickles of structure; weights are never read.
_MAX_MEMBER = 64 << 20


class Archive:
    """The members of a zip file, by name."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self.names = file.namelist()

    def __contains__(self, name: str) -> bool:
        return name in self._file.NameToInfo

    def ending(self, suffix: str) -> str | None:
        """Return the first member whose path ends with ``suffix``, at a folder's border."""
        tail = f"/{suffix}"
        return next((name for name in self.names if f"/{name}".endswith(tail)), None)

    def read(self, name: str, limit: int = _MAX_MEMBER) -> bytes:
        """Return the content of a member.

        Raises:
            ModelError: there is no such member, or it unpacks to more than ``limit`` bytes.
        """
        with self.open(name) as member:
            data = member.read(limit + 1)
        if len(data) > limit:
            raise ModelError(
                f"{self.path.name} is no model, or is damaged",
                why=f"{name} in it unpacks to more than {limit >> 20} MB: a zip bomb.",
            )
        return data

    def size(self, name: str) -> int:
        """Return the unpacked length that the directory claims for a member."""
        return self._file.getinfo(name).file_size

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Give a member as a stream that unpacks while it is read."""
        try:
            with self._file.open(name) as member:
                yield member
        except KeyError:
            raise _damaged(self.path, f"It has no {name}.") from None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, lzma.LZMAError,
                EOFError, OSError) as error:  # fmt: skip
            raise _damaged(self.path, f"{name}: {error}.") from None


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Give the members of a zip file.

    Raises:
        ModelError: it is damaged, or its directory alone would fill the memory.
    """
    if _directory_bytes(path) > _MAX_DIRECTORY:
        raise _damaged(path, "Its directory is larger than that of any model.")
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise _damaged(path, f"Its directory can't be read: {error}.") from None
    with file:
        yield Archive(path, file)


def _directory_bytes(path: Path) -> int:
    """Return the length of the central directory, as the end record claims it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_BYTES))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        return 0
    claimed: int = struct.unpack_from("<L", tail, at + 12)[0]
    if claimed == 0xFFFFFFFF:  # zip64 has it elsewhere; no model has that many members
        return size
    return claimed


def _damaged(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path.name} is no model, or is damaged", why=why, next="save the model again"
    )
