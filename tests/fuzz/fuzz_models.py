"""Real model files with parts changed: ``inspect`` must answer or refuse each, and nothing else.

    python -m tests.fuzz.fuzz_models --seconds 600 [--seed 7] [--zoo xgboost_models ...]

A case is one file, changed a few times: bits flipped, bytes spliced from another file, lengths
replaced by extreme ones, opcodes of a pickle swapped, parts doubled, moved or cut off. Whatever
goes wrong is written to ``--failures`` together with its seed. With atheris installed (it is no
requirement of the project), ``--atheris`` lets the coverage guide the changes instead.
"""

import argparse
import contextlib
import faulthandler
import hashlib
import io
import json
import os
import pickle
import pickletools
import random
import re
import resource
import struct
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 10.0
MEGABYTES = 300
# Larger files make slow cases that find no more.
_MAX_SEED = 400_000
_EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1,
             2**63, 2**64 - 1]  # fmt: skip
_OPCODES = [ord(opcode.code) for opcode in pickletools.opcodes]
_WORDS = [
    b"os", b"system", b"sklearn", b"numpy", b"_sklearn_version", b"n_features_in_", b"classes_",
    b"joblib.numpy_pickle", b"NumpyArrayWrapper", b"dtype", b"O8", b"V8", b"-1", b"1e999", b"NaN",
    b"null", b"[", b"{", b"}", b'"', b"\\ud800", b"\xff\xfe", b"\x1b[31m", b"\0", b"\n",
    b"99999999999", b"data.pkl", b"config.json", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06",
    b"feature_names=",
    b"../../etc/passwd", b"!!python/object", b"__class__", b"module", b"shape", b"F32",
]  # fmt: skip


@dataclass
class Result:
    """What a run found."""

    cases: int = 0
    seconds: float = 0.0
    outcomes: Counter = field(default_factory=Counter)
    failures: list[dict] = field(default_factory=list)
    slowest: float = 0.0
    peak: float = 0.0

    def __str__(self) -> str:
        rate = self.cases / max(self.seconds, 1e-9)
        return (
            f"{self.cases} cases in {self.seconds:.0f} s ({rate:.0f} a second): "
            f"{dict(self.outcomes)}, slowest {self.slowest:.1f} s, peak {self.peak:.0f} MB, "
            f"{len(self.failures)} failures"
        )


# Changes ---------------------------------------------------------------------------------------


def flip(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Flip bits, few or many."""
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Overwrite a few bytes with random ones, or with an opcode."""
    at = rng.randrange(len(data))
    some = rng.randbytes(rng.choice([1, 1, 2, 4, 16]))
    data[at : at + len(some)] = bytes([rng.choice(_OPCODES)]) if rng.random() < 0.4 else some


def lengths(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Put an extreme number where a length may be, of any width and byte order."""
    width = rng.choice("BHIQ")
    number = rng.choice(_EXTREMES) % (1 << 8 * struct.calcsize(width))
    packed = struct.pack(rng.choice("<>") + width, number)
    at = rng.randrange(max(1, len(data) - len(packed)))
    data[at : at + len(packed)] = packed


def splice(data: bytearray, rng: random.Random, other: bytes) -> None:
    """Put a part of another file somewhere."""
    start = rng.randrange(len(other))
    part = other[start : start + rng.choice([2, 8, 40, 300, 4000])]
    at = rng.randrange(len(data) + 1)
    data[at : at + (len(part) if rng.random() < 0.5 else 0)] = part


def cut(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Cut off the end, the start, or a part in the middle."""
    a, b = sorted(rng.randrange(len(data)) for _ in range(2))
    if rng.random() < 0.5:
        del data[b or 1 :]
    else:
        del data[a : min(b, a + rng.choice([1, 4, 50, 100_000]))]


def double(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Repeat a part, once or very often."""
    at = rng.randrange(len(data))
    part = data[at : at + rng.choice([1, 3, 20, 500])]
    data[at:at] = part * rng.choice([1, 1, 2, 50, 2000])
    del data[4_000_000:]


def move(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Put a part somewhere else."""
    at = rng.randrange(len(data))
    part = data[at : at + rng.choice([1, 8, 100])]
    del data[at : at + len(part)]
    to = rng.randrange(len(data) + 1)
    data[to:to] = part


def word(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Put a word that means something to a reader, or digits for digits."""
    numbers = [*re.finditer(rb"\d+", data)] if rng.random() < 0.4 else []
    if numbers:
        found = rng.choice(numbers)
        data[found.start() : found.end()] = str(rng.choice([*_EXTREMES, -1])).encode()
        return
    text, at = rng.choice(_WORDS), rng.randrange(len(data))
    data[at : at + (len(text) if rng.random() < 0.5 else 0)] = text


def opcodes(data: bytearray, rng: random.Random, other: bytes) -> None:
    """Take the opcodes of a pickle apart: drop, swap, repeat some, or change what they carry."""
    found = _positions(bytes(data))
    if len(found) < 3:
        return flip(data, rng, other)
    first = rng.randrange(len(found) - 1)
    start, end = found[first], found[min(first + rng.choice([1, 1, 2, 10]), len(found) - 1)]
    part = bytes(data[start:end])
    choice = rng.randrange(5)
    if choice == 0:
        del data[start:end]
    elif choice == 1:
        data[start:start] = part * rng.choice([1, 5, 1000])
    elif choice == 2:
        at = rng.choice(found)
        data[at:at] = part
    elif choice == 3:
        data[start] = rng.choice(_OPCODES)
    else:
        data[start:start] = rng.choice([
            b"N", b"(", b"t", b"0", b"2", b"]", b"}", b"R", b"b", b"\x81", b"\x93", b"\x94",
            b"h\x00", b"cos\nsystem\n", b"\x85", b"\x86", b"u", b"e", b"a", b"s", b"\x8f", b"\x90",
            b"\x91", b"Q",
        ])  # fmt: skip
    return None


CHANGES: list[Callable[[bytearray, random.Random, bytes], None]] = [
    flip, overwrite, lengths, splice, cut, double, move, word, opcodes, opcodes,
]  # fmt: skip


def _positions(data: bytes) -> list[int]:
    """Where the opcodes begin, as far as it reads."""
    found: list[int] = []
    with contextlib.suppress(Exception):
        for _, _, position in pickletools.genops(io.BytesIO(data)):
            found.append(position or 0)
            if len(found) >= 20_000:
                break
    return found


def changed(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Return the file with one to five changes; inside a zip or a compression, mostly."""
    if data[:2] == b"PK" and rng.random() < 0.7:
        return _changed_member(data, rng, other)
    if data[:1] == b"\x78" and rng.random() < 0.8:
        with contextlib.suppress(zlib.error):
            return zlib.compress(changed(zlib.decompress(data), rng, other), 1)
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 5])):
        if not out:
            break
        rng.choice(CHANGES)(out, rng, other)
    return bytes(out)


def _changed_member(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Change one member of a zip file, and write it with a directory that fits."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = [(info.filename, file.read(info)) for info in file.infolist()]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError):
        return data
    chosen = rng.randrange(len(members))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for number, (name, content) in enumerate(members):
            if number == chosen and rng.random() < 0.05:
                continue
            if number == chosen and content:
                content = changed(content, rng, other)
            file.writestr(name, content)
    return stream.getvalue()


# Real files -------------------------------------------------------------------------------------


def own_models() -> dict[str, bytes]:
    """Files of scikit-learn and ONNX, made on the spot."""
    import joblib

    from tests.hostile.opcodes import model, program
    from tests.support import models

    found = {"hand.pkl": program(model())}
    for name, made in (("tumor", models.tumor), ("diabetes", models.diabetes)):
        estimator, frame = made()
        for protocol in (0, 2, 4, 5):
            found[f"{name}-{protocol}.pkl"] = pickle.dumps(estimator, protocol)
        for compress in (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)):
            stream = io.BytesIO()
            joblib.dump(estimator, stream, compress=compress)
            kind = compress[0] if isinstance(compress, tuple) else compress
            found[f"{name}-{kind}.joblib"] = stream.getvalue()
        found[f"{name}.onnx"] = models.to_onnx_bytes(estimator, frame.columns)
    return found


def zoo_models(scripts: list[str]) -> dict[str, bytes]:
    """Files that the zoo's scripts make."""
    from tests.support.zoo import made

    return {name: data for script in scripts for name, data in files(made(script)[0]).items()}


def files(path: Path) -> dict[str, bytes]:
    """A file, or every file below a folder; its own folders are told by a ``+`` in the name."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {
        f"{path.name}-{file.relative_to(path).as_posix().replace('/', '+')}": file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != "truth.json"
    }


# Running ----------------------------------------------------------------------------------------


class Target:
    """Lets ``inspect`` read bytes, in a folder where a canary would show."""

    def __init__(self, folder: Path, seeds: dict[str, bytes]) -> None:
        from tests.hostile.watching import Watch

        self.folder, self.seeds = folder, seeds
        self.watch = Watch()

    def _folder(self, name: str) -> Path:
        """The folder model that this is a file of, written once."""
        head = name.partition("+")[0]
        path = self.folder / head
        if not path.exists():
            for other, content in self.seeds.items():
                if other.partition("+")[0] == head:
                    file = path / other.partition("+")[2].replace("+", "/")
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content)
        return path

    def read(self, name: str, data: bytes) -> tuple[str, str, float]:
        """Return the outcome (card, refused or a failure), its text, and the seconds it took."""
        from mlship.card import ModelCard
        from mlship.errors import ModelError
        from mlship.inspection import inspect

        path = self.folder / f"case{Path(name).suffix}"
        if "+" in name:  # a file of a folder model is read in its folder, beside the others
            path = self._folder(name)
            (path / name.partition("+")[2].replace("+", "/")).write_bytes(data)
        else:
            path.write_bytes(data)
        self.watch.seen = []
        faulthandler.dump_traceback_later(60, exit=True)
        started = time.process_time()
        self.watch.on = True
        try:
            card = inspect(path)
            self.watch.on = False
            outcome, text = "card", ""
            if not isinstance(card, ModelCard):
                outcome, text = "failure", f"it returned {card!r}"
        except ModelError as error:
            self.watch.on = False
            outcome, text = "refused", error.what + error.why + error.next
        except BaseException as error:
            self.watch.on = False
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome, text = "failure", traceback.format_exc()
        seconds = time.process_time() - started
        faulthandler.cancel_dump_traceback_later()
        if path.is_dir():
            (path / name.partition("+")[2].replace("+", "/")).write_bytes(self.seeds[name])
        else:
            path.unlink(missing_ok=True)
        if os.path.lexists("canary"):
            Path("canary").unlink()
            return "failure", "the canary was made", seconds
        if outcome != "failure" and self.watch.seen:
            return "failure", f"it ran {self.watch.seen[:3]}", seconds
        if outcome != "failure" and seconds > SECONDS:
            return "failure", f"it took {seconds:.1f} s", seconds
        if outcome != "failure" and len(text) > 20_000:
            return "failure", f"a message of {len(text)} characters", seconds
        return outcome, text, seconds


def run(
    seconds: float, seed: int, seeds: dict[str, bytes], failures: Path, most: int = 50
) -> Result:
    """Change and read files for so many seconds; the same seed makes the same cases."""
    from tests.hostile.watching import forget_peak, import_all, peak

    import_all()
    failures.mkdir(parents=True, exist_ok=True)
    failures = failures.resolve()
    usable = {name: data for name, data in seeds.items() if 0 < len(data) <= _MAX_SEED}
    names, result, seen = sorted(usable), Result(), set()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            target = Target(Path(folder), seeds)
            for name in names:  # the unchanged files also warm the imports up
                target.read(name, usable[name])
            forget_peak()
            resting = peak()
            started = time.monotonic()
            while time.monotonic() - started < seconds and len(result.failures) < most:
                case = f"{seed}-{result.cases}"
                rng = random.Random(case)
                name, other = rng.choice(names), usable[rng.choice(names)]
                data = changed(usable[name], rng, other)
                # What is being read when the process is killed, or hangs.
                (failures / "last").write_bytes(data)
                outcome, text, took = target.read(name, data)
                high = peak()
                result.peak = max(result.peak, high)
                # numpy and scikit-learn are here too: they made the files to change.
                if outcome != "failure" and high > resting + MEGABYTES - 50:
                    outcome, text = "failure", f"it took {high - resting:.0f} MB"
                    forget_peak()
                result.cases += 1
                result.outcomes[outcome] += 1
                result.slowest = max(result.slowest, took)
                if outcome == "failure":
                    where = _where(text)
                    if where in seen:
                        continue
                    seen.add(where)
                    digest = hashlib.sha256(data).hexdigest()[:12]
                    file = failures / f"{digest}-{name}"
                    file.write_bytes(data)
                    result.failures.append({"seed": case, "file": str(file), "text": text[-2500:]})
                    print(f"FAILURE seed {case}, {file}\n{text[-2500:]}", flush=True)
            result.seconds = time.monotonic() - started
        finally:
            os.chdir(before)
    (failures / "last").unlink(missing_ok=True)
    return result


def _where(text: str) -> str:
    """The place a failure comes from, so that each is told once."""
    lines = re.findall(r'File "([^"]+)", line (\d+)', text)
    return str(lines[-1]) if lines else re.sub(r"[\d.]+", "#", text)[:200]


def _guided(seeds: dict[str, bytes], failures: Path) -> None:
    """Let atheris choose the changes by what they reach."""
    import atheris

    from tests.hostile.watching import import_all

    with atheris.instrument_imports(include=["mlship"]):
        import_all()
    failures.mkdir(parents=True, exist_ok=True)
    corpus = Path(tempfile.mkdtemp(prefix="atheris-"))
    names = sorted(name for name, data in seeds.items() if len(data) <= _MAX_SEED)
    for number, name in enumerate(names):
        (corpus / name).write_bytes(bytes([number]) + seeds[name])
    target = Target(Path(tempfile.mkdtemp()), seeds)
    os.chdir(target.folder)

    def one(data: bytes) -> None:
        if len(data) > 1:
            outcome, text, _ = target.read(names[data[0] % len(names)], data[1:])
            assert outcome != "failure", text

    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={failures}/"], one)
    atheris.Fuzz()


def main(argv: list[str] | None = None) -> int:
    """Run from the command line; the exit status is 1 after a failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--zoo", nargs="*", default=[], help="scripts of tests/zoo to take files of"
    )
    parser.add_argument("--files", nargs="*", type=Path, default=[], help="more files or folders")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--atheris", action="store_true")
    given = parser.parse_args(argv)
    seeds = own_models() | zoo_models(given.zoo)
    for path in given.files:
        seeds |= files(path)
    print(f"seed {given.seed}, {len(seeds)} files", flush=True)
    # A bomb must not take the machine with it; numpy and scikit-learn are loaded here, too.
    resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
    if given.atheris:
        _guided(seeds, given.failures.resolve())
        return 0
    result = run(given.seconds, given.seed, seeds, given.failures)
    print(result)
    print(json.dumps([failure["file"] for failure in result.failures], indent=1))
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
