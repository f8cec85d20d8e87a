"""An inert unpickler: reads a pickle into plain values, running nothing that it names.

Every global becomes a ``Global``, every call an ``Inert`` record of its arguments and state, every
array its raw bytes. The pickle virtual machine is the standard library's pure-Python one
(``pickle._Unpickler``) with each opcode that looks up, calls, hashes or reads much replaced.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

from mlship.card import Import
from mlship.inspection.arrays import Array, as_scalar, check_dtype, dtype_code, itemsize
from mlship.inspection.inert import Global, Inert
from mlship.inspection.sources import Budget, Source

_SCALARS = (str, int, float, bool, bytes, type(None))


_NOTHING = Global("", "")


@dataclass(frozen=True)
class Pickle:
    """What a pickle holds.

    Attributes:
        root: its value, of plain Python values, ``Inert``, ``Global`` and ``Array``.
        imports: everything it names, in order, once each.
        objects: every ``Inert`` in the order of the file.
        calls: those of the imports that are called as functions, not only made as classes.
    """

    root: Any
    imports: tuple[Import, ...]
    objects: tuple[Inert, ...]
    calls: tuple[Import, ...] = ()


class Broken(Exception):
    """The pickle can't be read; ``imports`` are those it named before the break."""

    def __init__(self, reason: str, imports: tuple[Import, ...] = ()) -> None:
        super().__init__(reason)
        self.imports = imports


def load(stream: BinaryIO, member: str = "", persistent: bool = False) -> Pickle:
    """Read one pickle, with the arrays that joblib writes between its opcodes.

    ``member`` names the stream in its imports; with ``persistent``, references to objects outside
    the file (as torch writes them) become ``Inert`` records.

    Raises:
        Broken: it is damaged, no pickle, or takes more time or memory than any model.
    """
    budget = Budget()
    reader = _Reader(Source(stream, budget), member, persistent, budget)
    try:
        root = reader.load()
    except RecursionError:
        reason = "it is nested too deeply"
    except EOFError:
        reason = "it ends too early"
    except MemoryError:
        reason = "it does not fit into the memory"
    except KeyError as error:
        reason = f"no such opcode or memo entry: {error}"
    except Exception as error:
        # The virtual machine raises whatever a damaged file makes it stumble on.
        reason = f"{type(error).__name__}: {error}"[:300]
    else:
        calls = tuple(reader.imports[key] for key in reader.calls)
        return Pickle(root, tuple(reader.imports.values()), tuple(reader.objects), calls)
    raise Broken(reason, tuple(reader.imports.values()))


# The pure-Python machine is untyped.
_Machine: Any = pickle._Unpickler


class _Reader(_Machine):  # type: ignore[misc]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Machine.dispatch)

    def __init__(self, source: Source, member: str, persistent: bool, budget: Budget) -> None:
        # latin1: the byte strings of Python 2.
        super().__init__(source.stream, encoding="latin1")
        self.source = source
        self.member = member
        self.persistent = persistent
        self.budget = budget
        self.imports: dict[tuple[str, str], Import] = {}
        self.globals: dict[tuple[str, str], Global] = {}
        self.objects: list[Inert] = []
        self.calls: dict[tuple[str, str], None] = {}
        self.frame_end = 0

    def load(self) -> Any:
        """Run the opcodes up to STOP; return the value."""
        self.read, self.readline = self.source.read, self.source.readline
        self.metastack: list[list[Any]] = []
        self.stack: list[Any] = []
        self.proto = 0
        self.append = self.stack.append
        read, dispatch, tick = self.source.next, self.dispatch, self.budget.tick
        try:
            while True:
                for _ in range(8192):
                    key = read(1)
                    if not key:
                        raise EOFError
                    dispatch[key[0]](self)
                tick()
        except pickle._Stop as stop:  # type: ignore[attr-defined]
            return stop.value

    def _made(self, origin: Any, args: Any, *, called: bool) -> Any:
        """Record a call instead of making it; ``called`` unless it is ``cls.__new__``."""
        if isinstance(origin, Inert):  # named so that it counts as a danger
            name = origin.name.removesuffix("(...)")
            origin = self.find_class(origin.module, f"{name}(...)")
        if not isinstance(origin, Global):
            raise pickle.UnpicklingError(f"it calls a {type(origin).__name__}")
        if not isinstance(args, tuple):
            raise pickle.UnpicklingError("it calls something without a tuple of arguments")
        if called:
            self.calls[origin.module, origin.name] = None
        made = Inert(origin, args)
        if origin.name == "scalar" and origin.module.endswith("multiarray"):
            return as_scalar(made)  # at once: a vocabulary can hold a million of them
        self.objects.append(made)
        return made

    def find_class(self, module: Any, name: Any) -> Global:
        """Note what is named; never import."""
        if type(module) is not str or type(name) is not str:
            raise pickle.UnpicklingError("a name is no text")
        key = (module, name)
        if key not in self.globals:
            self.globals[key] = Global(*key)
            self.imports[key] = Import(*key, self.source.position(), self.member)
        return self.globals[key]

    def load_global(self) -> None:
        """GLOBAL: two lines name it."""
        module, name = (self.readline()[:-1].decode("utf-8", "replace") for _ in range(2))
        self.append(self.find_class(module, name))

    def load_stack_global(self) -> None:
        """STACK_GLOBAL: the name is computed."""
        name, module = self.stack.pop(), self.stack.pop()
        self.append(self.find_class(module, name))

    def load_inst(self) -> None:
        """INST: names and calls at once."""
        module, name = (self.readline()[:-1].decode("utf-8", "replace") for _ in range(2))
        args = tuple(self.pop_mark())
        self.append(self._made(self.find_class(module, name), args, called=True))

    def load_obj(self) -> None:
        """OBJ: the callable lies below its arguments."""
        args = self.pop_mark()
        self.append(self._made(args[0], tuple(args[1:]), called=True))

    def load_reduce(self) -> None:
        """REDUCE: a call."""
        args = self.stack.pop()
        self.stack[-1] = self._made(self.stack[-1], args, called=True)

    def load_newobj(self) -> None:
        """NEWOBJ: ``cls.__new__(cls, *args)``."""
        args = self.stack.pop()
        self.stack[-1] = self._made(self.stack[-1], args, called=False)

    def load_newobj_ex(self) -> None:
        """NEWOBJ_EX: the same with keyword arguments, which are kept as items."""
        kwargs, args = self.stack.pop(), self.stack.pop()
        made = self._made(self.stack.pop(), args, called=False)
        if isinstance(made, Inert) and isinstance(kwargs, dict):
            made.items.extend(kwargs.items())
        self.append(made)

    def load_build(self) -> None:
        """BUILD: record the state; where joblib wrote an array behind it, read that too."""
        state = self.stack.pop()
        made = self.stack[-1]
        if not isinstance(made, Inert):
            raise pickle.UnpicklingError("it sets the state of something that is no object")
        if made.built:
            raise pickle.UnpicklingError(f"it sets the state of {_named(made)} twice")
        # A copy: what is changed afterwards, the real object does not see either.
        made.state, made.built = _state(made, state), True
        if made.origin.name == "dtype":
            check_dtype(made)
        if made.origin == self.globals.get(("joblib.numpy_pickle", "NumpyArrayWrapper")):
            self.stack[-1] = self._joblib_array(made)

    def load_append(self) -> None:
        """APPEND: to a list, or recorded."""
        value = self.stack.pop()
        self._extend([value])

    def load_appends(self) -> None:
        """APPENDS: the same for several."""
        self._extend(self.pop_mark())

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.values.extend(values)
        elif isinstance(target, list):
            target.extend(values)
        else:
            raise pickle.UnpicklingError(f"it appends to a {type(target).__name__}")

    def load_setitems(self) -> None:
        """SETITEMS: into a dict, or recorded."""
        items = self.pop_mark()
        pairs = zip(items[::2], items[1::2], strict=True)
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.items.extend(pairs)
        elif isinstance(target, dict):
            target.update((_key(key), value) for key, value in pairs)
        else:
            raise pickle.UnpicklingError(f"it sets items of a {type(target).__name__}")

    def load_setitem(self) -> None:
        """SETITEM: the same for one."""
        value, key = self.stack.pop(), self.stack.pop()
        self.metastack.append(self.stack)
        self.stack = [key, value]
        self.load_setitems()

    def load_dict(self) -> None:
        """DICT: made from what lies above the mark."""
        items = self.pop_mark()
        self.append({_key(k): v for k, v in zip(items[::2], items[1::2], strict=True)})

    def load_additems(self) -> None:
        """ADDITEMS: into a set, or recorded."""
        values = self.pop_mark()
        target = self.stack[-1]
        if isinstance(target, set):
            target.update(map(_key, values))
        else:
            self._extend(values)

    def load_frozenset(self) -> None:
        """FROZENSET: made from what lies above the mark."""
        self.append(frozenset(map(_key, self.pop_mark())))

    def load_frame(self) -> None:
        """FRAME: only a hint to read ahead; but joblib reads its arrays from behind the frame."""
        length = int.from_bytes(self.read(8), "little")
        self.frame_end = max(self.frame_end, self.source.position() + length)

    def load_long4(self) -> None:
        """LONG4: a whole number of any length, which no model has."""
        length = int.from_bytes(self.read(4), "little", signed=True)
        if not 0 <= length <= 4096:
            raise pickle.UnpicklingError(f"a whole number of {length} bytes")
        self.append(int.from_bytes(self.read(length), "little", signed=True))

    def persistent_load(self, pid: Any) -> Any:
        """Record references to objects outside the file, or refuse them."""
        if not self.persistent:
            raise pickle.UnpicklingError("it refers to objects outside the file (persistent ids)")
        return Inert(_NOTHING, pid if isinstance(pid, tuple) else (pid,))

    def get_extension(self, code: int) -> None:
        """Refuse extension codes: they stand for code registered elsewhere."""
        raise pickle.UnpicklingError(f"it uses extension code {code}")

    def _joblib_array(self, wrapper: Inert) -> Any:
        """Read the array that joblib writes right behind its wrapper (numpy_pickle.py)."""
        known = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}
        if wrapper.args or not isinstance(wrapper.state, dict) or not known >= wrapper.state.keys():
            raise pickle.UnpicklingError("an array wrapper that joblib did not write")
        if self.source.position() < self.frame_end:
            raise pickle.UnpicklingError("an array inside a frame, where joblib writes none")
        dtype, shape = wrapper.get("dtype"), wrapper.get("shape")
        check_dtype(dtype)
        code = dtype_code(dtype)
        if code.startswith("O"):
            nested = _Reader(self.source, self.member, self.persistent, self.budget)
            nested.imports, nested.globals = self.imports, self.globals
            nested.objects = self.objects
            return nested.load()
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.source.skip(self.source.read(1)[0])
        count = 1
        for side in shape if isinstance(shape, tuple) else (shape,):
            if not isinstance(side, int) or side < 0:
                raise pickle.UnpicklingError("an array of a shape that can't be")
            count *= side
        data = self.source.take(count * itemsize(code))
        return Array(code, tuple(shape), data if isinstance(data, bytes) else None)


def _sized(width: int, make: Callable[[bytes], Any]) -> Callable[[_Reader], None]:
    """Return the method of an opcode that carries a length of ``width`` bytes and that much data.

    Long data is passed over: no schema is in it, and weights can be gigabytes.
    """

    def load_sized(self: _Reader) -> None:
        length = int.from_bytes(self.read(width), "little")
        data = self.source.take(length)
        self.append(make(data) if isinstance(data, bytes) else data)

    return load_sized


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _named(made: Inert) -> str:
    return f"{made.module}.{made.name}"[:120]


def _state(made: Inert, state: Any) -> Any:
    """Return a copy of a state of the forms that objects have; refuse any other.

    Each is read otherwise by some ``__setstate__``: pairs in a list, a dict's subclass, keys that
    only turn into text when they are loaded.
    """
    if isinstance(state, dict):
        if not all(type(key) is str for key in state):
            raise pickle.UnpicklingError(f"the state of {_named(made)} has keys that are no names")
        return dict(state)
    if isinstance(state, tuple):
        parts = [dict(part) if isinstance(part, dict) else part for part in state]
        return tuple(parts)
    if state is None or isinstance(state, str | bytes | int | float | Array):
        return state
    kind = _named(state) if isinstance(state, Inert) else type(state).__name__
    raise pickle.UnpicklingError(f"the state of {_named(made)} is a {kind}")


def _key(value: Any) -> Any:
    """Return what may be hashed cheaply: the hash of nested tuples can take for ever."""
    if isinstance(value, (*_SCALARS, Global, Inert)):
        return value
    if isinstance(value, tuple) and len(value) <= 16 and all(type(p) in _SCALARS for p in value):
        return value
    return Inert(_NOTHING, (value,))


_Reader.dispatch.update(
    {
        opcode[0]: getattr(_Reader, f"load_{name}")
        for name, opcode in {
            "global": pickle.GLOBAL, "stack_global": pickle.STACK_GLOBAL, "inst": pickle.INST,
            "obj": pickle.OBJ, "reduce": pickle.REDUCE, "newobj": pickle.NEWOBJ,
            "newobj_ex": pickle.NEWOBJ_EX, "build": pickle.BUILD, "append": pickle.APPEND,
            "appends": pickle.APPENDS, "setitem": pickle.SETITEM, "setitems": pickle.SETITEMS,
            "dict": pickle.DICT, "additems": pickle.ADDITEMS, "frozenset": pickle.FROZENSET,
            "frame": pickle.FRAME, "long4": pickle.LONG4,
        }.items()
    }
)  # fmt: skip
_Reader.dispatch.update(
    {
        pickle.BINBYTES[0]: _sized(4, bytes),
        pickle.BINBYTES8[0]: _sized(8, bytes),
        pickle.BYTEARRAY8[0]: _sized(8, bytes),
        pickle.BINUNICODE[0]: _sized(4, _text),
        pickle.BINUNICODE8[0]: _sized(8, _text),
        pickle.BINSTRING[0]: _sized(4, lambda data: data.decode("latin-1")),
    }
)
