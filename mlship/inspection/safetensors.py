"""Reads the header of a safetensors file: what tensors there are; the weights are never read.

Format: https://github.com/huggingface/safetensors#format (8 bytes of length, a JSON object, data).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from mlship.errors import ModelError
from mlship.inspection.structured import MAX_BYTES, parse_json

# Bits per element (safetensors/src/tensor.rs, Dtype).
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8,
    "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_MAX_SIDES = 32


@dataclass(frozen=True)
class Header:
    """What the header tells.

    Attributes:
        shapes: of each tensor, by its name.
        dtypes: the elements' types as torch names them, most numerous first.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """The number of elements in all tensors."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def read_header(path: Path) -> Header:
    """Return the tensors that a file holds.

    Raises:
        ModelError: it is no safetensors file, is cut off, or its tensors overlap or leave holes.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise _damaged(path, f"Its header would end at byte {8 + length} of {size}.")
            if length > MAX_BYTES:
                raise _damaged(path, f"Its header is longer than {MAX_BYTES >> 20} MB.")
            data = file.read(length)
    except OSError as error:
        raise _damaged(path, f"It can't be read: {error.strerror}.") from None
    tensors = parse_json(data, path.name)
    if not isinstance(tensors, dict):
        raise _damaged(path, "Its header is no JSON object.")
    tensors.pop("__metadata__", None)
    shapes: dict[str, tuple[int, ...]] = {}
    elements: dict[str, int] = {}
    spans = []
    for name, tensor in tensors.items():
        dtype, shape, span = _tensor(path, name, tensor)
        shapes[name] = shape
        elements[dtype] = elements.get(dtype, 0) + math.prod(shape)
        spans.append(span)
    _check_spans(path, spans, size - 8 - length)
    dtypes = sorted(elements, key=lambda dtype: -elements[dtype])
    return Header(shapes, tuple(_NAMES.get(dtype, dtype.lower()) for dtype in dtypes))


def _tensor(path: Path, name: str, tensor: object) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    """Return a tensor's dtype, shape and the bytes it lies in, which must agree."""
    fields = tensor if isinstance(tensor, dict) else {}
    dtype, shape, offsets = (fields.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (
        isinstance(dtype, str)
        and dtype in _BITS
        and isinstance(shape, list)
        and len(shape) <= _MAX_SIDES
        and all(type(side) is int and 0 <= side < 1 << 63 for side in shape)
        and isinstance(offsets, list)
        and len(offsets) == 2
        and all(type(offset) is int for offset in offsets)
    ):
        raise _damaged(path, f"The entry of its tensor {name[:80]!r} is no tensor's.")
    if math.prod(shape) * _BITS[dtype] != (offsets[1] - offsets[0]) * 8:
        raise _damaged(path, f"The tensor {name[:80]!r} does not fill the bytes it claims.")
    return dtype, tuple(shape), (offsets[0], offsets[1])


def _check_spans(path: Path, spans: list[tuple[int, int]], end: int) -> None:
    """Check that the tensors lie one behind the other up to the end, as the format demands."""
    at = 0
    for first, last in sorted(spans):
        if first != at:
            raise _damaged(path, f"Its tensors leave a hole, or overlap, at byte {at} of the data.")
        at = last
    if at != end:
        raise _damaged(path, f"Its tensors end at byte {at} of the data, the file at byte {end}.")


def _damaged(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path.name} is no safetensors file, or is damaged",
        why=why,
        next="download or save it again",
    )
