"""Frames of SPDY/3.1, in which kubectl sends its forwarded ports through a WebSocket.

https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/; no flow control, as in
github.com/moby/spdystream, which is at the other end.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
DATA = 0
FIN = 1
_WORDS = """
options head post put delete trace accept accept-charset accept-encoding accept-language
accept-ranges age allow authorization cache-control connection content-base content-encoding
content-language content-length content-location content-md5 content-range content-type date etag
expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since
last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer
retry-after server te trailer transfer-encoding upgrade user-agent vary via warning
www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin
"""
_TAIL = (
    "1001012012022052063003023033043053063074024054064074084094104114124134144154164175025045052"
    "03 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 "
    "Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service "
    "UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, "
    "Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _text(value: str) -> bytes:
    return struct.pack(">I", len(value)) + value.encode()


# Both sides begin to compress headers with this in mind (section 2.6.10.1).
DICTIONARY = b"".join(_text(w.replace("_", " ")) for w in _WORDS.split()) + _TAIL.encode()


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        kind: ``DATA``, or the type of a control frame.
        stream: its number; of a PING, the ping's.
        fin: whether the sender says no more on the stream.
        body: the data of a DATA frame.
        headers: those of a SYN_STREAM.
    """

    kind: int
    stream: int
    fin: bool = False
    body: bytes = b""
    headers: dict[str, str] | None = None


class Codec:
    """Reads and writes the frames of one connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def read(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole by now."""
        self._rest += data
        while len(self._rest) >= 8:
            head, tail = struct.unpack(">II", self._rest[:8])
            size = 8 + (tail & 0xFFFFFF)
            if len(self._rest) < size:
                return
            body, self._rest = self._rest[8:size], self._rest[size:]
            fin = bool(tail >> 24 & FIN)
            if not head >> 31:
                yield Frame(DATA, head, fin, body)
                continue
            kind, number = head & 0xFFFF, struct.unpack(">I", body[:4])[0]
            headers = self._headers(body[10:]) if kind == SYN_STREAM else None
            yield Frame(kind, number, fin, b"", headers)

    def _headers(self, block: bytes) -> dict[str, str]:
        data, values, at = self._inflate.decompress(block), [], 4
        while at < len(data):
            size = struct.unpack(">I", data[at : at + 4])[0]
            values.append(data[at + 4 : at + 4 + size].decode())
            at += 4 + size
        return dict(zip(values[::2], values[1::2], strict=True))

    def reply(self, stream: int) -> bytes:
        """Return the frame that takes a stream."""
        block = self._deflate.compress(struct.pack(">I", 0))
        block += self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, struct.pack(">I", stream) + block)


def data(stream: int, body: bytes, *, fin: bool = False) -> bytes:
    """Return a DATA frame."""
    return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(body)) + body


def pong(number: int) -> bytes:
    """Return the answer to a PING."""
    return _control(PING, struct.pack(">I", number))


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack(">II", 0x80030000 | kind, len(body)) + body
