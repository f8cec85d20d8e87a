"""Hostile pickles: each does harm when it is loaded by the loader it was made for.

The harm is a file ``canary`` in the current folder; where it needs something that is not here, or
would be another harm, the entry says so.
"""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zlib
from dataclasses import dataclass

from tests.hostile.gadgets import CALLS, CHAINS, SHELL, SOURCE
from tests.hostile.opcodes import (
    Code,
    build,
    call,
    dtype,
    model,
    named,
    new,
    program,
    stacked,
    value,
    wrapper,
)  # fmt: skip

SYSTEM = named("os", "system")
HARM = call(SYSTEM, SHELL)
_TYPE = named("builtins", "type")


@dataclass(frozen=True)
class Hostile:
    """One hostile pickle.

    Attributes:
        name: what it tries.
        data: the file.
        reported: what the refusal or the card's dangers must name; empty when nothing can be told.
        harm: empty when loading it makes the canary, else what it does or needs.
        loader: ``pickle`` (the C one, from a file) or ``joblib``.
        body: the opcodes alone, where they can be put into a model's attribute.
    """

    name: str
    data: bytes
    reported: str = ""
    harm: str = ""
    loader: str = "pickle"
    body: Code | None = None


def _calls() -> list[Hostile]:
    found = []
    for number, (module, name, args, harm) in enumerate(CALLS):
        body = call(named(module, name), *args)
        # Python 2's names are mapped below protocol 3 only.
        data = program(body, 2 if module in ("__builtin__", "commands", "cPickle") else 4)
        found.append(Hostile(f"call-{number}-{module}.{name}", data, module, harm, body=body))
    for title, (body, (module, _), harm) in CHAINS.items():
        found.append(Hostile(f"chain-{title}", program(body), module, harm, body=body))
    return found


def _with_attribute(name: str, function: Code) -> Code:
    """An instance whose attribute of that name is the function."""
    return new("argparse", "Namespace", {name: function})


def _opcodes() -> list[Hostile]:
    """Every opcode that can import or call, and every way to name what is imported."""
    short = stacked("os", "system")
    extension = {1: b"\x82\x09", 2: b"\x83\x09\x01", 4: b"\x84\x09\x00\x01\x00"}
    mapped = Code(named("builtins", "map") + value((SYSTEM, [SHELL])) + b"\x81")
    mapped_ex = Code(named("builtins", "map") + value((SYSTEM, [SHELL])) + b"}\x92")
    executing = call(_TYPE, "X", (), {"__setitem__": named("builtins", "exec")})
    bodies = {
        "global-reduce": HARM,
        "stack-global": call(short, SHELL),
        "stack-global-binunicode8": call(
            Code(b"\x8d" + struct.pack("<Q", 2) + b"os" + value("system") + b"\x93"), SHELL
        ),
        "inst": Code(b"(" + value(SHELL) + b"ios\nsystem\n"),
        "obj": Code(b"(" + SYSTEM + value(SHELL) + b"o"),
        "obj-then-pop": Code(b"(" + SYSTEM + value(SHELL) + b"o0N"),
        "reduce-then-pop-mark": Code(b"(" + HARM + b"1N"),
        "newobj": Code(named("builtins", "bytes") + mapped + b"\x85\x81"),
        "newobj-ex": Code(named("builtins", "tuple") + mapped_ex + b"\x85}\x92"),
        "build-setstate": build(_with_attribute("__setstate__", SYSTEM), SHELL),
        "build-attribute-of-a-class": Code(
            build(named("argparse", "Namespace"), (None, {"append": SYSTEM})) + b"0"
            + new("argparse", "Namespace") + value(SHELL) + b"a"
        ),
        "append": Code(_with_attribute("append", SYSTEM) + value(SHELL) + b"a"),
        "appends": Code(
            _with_attribute("extend", named("subprocess", "call")) + b"("
            + value("touch") + value("canary") + b"e"
        ),
        "setitem": Code(call(executing) + value(SOURCE) + b"}s"),
        "setitems": Code(call(executing) + b"(" + value(SOURCE) + b"}u"),
        "additems": Code(_with_attribute("add", SYSTEM) + b"(" + value(SHELL) + b"\x90"),
        "inside-a-list": value([1, HARM]),
        "inside-a-tuple": value((1, (HARM, 2))),
        "inside-a-dict-value": value({"a": {"b": HARM}}),
        "inside-a-dict-key": Code(b"}" + HARM + b"Ns"),
        "inside-a-frozenset": Code(b"(" + HARM + b"\x91"),
        "inside-a-set": Code(b"\x8f(" + HARM + b"\x90"),
        "argument-of-a-harmless-call": call(named("collections", "Counter"), [HARM]),
        "state-of-a-harmless-object": new("types", "SimpleNamespace", {"a": HARM}),
    }  # fmt: skip
    found = [
        Hostile(f"opcode-{name}", program(body), _named_in(name), body=body)
        for name, body in bodies.items()
    ]
    for width, code in extension.items():
        number = int.from_bytes(code[1:], "little")
        register = call(named("copyreg", "add_extension"), "os", "system", number)
        body = Code(register + b"0" + call(Code(code), SHELL))
        found.append(Hostile(f"opcode-ext{width}", program(body), "copyreg", body=body))
    old = {
        "protocol-0": b"cos\nsystem\n(S'echo>canary'\ntR.",
        "protocol-0-inst": b"(S'echo>canary'\nios\nsystem\n.",
        "protocol-1": b"cos\nsystem\nq\x00(U\x0becho>canaryq\x01tq\x02Rq\x03.",
        "protocol-2-mapped": program(call(named("commands", "getoutput"), SHELL), 2),
        "protocol-2-imap": program(
            call(named("collections", "deque"), call(named("itertools", "imap"), SYSTEM, [SHELL])),
            2,
        ),
        "protocol-2-cpickle": program(
            call(named("cPickle", "loads"), b"cos\nsystem\n(S'echo>canary'\ntR."), 2
        ),
        "protocol-raised-on-the-way": b"(\x80\x04"
        + call(named("pathlib", "os.system"), SHELL)
        + b"l.",
        # picklescan issues 14 and 22, GHSA-9gvj-pp9x-gcfr: what the memo holds is not what it says
        "memo-put-confusion": b"\x80\x04Vos\np2\n0Vsystem\np3\n0Vtorch\np0\n0VLongStorage\np1\n0"
        b"g2\ng3\n\x93(Vecho>canary\ntR.",
        "memo-memoize-confusion": b"\x80\x04U\x02osq\x00U\x06systemq\x01U\x0ctorch._utils\x94"
        b"U\x12_rebuild_tensor_v2\x940000h\x00h\x01\x93(Vecho>canary\ntR.",
        "memo-overwritten": b"\x80\x04Vtorch\nq\x00Vos\nq\x00\x30\x30h\x00Vsystem\n\x93"
        b"(Vecho>canary\ntR.",
        "names-by-string-opcodes": b"S'os'\nS'system'\n\x93S'echo>canary'\n\x85R.",
        "names-by-dup": b"\x80\x04Vos\nVsystem\n22\x30\x30\x93Vecho>canary\n\x85R.",
        # modelscan issue 85: names are parked as attributes of a function
        "names-parked-on-a-function": b"\x80\x05cnumpy\nprod\nN(Va\nVos\nd\x86b"
        b"N(Vb\nVsystem\nd\x86b"
        b"0cnumpy\nprod.a\np0\ncnumpy\nprod.b\np1\n00g0\ng1\n\x93Vecho>canary\n\x85R.",
        # modelscan issue 330: a function of numpy made to give its own builtins
        "numpy-size": program(
            Code(
                named("numpy", "size") + b"p1\n" + named("numpy", "__builtins__") + b"p3\n0"
                + b"}}Vshape\ng3\ns\x86b0g1\n" + value(("a", "eval")) + b"0N"
            )
        ),
        # an allowed function makes the name while the file is loaded
        "names-by-rot13": program(
            call(
                Code(
                    call(named("_codecs", "encode"), "bf", "rot13")
                    + call(named("_codecs", "encode"), "flfgrz", "rot13") + b"\x93"
                ),
                SHELL,
            )
        ),
        "names-by-join": program(
            call(
                Code(
                    call(named("builtins", "str.join"), "", ["o", "s"])
                    + call(named("builtins", "str.join"), "", ["sys", "tem"]) + b"\x93"
                ),
                SHELL,
            )
        ),
        # picklescan data/sys_module_override_sploit.pkl
        "sys-modules-replaced": b"csys\nmodules\np0\nVsys\ng0\ns0csys\nget\n(Vos\ntRp1\n0g0\nVsys\n"
        b"g1\ns0csys\nsystem\n(Vecho>canary\ntR.",
        # python/cpython issue 154848: an unpickler in C reads on past the end of a frame
        "frame-too-short": b"\x80\x04\x95\x02" + bytes(7) + bytes(HARM) + b".",
        "frame-too-long": b"\x80\x04" + HARM + b"0\x95\xff" + bytes(7) + b"N.",
        "frame-in-a-frame": b"\x80\x04\x95\x0c" + bytes(7) + b"\x95\x01" + bytes(7) + HARM + b".",
        "persid": b"Pos.system\n.",
        "binpersid": program(Code(value("os.system") + b"Q")),
        "next-buffer": program(call(SYSTEM, Code(b"\x97")), 5),
        "readonly-buffer": program(call(SYSTEM, Code(b"\x97\x98")), 5),
        "second-pickle": pickle.dumps([1, 2]) + program(HARM),
        "second-pickle-in-a-model": program(HARM) + program(model()),
    }  # fmt: skip
    harmless_alone = {
        "numpy-size": "the calls that follow depend on the release of numpy",
        "frame-too-short": "a Python before 3.13.15", "frame-in-a-frame": "a Python before 3.13.15",
        "names-by-rot13": "", "persid": "needs a loader of persistent ids",
        "binpersid": "needs a loader of persistent ids", "next-buffer": "needs buffers",
        "readonly-buffer": "needs buffers", "second-pickle": "loaded by a loop, as torch has one",
    }  # fmt: skip
    reported = {
        "protocol-2-mapped": "commands", "protocol-2-imap": "itertools",
        "protocol-2-cpickle": "cPickle", "protocol-raised-on-the-way": "pathlib",
        "names-parked-on-a-function": "", "numpy-size": "numpy", "names-by-rot13": "",
        "names-by-join": "str.join", "sys-modules-replaced": "sys", "persid": "", "binpersid": "",
        "second-pickle": "",
    }  # fmt: skip
    return found + [
        Hostile(f"opcode-{name}", data, reported.get(name, "os"), harmless_alone.get(name, ""))
        for name, data in old.items()
    ]


def _named_in(name: str) -> str:
    return {"setitem": "exec", "setitems": "exec", "appends": "subprocess"}.get(name, "os")


def _broken() -> list[Hostile]:
    """The call comes before the break: a loader has made it when it notices."""
    before = b"\x80\x04" + HARM + b"0"
    tails = {
        "no-stop": b"N", "unknown-opcode": b"\xff\xfe", "no-memo-entry": b"h\x63.",
        "number-as-name": value(42) + value("os") + b"\x93.", "empty-stack": b"0000000.",
        "no-mark": b"t.", "bad-utf8": b"X\x02\x00\x00\x00\xff\xfe.", "bad-float": b"Fx\n.",
        "bad-int": b"Ix\n.", "bad-string": b"Sx\n.", "bad-global": b"c\xff\n\xff\n.",
        "bad-protocol": b"\x80\x63.", "cut-string": b"X\xff\xff\xff\x00abc", "cut-line": b"Vabc",
        "odd-items": b"}(NNNu.", "unhashable-key": b"}]Ns.", "build-of-none": b"N}b.",
        "call-of-none": b"N)R.", "long-of-minus": b"\x8b\xff\xff\xff\xff.",
        "unknown-extension": b"\x82\x77.", "huge-bytes": b"\x8e" + b"\xff" * 7 + b"\x7f",
        "huge-frame": b"\x95" + b"\xff" * 7 + b"\x7fN.", "huge-memo": b"r\xff\xff\xff\x7f.",
        "random": bytes(range(255, 100, -1)),
    }  # fmt: skip
    return [Hostile(f"broken-{name}", before + tail, "os") for name, tail in tails.items()]


def _names() -> list[Hostile]:
    """Names that look like others, or that no terminal should print."""
    absent = "needs a module of that name"
    names = {
        "homoglyph": ("о" + "s", "system"), "fullwidth": ("ｏｓ", "system"),
        "zero-width": ("os\u200b", "system"), "right-to-left": ("\u202eso", "metsys"),
        "case": ("OS", "System"), "space": ("os ", "system"), "dot": ("os.", "system"),
        "relative": (".os", "system"), "path": ("../os", "system"), "empty": ("", ""),
        "empty-module": ("", "system"), "empty-name": ("os", ""), "nul": ("os\0", "system"),
        "escape": ("\x1b[2J\x1b[31mos", "\x1b]0;owned\x07system"), "newline": ("os\nfake: ok", "x"),
        "carriage-return": ("os\rsafe      ", "x"), "surrogate": ("\ud800", "x"),
        "huge": ("o" * (1 << 20), "x"), "huge-name": ("os", "x" * (1 << 20)),
        "markup": ("[link=x]os[/link]", "[bold]x[/bold]"), "of-mlship": ("mlship.commands", "uv"),
        "of-the-project": ("app.model", "Model"), "dunder": ("__main__", "x"),
        "many-dots": ("os" + ".a" * 10_000, "x"), "like-a-model": ("sklearn.os", "Ridge"),
        "private-copy": ("sklearn.externals.joblib", "load"),
    }  # fmt: skip
    return [
        Hostile(f"name-{title}", program(call(stacked(*name), SHELL)), harm=absent)
        for title, name in names.items()
    ]


def _hidden(skipped: int = 0) -> bytes:
    """Harm inside a bytes value: who starts to read ``5 + skipped`` bytes further, runs it.

    To anybody else a model follows.
    """
    return value(bytes(skipped) + HARM + b".") + b"00" + model() + b"."


def _joblib() -> list[Hostile]:
    """joblib writes arrays between the opcodes: who misjudges one, misreads all that follows."""
    joblib_wrapper = named("joblib.numpy_pickle", "NumpyArrayWrapper")
    ndarray, bytes5 = named("numpy", "ndarray"), dtype("V5")
    state = {"shape": (1,), "order": "C", "dtype": bytes5, "subclass": ndarray}
    state |= {"allow_mmap": False, "numpy_array_alignment_bytes": None}
    record = build(
        call(named("numpy", "dtype"), "V8", False, True),
        (3, "|", None, ("a",), {"a": (dtype("O8"), 0)}, 8, 1, 63),
    )
    inner = program(HARM)
    # As many elements as make the data of who takes them for raw bytes reach the very end.
    padded = inner + b"N0" * 4
    padded += b"N" * (-len(padded) % 8)
    nothing = pickle.dumps([], 4)
    evil = b"0" + HARM
    evil += b"N" * (len(evil) % 2)
    framed = wrapper(dtype(f"V{len(evil)}"), (1,)) + evil
    framed = b"\x95" + struct.pack("<Q", len(framed)) + framed + b"N0" * (len(evil) // 2)
    frame = b"\x80\x04\x95\x01" + bytes(7) + HARM + b"."
    files = {
        "object-array": wrapper(dtype("O8"), (1,)) + inner + b".",
        "object-array-in-a-frame-too-short": wrapper(dtype("O8"), (1,)) + frame + b".",
        # dtype.hasobject makes joblib unpickle; by its code, V8, it is raw bytes.
        "record-of-objects": wrapper(record, (len(padded) // 8,)) + padded
        + b"0" + model() + b".",
        # The state of a dtype overrides the size that its code tells.
        "size-in-the-state": wrapper(dtype("V1005", size=5), (1,)) + _hidden()[:5]
        + (b"0" + HARM + b".").ljust(1000, b"N") + b"0" + model() + b".",
        "size-in-the-state-smaller": wrapper(dtype("V1", size=6), (1,)) + b"\0" + _hidden(),
        # The array follows the frame, not the opcode.
        "array-after-the-frame": framed + b"0" + model() + b".",
        # Its attributes come from __init__: by default there is an alignment byte (66 is "B").
        "alignment-by-init": build(
            call(joblib_wrapper, ndarray, (0,), "C", dtype("f8")),
            {"shape": (0,), "dtype": dtype("f8")},
        ) + _hidden(66 - 4),
        "wrapper-by-partial": build(
            call(call(named("functools", "partial"), joblib_wrapper, ndarray, (1,), "C", bytes5)),
            state,
        ) + _hidden(),
        "wrapper-by-max": build(
            call(named("builtins", "max"), [new("joblib.numpy_pickle", "NumpyArrayWrapper")]), state
        ) + _hidden(),
        "wrapper-by-another-way": build(
            new("joblib._store_backends", "numpy_pickle.NumpyArrayWrapper"), state
        ) + _hidden(),
        "state-in-two-parts": build(
            new("joblib.numpy_pickle", "NumpyArrayWrapper"), ({**state, "shape": (0,)}, state)
        ) + _hidden(),
        "shape-of-bools": build(
            new("joblib.numpy_pickle", "NumpyArrayWrapper"), {**state, "shape": (True, True)}
        ) + _hidden(),
        # Bytes that numpy reads as booleans are a whole pickle to who sees no element type.
        "dtype-by-class": wrapper(call(named("numpy.dtypes", "BoolDType")), (len(nothing) + 5,))
        + nothing + _hidden(),
        "old-wrapper": new("joblib.numpy_pickle_compat", "NDArrayWrapper",
                           {"filename": "/nowhere", "subclass": None}) + b".",
    }  # fmt: skip
    reported = {
        "object-array": "os",
        "object-array-in-a-frame-too-short": "",
        "old-wrapper": "joblib",
    }
    harm = {
        "old-wrapper": "unpickles another file",
        "object-array-in-a-frame-too-short": "a Python before 3.13.15 and a joblib before 1.6",
        "shape-of-bools": "none: both read the same",
        "state-in-two-parts": "none: both read the same",
    }
    # What pickle reads as opcodes is data of an array to joblib.
    as_opcodes = wrapper(dtype(f"V{len(evil)}"), (1,)) + evil
    return [
        *(
            Hostile(f"joblib-{name}", b"\x80\x04" + data, reported.get(name, ""),
                    harm.get(name, ""), "joblib")
            for name, data in files.items()
        ),
        Hostile("pickle-array-as-opcodes", program(as_opcodes), body=as_opcodes),
    ]  # fmt: skip


def _carriers() -> list[Hostile]:
    """The same harm in a larger or compressed file."""
    plain, alone = program(HARM), "joblib reads one part only"
    padded = program(Code(value(b"\0" * (1 << 20)) + b"0" + HARM))
    found = {
        "after-padding": (padded, "pickle"),
        "zlib": (zlib.compress(plain), "joblib"), "gzip": (gzip.compress(plain), "joblib"),
        "bz2": (bz2.compress(plain), "joblib"), "xz": (lzma.compress(plain), "joblib"),
        "lzma": (lzma.compress(plain, lzma.FORMAT_ALONE), "joblib"),
        "gzip-of-two-parts": (gzip.compress(plain[:9]) + gzip.compress(plain[9:]), "joblib"),
        "zlib-of-two-parts": (zlib.compress(plain[:9]) + zlib.compress(plain[9:]), "joblib"),
    }  # fmt: skip
    return [
        Hostile(f"carrier-{name}", data, *(("", alone) if "two" in name else ("os", "")), loader)
        for name, (data, loader) in found.items()
    ]


def _reduced() -> list[Hostile]:
    """Written by pickle itself and by cloudpickle, not by hand."""
    import cloudpickle

    class Evil:
        def __reduce__(self):
            return exec, (SOURCE,)

    class ByValue:
        def __reduce__(self):
            return (lambda source: exec(source)), (SOURCE,)

    found = [
        Hostile(f"reduce-protocol-{protocol}", pickle.dumps(Evil(), protocol), "exec")
        for protocol in range(6)
    ]
    stream = io.BytesIO()
    cloudpickle.dump(ByValue(), stream)
    return [*found, Hostile("reduce-cloudpickle", stream.getvalue(), "cloudpickle")]


def corpus() -> list[Hostile]:
    """Every entry, by a unique name."""
    found = [
        *_calls(), *_opcodes(), *_broken(), *_names(), *_joblib(), *_carriers(), *_reduced(),
    ]  # fmt: skip
    in_models = [
        Hostile(f"model-{each.name}", program(model(extra_=each.body)), each.reported, each.harm)
        for each in found
        if each.body is not None
    ]
    every = [*found, *in_models]
    assert len({each.name for each in every}) == len(every)
    return every
