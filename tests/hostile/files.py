"""Files that would take for ever, fill the memory, or are no regular files at all.

Each maker writes one file into the folder it is given and returns its path. Large ones are sparse
or compressed, so that the whole set takes some 300 MB of disk.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.hostile.bombs import TEN_GB, pickles, strange_models
from tests.hostile.corpus import HARM
from tests.hostile.opcodes import call, model, named, program, value

Maker = Callable[[Path], Path]


def _write(name: str, data: bytes | Callable[[], bytes | Iterable[bytes]]) -> Maker:
    """Large content is made when it is needed, by a function."""

    def make(folder: Path) -> Path:
        path = folder / name
        content = data if isinstance(data, bytes) else data()
        with path.open("wb") as file:
            for block in [content] if isinstance(content, bytes) else content:
                file.write(block)
        return path

    return make


def _sparse(name: str, head: bytes, size: int = 5 << 30) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / name
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size)
        return path

    return make


_MAGICS = {
    "pickle.pkl": b"\x80\x04\x95",
    "bytes.pkl": b"\x80\x05\x8e" + struct.pack("<Q", (5 << 30) - 20),
    "text.pkl": b"\x80\x04X\xff\xff\xff\xff",
    "line.pkl": b"\x80\x04V",
    "zeros.pkl": b"",
    "gzip.joblib": b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    "bz2.joblib": b"BZh91AY&SY",
    "xz.joblib": b"\xfd7zXZ\0\0\x04",
    "lzma.joblib": b"\x5d\0\0\x80\0" + b"\xff" * 8,
    "zlib.joblib": b"\x78\x9c",
    "lz4.joblib": b"\x04\x22\x4d\x18",
    "old.joblib": b"ZF0x1",
    "model.onnx": b"\x08\x0a\x12\x04skl2",
    "field.onnx": b"\x08\x0a\x3a\xff\xff\xff\xff\x0f",
    "model.h5": b"\x89HDF\r\n\x1a\n",
    "model.keras": b"PK\x03\x04",
    "model.pt": b"PK\x03\x04",
    "model.pth": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    "model.skops": b"PK\x03\x04",
    "model.safetensors": struct.pack("<Q", TEN_GB) + b"{",
    "header.safetensors": struct.pack("<Q", 4 << 30) + b"{",
    "model.gguf": b"GGUF\x03\0\0\0",
    "model.tflite": b"\x1c\0\0\0TFL3",
    "model.ubj": b"{L\0\0\0\x07",
    "model.json": b'{"learner":',
    "array.json": b"[[[[",
    "model.bst": b"binf",
    "model.txt": b"tree\nversion=v4\n",
    "model.cbm": b"CBM1\xff\xff\xff\xff",
    "saved_model.pb": b"\x08\x01\x12",
    "model.npy": b"\x93NUMPY\x01\0",
    "model.npz": b"PK\x03\x04",
    "model.mlmodel": b"\x08\x05\x12",
    "model.zip": b"PK\x05\x06" + bytes(18),
    "model.pt2": b"PK\x03\x04",
    "model.bin": b"\x80\x02",
    "model": b"\x80\x04",
    "model.tar": b"ustar",
    "model.parquet": b"PAR1",
    "tokenizer.json": b'{"version"',
    "model.7z": b"7z\xbc\xaf\x27\x1c",
}


def _zeros(compressor: Any, megabytes: int, head: bytes = b"") -> Iterable[bytes]:
    yield compressor.compress(head)
    block = bytes(1 << 20)
    for _ in range(megabytes):
        yield compressor.compress(block)
    yield compressor.flush()


def _bombs() -> dict[str, Maker]:
    """Small files that unpack to very much."""
    head = b"\x80\x05\x8e" + struct.pack("<Q", TEN_GB)
    made: dict[str, Callable[[], bytes | Iterable[bytes]]] = {
        "bomb-gzip.joblib": lambda: [
            gzip.compress(head),
            *[gzip.compress(bytes(50 << 20), 1)] * 300,
        ],
        "bomb-zlib.joblib": lambda: _zeros(zlib.compressobj(1), 400, head),
        "bomb-bz2.joblib": lambda: _zeros(bz2.BZ2Compressor(1), 60, head),
        "bomb-xz.joblib": lambda: _zeros(lzma.LZMACompressor(preset=0), 100, head),
        "bomb-lzma.joblib": lambda: _zeros(
            lzma.LZMACompressor(lzma.FORMAT_ALONE, preset=0), 60, head
        ),
        "bomb-xz-dictionary.joblib": lambda: b"\x5d" + b"\xff" * 12 + bytes(99),
        "endless-opcodes.pkl": lambda: [b"\x80\x04", *[b"N0" * (1 << 20)] * 100],
        "endless-opcodes.joblib": lambda: _repeated(b"N0"),
        "endless-stack.joblib": lambda: _repeated(b"N"),
        "endless-lists.joblib": lambda: _repeated(b"]"),
        "endless-memo.joblib": lambda: _repeated(b"\x94", b"N"),
        "endless-marks.joblib": lambda: _repeated(b"("),
        "endless-line.joblib": lambda: _repeated(b"a", b"V"),
        "endless-names.joblib": lambda: _repeated(bytes(named("os", "system")) + b"0"),
        "nested-gzip.joblib": lambda: gzip.compress(gzip.compress(program(HARM))),
        "padding-50-mb.pkl": lambda: [b"\x80\x04", value(bytes(50 << 20)), b"0", HARM, b"."],
    }
    return {name: _write(name, data) for name, data in made.items()}


def _repeated(part: bytes, head: bytes = b"") -> Iterable[bytes]:
    """The same opcodes over and over, compressed."""
    block = gzip.compress(part * ((20 << 20) // len(part)), 1)
    return [gzip.compress(head), *[block] * 20]


def _zip(name: str, members: dict[str, Any], edit: Callable[[bytes], bytes] = bytes) -> Maker:
    def make(folder: Path) -> Path:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
            for member, data in members.items():
                file.writestr(member.split("#")[0], data() if callable(data) else data)
        return _write(name, edit(stream.getvalue()))(folder)

    return make


def _flagged(bit: int) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        out = bytearray(data)
        for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            position = out.find(magic)
            while position >= 0:
                out[position + at] |= bit
                position = out.find(magic, position + 1)
        return bytes(out)

    return edit


def _many_entries(data: bytes) -> bytes:
    """One local file, a million entries in the directory that all point at it."""
    at, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entry = data[at:end]
    count = 1_000_000
    return (
        data[:at]
        + entry * count
        + b"PK\x05\x06"
        + struct.pack("<4H2LH", 0, 0, 65535, 65535, min(len(entry) * count, 0xFFFFFFFE), at, 0)
    )


def _overlapping(data: bytes) -> bytes:
    at, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entry = data[at:end]
    return (
        data[:at]
        + entry * 1000
        + b"PK\x05\x06"
        + struct.pack("<4H2LH", 0, 0, 1000, 1000, len(entry) * 1000, at, 0)
    )


def _zip64_lie(data: bytes) -> bytes:
    end = data.find(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 2**60)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    tail = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + record + locator + tail


def _zips() -> dict[str, Maker]:
    """Zip files of the formats that are zip files: torch, keras, skops."""
    evil, good = program(HARM), program(model())
    torch = {"a/data.pkl": evil, "a/version": b"3\n", "a/byteorder": b"little"}
    schema = (
        b'{"__class__":"system","__module__":"os","__loader__":"FunctionNode","content":"x",'
        b'"__id__":1,"protocol":2,"_skops_version":"0.11.0"}'
    )
    method = (
        b'{"__class__":"call","__module__":"sklearn.base","__loader__":"MethodNode","content":'
        b'{"func":"__globals__","obj":{"__class__":"system","__module__":"os","__loader__":'
        b'"TypeNode","__id__":2}},"__id__":1,"protocol":2,"_skops_version":"0.11.0"}'
    )
    operator = method.replace(b"MethodNode", b"OperatorFuncNode").replace(
        b"sklearn.base", b"operator"
    )
    config = b'{"class_name":"Lambda","module":"keras.layers","config":{"function":["4wEAAA=="]}}'
    config_module = (
        b'{"class_name":"system","module":"os","config":"echo>canary","registered_name":null}'
    )
    keras = {
        "metadata.json": b'{"keras_version":"3.0.0"}',
        "model.weights.h5": b"\x89HDF\r\n\x1a\n",
    }
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    made = {
        "torch.pt": (torch, bytes),
        "torch.bin": (torch, bytes),
        "torch.onnx": (torch, bytes),
        "torch-crc.pt": (torch, lambda d: d.replace(d[14:18], b"\0\0\0\0")),
        "torch-encrypted.pt": (torch, _flagged(1)),
        "torch-patched.pt": (torch, _flagged(0x20)),
        "torch-strong.pt": (torch, _flagged(0x40)),
        "torch-other-local-name.pt": (torch, lambda d: d.replace(b"data.pkl", b"datap.kl", 1)),
        "torch-twice-evil-first.pt": ({**torch, "a/data.pkl#": good}, bytes),
        "torch-twice-evil-last.pt": (
            {"a/data.pkl": good, "a/data.pkl#": evil, "a/version": b"3\n"},
            bytes,
        ),
        "torch-two-folders.pt": (
            {"a/version": b"3\n", "b/data.pkl": good, "b/version": b"3\n", "a/data.pkl": evil},
            bytes,
        ),
        "torch-other-extension.pt": ({"a/data.txt": evil, "a/version": b"3\n"}, bytes),
        "torch-code.pt": ({**torch, "a/constants.pkl": evil, "a/code/x.py": b"import os"}, bytes),
        "polyglot.pt": (torch, lambda d: evil + d),
        "polyglot.pkl": (torch, lambda d: evil + d),
        "good-polyglot.pkl": (torch, lambda d: good + d),
        "pickle-in-zip.zip": ({"data.pkl": evil}, bytes),
        "escaping.zip": ({"../../canary": b"x", "/tmp/canary": b"x", "a/data.pkl": evil}, bytes),
        "bomb.pt": (
            {
                "a/data.pkl": lambda: (
                    b"\x80\x05\x8e" + struct.pack("<Q", TEN_GB) + bytes(100 << 20)
                ),
                "a/version": b"3\n",
            },
            bytes,
        ),
        "bomb.keras": ({**keras, "config.json": lambda: b" " * (100 << 20)}, bytes),
        "bomb.skops": ({"schema.json": lambda: b"[" * (100 << 20)}, bytes),
        "deep.skops": ({"schema.json": deep}, bytes),
        "deep.keras": ({**keras, "config.json": deep}, bytes),
        "function.skops": ({"schema.json": schema}, bytes),
        "method.skops": ({"schema.json": method}, bytes),
        "operator.skops": ({"schema.json": operator}, bytes),
        "lambda.keras": ({**keras, "config.json": config}, bytes),
        "module.keras": ({**keras, "config.json": config_module}, bytes),
        "entries.pt": (torch, _many_entries),
        "overlapping.pt": (torch, _overlapping),
        "zip64.pt": (torch, _zip64_lie),
        "comment.pt": (torch, lambda d: d[:-2] + b"\xff\xff" + bytes(65535)),
        "shifted.pt": (torch, lambda d: bytes(5000) + d),
    }
    return {name: _zip(name, members, edit) for name, (members, edit) in made.items()}


def _texts() -> dict[str, Maker]:
    """Text formats: nested, long, or with lies."""
    found: dict[str, Any] = {
        "deep.json": b"[" * 2_000_000,
        "deep-objects.json": b'{"learner":' * 500_000,
        "number.json": b'{"learner":' + b"9" * 2_000_000 + b"}",
        "nan.json": b'{"learner":NaN}',
        "surrogate.json": b'{"learner":"\\ud800"}',
        "long.json": lambda: b'{"a":"' + b"x" * (80 << 20) + b'"}',
        "twice.json": b'{"learner":{},"learner":[]}',
        "keys.json": lambda: b"{" + b",".join(b'"%d":1' % n for n in range(400_000)) + b"}",
        "long-line.txt": lambda: b"tree\nversion=v4\nfeature_names=" + b"x " * (20 << 20),
        "many-lines.txt": lambda: b"tree\nversion=v4\n" + b"a=1\n" * (5 << 20),
        "count.txt": b"tree\nversion=v4\nnum_class=999999999999\n"
        b"max_feature_idx=999999999999\n\nend of trees\n",
        "count.ubj": b"{[$U#L" + struct.pack(">q", 1 << 40) + b"x",
        "deep.ubj": b"{i\x01a" * 500_000,
        "deep.onnx": b"\x3a\x80\x80\x40" * 10_000,
        "garbage.pkl": bytes(range(256)) * 99,
        "garbage.onnx": bytes(range(256)) * 99,
        "garbage.joblib": b"\x78\x9c" + bytes(range(256)),
        "garbage.txt": b"\xff\xfe" * 1000,
        "garbage": os.urandom(4096),
        "empty": b"",
        "empty.pkl": b"",
        "empty.onnx": b"",
        "empty.json": b"",
        "one.pkl": b".",
        "one.joblib": b"\x80",
        "two.pkl": b"\x80\x04",
        "html.pkl": b"<!DOCTYPE html><html>",
        "lfs.onnx": b"version https" + b"://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 123\n",
        "script.pkl": b"#!/bin/sh\necho>canary\n",
        "evil.onnx": program(HARM),
        "evil.json": program(HARM),
        "evil.txt": program(HARM),
        "evil.safetensors": program(HARM),
        "evil.h5": program(HARM),
        "evil": program(HARM),
        "evil.pt": program(HARM),
        "evil.bin": program(HARM),
        "evil.ckpt": program(HARM),
        "evil.keras": program(HARM),
        "evil.cbm": program(HARM),
        # torch before zip: five pickles in a row, of which the loader reads every one
        "legacy-magic.pt": program(call(named("builtins", "eval"), "0x1950a86a20f9469cfc6c"), 2)
        + program(value(1001), 2) * 2
        + program(HARM, 2)
        + program(value(None), 2),
        "legacy-last.pt": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
        + program(value(1001), 2)
        + program(value({}), 2)
        + program(HARM, 2)
        + program(value(None), 2),
        "header.safetensors": lambda: struct.pack("<Q", 60 << 20) + b"{" * (60 << 20),
        "offsets.safetensors": _safetensors(
            b'{"a":{"dtype":"F32","shape":[999999999999],"data_offsets":[0,9]}}'
        ),
        "shape.safetensors": _safetensors(
            b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[9,0]}}'
        ),
        "types.safetensors": _safetensors(b'{"a":[1,2],"__metadata__":{"format":7}}'),
    }
    return {name: _write(name, data) for name, data in found.items()}


def _safetensors(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


def _link(name: str, target: str, content: bytes | None = None) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / name
        if content is not None:
            (folder / target).write_bytes(content)
        path.symlink_to(target)
        return path

    return make


def _fifo(folder: Path) -> Path:
    path = folder / "fifo.pkl"
    os.mkfifo(path)
    return path


def _socket(folder: Path) -> Path:
    import socket

    path = folder / "s.pkl"
    with socket.socket(socket.AF_UNIX) as sock, contextlib.chdir(folder):
        sock.bind(path.name)
    return path


def _folder(name: str, fill: Callable[[Path], object]) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / name
        path.mkdir()
        fill(path)
        return path

    return make


def _outside(path: Path) -> None:
    (path / "config.json").symlink_to("/etc/passwd")
    (path / "model.safetensors").symlink_to("/etc/passwd")


def _round(path: Path) -> None:
    (path / "config.json").write_text('{"architectures":["BertForSequenceClassification"]}')
    (path / "again").symlink_to("..")
    (path / "self").symlink_to(".")
    (path / "model.safetensors").symlink_to("model.safetensors")


def _devices(path: Path) -> None:
    (path / "config.json").symlink_to("/dev/zero")
    (path / "model.safetensors").symlink_to("/dev/zero")
    os.mkfifo(path / "tokenizer.json")


def _many(path: Path) -> None:
    for number in range(20_000):
        (path / f"{number}").touch()


def _deep(path: Path) -> None:
    for _ in range(900):
        path = path / "d"
        path.mkdir()


def _special() -> dict[str, Maker]:
    """Links, pipes, devices and folders."""
    return {
        "passwd.pkl": _link("passwd.pkl", "/etc/passwd"),
        "loop.pkl": _link("loop.pkl", "loop.pkl"),
        "dangling.pkl": _link("dangling.pkl", "nowhere"),
        "shadow.onnx": _link("shadow.onnx", "/proc/self/mem"),
        "linked.pkl": _link("linked.pkl", "target.bin", program(model())),
        "zero.pkl": _link("zero.pkl", "/dev/zero"),
        "null.pkl": _link("null.pkl", "/dev/null"),
        "random.joblib": _link("random.joblib", "/dev/urandom"),
        "fifo.pkl": _fifo,
        "s.pkl": _socket,
        "stdin.pkl": _link("stdin.pkl", "/dev/stdin"),
        "dev-zero": lambda _: Path("/dev/zero"),
        "dev-null": lambda _: Path("/dev/null"),
        "kmsg": lambda _: Path("/proc/kmsg"),
        "pagemap": lambda _: Path("/proc/self/pagemap"),
        "proc": lambda _: Path("/proc"),
        "dev": lambda _: Path("/dev"),
        "missing": lambda folder: folder / "missing.pkl",
        "below-a-file": lambda _: Path("/etc/passwd/x.pkl"),
        "long-name": lambda folder: folder / ("x" * 4000),
        "a\nnewline\x1b[31m.pkl": _write("a\nnewline\x1b[31m.pkl", b"x"),
        "nul": lambda folder: Path(f"{folder}/a\0b.pkl"),
        "root": lambda _: Path("/"),
        "not-utf8": lambda folder: _write(os.fsdecode(b"model-\xff\xfe.pkl"), program(model()))(
            folder
        ),
        "folder-empty": _folder("folder-empty", lambda _: None),
        "folder-outside": _folder("folder-outside", _outside),
        "folder-round": _folder("folder-round", _round),
        "folder-devices": _folder("folder-devices", _devices),
        "folder-many": _folder("folder-many", _many),
        "folder-deep": _folder("folder-deep", _deep),
        "folder-MLmodel": _folder(
            "folder-MLmodel",
            lambda path: (path / "MLmodel").write_text(
                "flavors:\n  python_function:\n    loader_module: os\n"
                "    data: ../../../etc/passwd\n"
                "  sklearn:\n    pickled_model: ../../../../../../etc/passwd\n"
            ),
        ),
        "folder-yaml": _folder(
            "folder-yaml",
            lambda path: (path / "MLmodel").write_text(
                "a: &a [x,x,x,x,x,x,x,x,x]\n"
                + "".join(
                    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n"
                    for n in range(12)
                )
                + "x: !!python/object/apply:os.system ['echo>canary']\n"
            ),
        ),
        "folder-saved-model": _folder(
            "folder-saved-model",
            lambda path: (path / "saved_model.pb").write_bytes(
                b"\x12\xff\xff\xff\xff\x0f" + bytes(999)
            ),
        ),
    }


def makers() -> dict[str, Maker]:
    """Every file, by name."""
    written = {f"{name}.joblib": data for name, data in (pickles() | strange_models()).items()}
    sparse = {f"sparse-{name}": _sparse(f"sparse-{name}", head) for name, head in _MAGICS.items()}
    return (
        {name: _write(name, data) for name, data in written.items()}
        | sparse
        | _bombs()
        | _zips()
        | _texts()
        | _special()
    )
