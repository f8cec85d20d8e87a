"""Where a pickle's bytes come from: a stream read with limits, seen through any compression."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

# Longer data is passed over: in a plain file it can be read again, in a compressed one it can't.
_KEEP_PLAIN, _KEEP_COMPRESSED, _KEEP_ALL = 256 << 10, 32 << 20, 64 << 20
_LINE, _SHORT = 1 << 20, 64 << 10
_BLOCK = 1 << 20
_SECONDS = 7.0
_MEMORY = 150 << 20


class Budget:
    """What reading one file may take; a bomb is noticed before it fills the machine."""

    def __init__(self) -> None:
        self._until = time.process_time() + _SECONDS
        self._memory = _resident() + _MEMORY

    def tick(self) -> None:
        """Raise UnpicklingError when the time or the memory is used up."""
        if time.process_time() > self._until:
            raise pickle.UnpicklingError(f"it takes more than {_SECONDS:g} s to read")
        if _resident() > self._memory:
            raise pickle.UnpicklingError(f"its objects take more than {_MEMORY >> 20} MB")


def _resident() -> int:
    """Return this process's memory in bytes; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * 4096


@dataclass(frozen=True)
class Skipped:
    """Stands for data that was passed over: where it began, and its bytes."""

    position: int
    length: int


class Source:
    """A binary stream from which no more is read than is there, nor kept than is useful."""

    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        self.stream = stream
        self._budget = budget
        self.next = stream.read
        self.position = stream.tell
        self._kept = 0
        self._size: int | None = None
        if isinstance(stream, io.BufferedReader) and stream.seekable():
            at = stream.tell()
            self._size = stream.seek(0, io.SEEK_END)
            stream.seek(at)

    def read(self, length: int) -> bytes:
        """Return exactly ``length`` bytes, a small number. Raises EOFError."""
        data = self.next(length)
        if len(data) != length:
            raise EOFError
        return data

    def readline(self) -> bytes:
        """Return a line with its end. Raises EOFError."""
        line = self.stream.readline(_LINE)
        if not line.endswith(b"\n"):
            if len(line) < _LINE:
                raise EOFError
            raise pickle.UnpicklingError("a line is too long")
        return line

    def take(self, length: int) -> bytes | Skipped:
        """Return the next ``length`` bytes, or pass over them when they are many."""
        if length <= _SHORT:
            if self._kept > 2 * _KEEP_ALL:
                raise pickle.UnpicklingError("it holds more text than any model")
            self._kept += length
            return self.read(length)
        keep = _KEEP_COMPRESSED if self._size is None else _KEEP_PLAIN
        if length > keep or self._kept + length > _KEEP_ALL:
            skipped = Skipped(self.position(), length)
            self.skip(length)
            return skipped
        self._kept += length
        return self.read(length)

    def skip(self, length: int) -> None:
        """Pass over ``length`` bytes. Raises EOFError when there are fewer."""
        if self._size is not None:
            if length > self._size - self.stream.tell():
                raise EOFError
            self.stream.seek(length, io.SEEK_CUR)
            return
        while length > 0:
            block = self.next(min(length, _BLOCK))
            if not block:
                raise EOFError
            length -= len(block)
            self._budget.tick()


class _ZlibReader(io.RawIOBase):
    """A bare zlib stream as a file (joblib's default compression; gzip has a header, this not)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflater = zlib.decompressobj()
        self._position = 0

    def readable(self) -> bool:
        """Say yes, as RawIOBase asks."""
        return True

    def tell(self) -> int:
        """Return how many bytes came out."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with decompressed bytes; 0 at the end."""
        while not self._inflater.eof:
            data = self._inflater.unconsumed_tail or self._file.read(1 << 16)
            out = self._inflater.decompress(data, len(buffer))
            if out:
                buffer[: len(out)] = out
                self._position += len(out)
                return len(out)
            if not data:
                raise EOFError("the compressed data is cut off")
        return 0


def compression(magic: bytes) -> str:
    """Return which of joblib's compressions (compressor.py) begins so; empty for none."""
    if magic.startswith(b"\x1f\x8b"):
        return "gzip"
    if magic.startswith(b"BZh"):
        return "bz2"
    if magic.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        return "lzma"
    # RFC 1950: method 8, and the header a multiple of 31.
    if magic[:1] == b"\x78" and len(magic) > 1 and int.from_bytes(magic[:2], "big") % 31 == 0:
        return "zlib"
    return "lz4" if magic.startswith(b"\x04\x22\x4d\x18") else ""


def decompressed(file: BinaryIO) -> BinaryIO:
    """Return ``file``, or a view of it that decompresses while it is read."""
    kind = compression(file.read(6))
    file.seek(0)
    if kind == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if kind == "bz2":
        return cast(BinaryIO, bz2.BZ2File(file))
    if kind == "lzma":
        return cast(BinaryIO, lzma.LZMAFile(file))
    if kind == "zlib":
        return cast(BinaryIO, io.BufferedReader(_ZlibReader(file), 1 << 16))
    if kind == "lz4":
        import lz4.frame

        return cast(BinaryIO, lz4.frame.LZ4FrameFile(file))
    return file
