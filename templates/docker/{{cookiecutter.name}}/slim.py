"""Leaves out of the image what a server never opens; the Dockerfile runs it.

    python slim.py FOLDER

FOLDER is laid out like the image. Takes out of its libraries what is listed here, compiles all
Python in it, and gives every file the same time and rights: the same files make the same layer,
whoever builds it.
"""

import compileall
import os
import py_compile
import struct
import sys
from importlib.util import cache_from_source
from pathlib import Path
from py_compile import PycInvalidationMode

# By library, as globs in site-packages. Whatever stands here was tried: answers, docs, metrics.
UNUSED = [
    # Tests.
    "numpy/**/tests",
    "pandas/tests",
    "scipy/**/tests",
    "sklearn/**/tests",
    "joblib/test",
    "matplotlib/tests",
    "networkx/**/tests",
    "sympy/**/tests",
    "torch/bin",
    "torch/test",
    "numpy/_core/_simd.*.so",
    # For those who compile against it.
    "numpy/_core/include",
    "numpy/f2py/src",
    "numpy/**/*.a",
    "numpy/**/*.pxd",
    "numpy/**/*.pyi",
    "pyarrow/include",
    "tensorflow/include",
    "torch/include",
{% if cookiecutter.slims_onnxruntime %}
    # The same engine again, for programs in C; Python has its own in onnxruntime_pybind11_state.
    "onnxruntime/capi/libonnxruntime.so.*",
    # For making models, not for running them.
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
{% endif %}
{% if cookiecutter.server == "fastapi" %}
    # A second docs page, which app/main.py turns off.
    "fastapi_offline/static/redoc*",
{% endif %}
]
# numpy.testing, which some libraries import, needs the one; torch looks for the other.
KEPT = ["numpy/_core/tests/_natype.py", "torch/bin/torch_shm_manager"]
# uvicorn's: built with debug information, most of their size.
DEBUGGABLE = ["httptools/parser/*.so", "uvloop/*.so"]
TIME = 315532800  # 1980-01-01, the oldest that every kind of archive can hold


def remove(packages: Path) -> None:
    """Delete what is unused from a folder of libraries."""
    kept = {packages / name for name in KEPT}
    for found in [path for pattern in UNUSED for path in packages.glob(pattern)]:
        for path in [found, *found.rglob("*")]:
            if (path.is_file() or path.is_symlink()) and path not in kept:
                path.unlink()


def drop_debug(file: Path) -> None:
    """Cut off what no program header names, which is never loaded (man 5 elf), as sstrip does."""
    data = bytearray(file.read_bytes())
    if data[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
        return
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    ends = [table + size * count]
    for header in range(table, ends[0], size):
        offset, _, _, length = struct.unpack_from("<4Q", data, header + 8)
        ends.append(offset + length)
    data[40:48] = bytes(8)  # nor is there a table of sections any more
    data[58:64] = bytes(6)
    file.unlink()  # other names of this file, if any, keep what they have
    file.write_bytes(data[: max(ends)])


def settle(folder: Path) -> None:
    """Give everything the same time, and rights that depend on nobody's umask."""
    for path in [*folder.rglob("*"), folder]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (TIME, TIME), follow_symlinks=False)


def compile_all(folder: Path, root: Path, mode: PycInvalidationMode) -> None:
    """Compile all Python in a folder; ``root`` is no part of its place in the image."""
    compileall.compile_dir(
        folder, stripdir=root, prependdir="/", quiet=2, workers=0, invalidation_mode=mode
    )
    # What it could not do it keeps to itself: a full disk has to fail the build.
    for source in folder.rglob("*.py"):
        if not Path(cache_from_source(str(source))).is_file():
            place = f"/{source.relative_to(root)}"
            try:
                py_compile.compile(str(source), dfile=place, doraise=True, invalidation_mode=mode)
            except py_compile.PyCompileError as error:
                if error.exc_type_name == "MemoryError":  # others are of files for other Pythons
                    raise


def main(folder: Path) -> None:
    for packages in folder.glob("opt/venv/lib/python3*/site-packages"):
        remove(packages)
        for file in [path for pattern in DEBUGGABLE for path in packages.glob(pattern)]:
            drop_debug(file)
    # The disk is read-only at run time: without this, each start would compile everything again.
    # The code is compared with it, by hash, at each import; the libraries, being locked, are not.
    compile_all(folder / "opt", folder, PycInvalidationMode.UNCHECKED_HASH)
    compile_all(folder / "srv", folder, PycInvalidationMode.CHECKED_HASH)
    settle(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
