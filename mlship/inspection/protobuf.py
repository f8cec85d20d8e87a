"""Just enough of protobuf's wire format to walk a message without loading its large fields.

Source: https://protobuf.dev/programming-guides/encoding/. An ONNX file can hold gigabytes of
weights; the walk touches only the fields that are asked for, so a memory-mapped file stays on
disk. (The onnx package would read all of it, and is a framework import besides.)
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

Buffer = bytes | mmap.mmap


class WireError(ValueError):
    """The bytes are not a protobuf message."""


@dataclass(frozen=True)
class Message:
    """A slice of a buffer that holds one message."""

    buffer: Buffer
    start: int
    end: int

    def fields(self) -> Iterator[tuple[int, int | Message]]:
        """Yield (field number, value): an int for scalars, a Message for anything with a length.

        Fixed-size scalars come as Messages of 4 or 8 bytes; read them with ``floats``.
        """
        position = self.start
        while position < self.end:
            tag, position = self._varint(position)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise WireError(f"field number 0 at byte {position}")
            if wire == 0:
                value, position = self._varint(position)
                yield number, value
                continue
            if wire == 2:
                length, position = self._varint(position)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise WireError(f"wire type {wire} at byte {position}")
            if position + length > self.end:
                raise WireError(f"a field at byte {position} runs past the end")
            yield number, Message(self.buffer, position, position + length)
            position += length

    def _varint(self, position: int) -> tuple[int, int]:
        result = shift = 0
        while True:
            if position >= self.end or shift > 63:
                raise WireError(f"cut-off number at byte {position}")
            byte = self.buffer[position]
            position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                # int64 travels as its two's complement in ten bytes.
                return (result - (1 << 64) if result >= 1 << 63 else result), position
            shift += 7

    def messages(self, number: int) -> list[Message]:
        """Return every value of a repeated message, string or bytes field."""
        return [v for n, v in self.fields() if n == number and isinstance(v, Message)]

    def message(self, number: int) -> Message:
        """Return the last value of a message field; an empty message when it is absent."""
        found = self.messages(number)
        return found[-1] if found else Message(self.buffer, self.start, self.start)

    def text(self, number: int) -> str:
        """Return a string field, empty when absent."""
        return self.message(number).decode()

    def integer(self, number: int) -> int | None:
        """Return an integer field, None when absent."""
        found = [v for n, v in self.fields() if n == number and isinstance(v, int)]
        return found[-1] if found else None

    def decode(self) -> str:
        """Return the bytes of this slice as text."""
        return bytes(self.buffer[self.start : self.end]).decode("utf-8", "replace")

    def floats(self, number: int) -> list[float]:
        """Return a repeated float field, packed or not."""
        values: list[float] = []
        for field in self.messages(number):
            data = bytes(self.buffer[field.start : field.end])
            if len(data) % 4:
                raise WireError(f"floats of {len(data)} bytes")
            values += struct.unpack(f"<{len(data) // 4}f", data)
        return values

    def integers(self, number: int) -> list[int]:
        """Return a repeated integer field, packed or not."""
        values: list[int] = []
        for n, value in self.fields():
            if n != number:
                continue
            if isinstance(value, int):
                values.append(value)
                continue
            position = value.start
            while position < value.end:
                item, position = value._varint(position)
                values.append(item)
        return values
