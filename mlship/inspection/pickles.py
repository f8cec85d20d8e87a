"""An inert unpickler: reads a pickle or joblib file into plain values, running nothing it names.

Every global becomes an empty stand-in class, every call a record of its arguments, every array
its raw bytes. The pickle virtual machine is the standard library's pure-Python one
(``pickle._Unpickler``), with the one method that looks up code replaced.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

from mlship.errors import ModelError
from mlship.inspection.arrays import Array, itemsize

# Larger arrays are skipped: no schema is in them, and weights can be gigabytes.
_KEEP_ARRAY_BYTES = 1 << 20


class Inert:
    """Stands for an instance of a class (or the result of a call) that the file names."""

    origin = ("", "")

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Record the arguments; call nothing."""
        self = super().__new__(cls)
        self.args = args
        self.state = None
        self.items = {}
        self.values = []
        return self

    args: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]
    values: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take anything."""

    def __setstate__(self, state: Any) -> None:
        """Keep the state as a value."""
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        """Collect what APPEND pushes."""
        self.values.append(value)

    def extend(self, values: list[Any]) -> None:
        """Collect what APPENDS pushes."""
        self.values.extend(values)

    add = append

    @property
    def module(self) -> str:
        """The module of the class this stands for."""
        return self.target[0]

    @property
    def name(self) -> str:
        """The name of the class this stands for."""
        return self.target[1]

    @property
    def target(self) -> tuple[str, str]:
        """(module, name), looking through ``copyreg._reconstructor(cls, ...)``."""
        first = self.args[0] if self.args else None
        if self.origin[1] == "_reconstructor" and isinstance(first, type):
            return getattr(first, "origin", self.origin)
        return self.origin

    def get(self, attribute: str, default: Any = None) -> Any:
        """Return an attribute from the recorded ``__dict__``."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2:  # (dict, slots)
            state = {**(state[0] or {}), **(state[1] or {})}
        return state.get(attribute, default) if isinstance(state, dict) else default


# The pure-Python machine is untyped.
_Machine: Any = pickle._Unpickler


class InertUnpickler(_Machine):  # type: ignore[misc]
    """Reads one pickle; ``globals`` collects every (module, name) that it asks for."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Machine.dispatch)

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.file = file
        self.globals: dict[tuple[str, str], type[Inert]] = {}

    def find_class(self, module: str, name: str) -> type[Inert]:
        """Return an empty stand-in; never import."""
        key = (module, name)
        if key not in self.globals:
            self.globals[key] = type(name, (Inert,), {"origin": key})
        return self.globals[key]

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise pickle.UnpicklingError("it refers to objects outside the file (persistent ids)")

    def get_extension(self, code: int) -> None:
        """Refuse extension codes: they stand for code registered elsewhere."""
        raise pickle.UnpicklingError("it uses extension codes")

    def load_build(self) -> None:
        """Record the state; where joblib wrote an array behind it, read that too."""
        state = self.stack.pop()
        instance = self.stack[-1]
        if not isinstance(instance, Inert):
            raise pickle.UnpicklingError("it sets the state of something that is no object")
        instance.__setstate__(state)
        if instance.name == "NumpyArrayWrapper":
            self.stack[-1] = self._joblib_array(instance)

    dispatch[pickle.BUILD[0]] = load_build

    def _joblib_array(self, wrapper: Inert) -> Any:
        """Read the array that joblib writes right behind its wrapper (numpy_pickle.py)."""
        dtype, shape = wrapper.get("dtype"), tuple(wrapper.get("shape") or ())
        code = dtype.args[0] if isinstance(dtype, Inert) and dtype.args else "O8"
        if code.startswith("O"):
            nested = InertUnpickler(self.file)
            nested.globals = self.globals
            return nested.load()
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self._skip(self._exactly(1)[0])
        count = 1
        for side in shape:
            count *= side
        length = count * itemsize(code)
        if length <= _KEEP_ARRAY_BYTES:
            return Array(code, shape, self._exactly(length))
        self._skip(length)
        return Array(code, shape, None)

    def _exactly(self, length: int) -> bytes:
        data = self.file.read(length)
        if len(data) != length:
            raise EOFError("an array is cut off")
        return data

    def _skip(self, length: int) -> None:
        while length > 0:
            block = self.file.read(min(length, 1 << 20))
            if not block:
                raise EOFError("an array is cut off")
            length -= len(block)


class _ZlibReader(io.RawIOBase):
    """A bare zlib stream as a file (joblib's default compression; gzip has a header, this not)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflater = zlib.decompressobj()

    def readable(self) -> bool:
        """Say yes, as RawIOBase asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with decompressed bytes; 0 at the end."""
        while not self._inflater.eof:
            data = self._inflater.unconsumed_tail or self._file.read(1 << 16)
            out = self._inflater.decompress(data, len(buffer))
            if out:
                buffer[: len(out)] = out
                return len(out)
            if not data:
                raise EOFError("the compressed data is cut off")
        return 0


def _decompressed(file: BinaryIO) -> BinaryIO:
    """Return ``file`` or a decompressing view of it, by its first bytes (joblib.compressor)."""
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZ"):
        return cast(BinaryIO, bz2.BZ2File(file))
    if magic.startswith((b"\xfd7zXZ", b"\x5d\x00")):
        return cast(BinaryIO, lzma.LZMAFile(file))
    if magic[:1] == b"\x78":
        return cast(BinaryIO, io.BufferedReader(_ZlibReader(file), 1 << 16))
    if magic.startswith(b"\x04\x22\x4d\x18"):
        raise pickle.UnpicklingError("it is compressed with lz4; save it with compress='zlib'")
    return file


def read_pickle(path: Path) -> tuple[Any, set[tuple[str, str]]]:
    """Return the root value of a pickle or joblib file and every (module, name) it refers to.

    Raises:
        ModelError: the file is damaged or no pickle.
    """
    try:
        with path.open("rb") as raw:
            unpickler = InertUnpickler(_decompressed(raw))
            return unpickler.load(), set(unpickler.globals)
    except RecursionError:
        reason = "it is nested too deeply"
    except EOFError:
        reason = "it ends too early"
    except Exception as error:
        # The virtual machine raises whatever a damaged file makes it stumble on.
        reason = f"{type(error).__name__}: {error}"
    raise ModelError(
        f"{path.name} is not a pickle or joblib file, or is damaged",
        why=reason,
        next="save the model again with joblib.dump(model, 'model.joblib')",
    )
