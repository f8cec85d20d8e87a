"""Functions that do harm when a pickle calls them: the published bypasses of pickle scanners.

Collected from the advisories of picklescan (github.com/mmaitre314/picklescan/security/advisories),
fickling (trailofbits/fickling issues 190, 210, 302) and modelscan (protectai/modelscan issues 85,
263, 313, 330, 331, 338), and from the standard library itself.
"""

import marshal

from tests.hostile.opcodes import Code, build, call, named, new, stacked, value

# What each entry does when it is really loaded: it makes the file ``canary`` in the current folder.
SHELL = "echo>canary"
SOURCE = "open('canary','w').close()"
EXPRESSION = "open('canary','w')"
ARGV = ["touch", "canary"]
SH = ["/bin/sh", "-c", SHELL]
NETWORK, TORCH, ABSENT = "connects to a host", "needs torch", "not in every Python"
CRASH = "ends or blocks the process"

_system = named("os", "system")
_os = call(named("builtins", "__import__"), "os")
_getattr = named("builtins", "getattr")
_nested = b"cos\nsystem\n(S'echo>canary'\ntR."
_code = marshal.dumps(compile(SOURCE, "<hostile>", "exec"))
_path = call(named("pathlib", "PosixPath"), "canary")
_namespace = new("types", "SimpleNamespace", {"a": 1})
_array = call(named("numpy", "array"), [1.0])

# module, name, arguments, harm: empty when it makes the canary.
CALLS: list[tuple[str, str, tuple, str]] = [
    # builtins, by their names of Python 2 and 3
    ("builtins", "eval", (EXPRESSION,), ""),
    ("builtins", "exec", (SOURCE,), ""),
    ("builtins", "open", ("canary", "w"), ""),
    ("io", "open", ("canary", "w"), ""),
    ("__builtin__", "eval", (EXPRESSION,), ""),
    ("__builtin__", "exec", (SOURCE,), ""),
    ("builtins", "breakpoint", (), CRASH),
    ("builtins", "input", (), CRASH),
    # commands
    ("os", "system", (SHELL,), ""),
    ("posix", "system", (SHELL,), ""),
    ("nt", "system", ("echo.>canary",), ABSENT),
    ("os", "popen", (SHELL,), ""),
    ("os", "execv", ("/bin/sh", SH), ""),
    ("os", "execvp", ("sh", SH), ""),
    ("os", "spawnv", (0, "/bin/sh", SH), ""),
    ("posix", "posix_spawn", ("/bin/sh", SH, {}), ""),
    ("os", "mkdir", ("canary",), ""),
    ("os", "makedirs", ("canary",), ""),
    ("os", "symlink", ("/", "canary"), ""),
    ("os", "open", ("canary", 65), ""),
    ("os", "abort", (), CRASH),
    ("os", "kill", (0, 9), CRASH),
    ("subprocess", "run", (ARGV,), ""),
    ("subprocess", "call", (ARGV,), ""),
    ("subprocess", "Popen", (ARGV,), ""),
    ("subprocess", "check_output", (ARGV,), ""),
    ("subprocess", "getoutput", (SHELL,), ""),
    ("commands", "getoutput", (SHELL,), ""),
    ("pty", "spawn", (ARGV,), ""),
    ("_posixsubprocess", "fork_exec", (), "takes 21 arguments"),
    ("multiprocessing.util", "spawnv_passfds", (b"/bin/sh", SH, ()), ""),
    ("uuid", "_get_command_stdout", ("touch", "canary"), ""),
    ("_osx_support", "_read_output", (SHELL,), ""),
    ("_aix_support", "_read_cmd_output", (SHELL,), ABSENT),
    ("_pyrepl.pager", "pipe_pager", ("text", SHELL), ABSENT),
    ("imaplib", "IMAP4_stream", (SHELL,), ""),
    ("pydoc", "pipepager", ("", SHELL), ""),
    ("pydoc", "tempfilepager", ("", "touch canary #"), ""),
    ("distutils.spawn", "spawn", (ARGV,), ABSENT),
    ("test.support.script_helper", "assert_python_ok", ("-c", SOURCE), ABSENT),
    ("asyncio.unix_events", "_UnixSubprocessTransport._start",
     (_namespace, SHELL, True, None, None, None, 0), ""),
    ("concurrent.futures", "ThreadPoolExecutor.submit",
     (call(named("concurrent.futures", "ThreadPoolExecutor"), 1), _system, SHELL), ""),
    ("_thread", "start_new_thread", (_system, (SHELL,)), ""),
    ("atexit", "register", (_system, SHELL), "runs at exit"),
    ("signal", "signal", (14, _system), "runs at a signal"),
    # source code
    ("runpy", "_run_code", (SOURCE, {}), ""),
    ("runpy", "run_path", ("/nowhere",), "needs a file"),
    ("cProfile", "run", (SOURCE,), ""),
    ("cProfile", "runctx", (SOURCE, {}, {}), ""),
    ("profile", "run", (SOURCE,), ""),
    ("profile", "Profile.run", (call(named("profile", "Profile")), SOURCE), ""),
    ("trace", "Trace.run", (call(named("trace", "Trace")), SOURCE), ""),
    ("trace", "Trace.runctx", (call(named("trace", "Trace")), SOURCE, {}, {}), ""),
    ("bdb", "Bdb.run", (call(named("bdb", "Bdb")), SOURCE), ABSENT),
    ("pdb", "run", (SOURCE,), CRASH),
    ("timeit", "timeit", (SOURCE, "pass", value(None), 1), ABSENT),
    ("timeit", "main", (["-n1", "-r1", SOURCE],), ""),
    ("doctest", "debug_script", (SOURCE, True), CRASH),
    ("code", "InteractiveInterpreter.runcode",
     (call(named("code", "InteractiveInterpreter")),
      call(named("builtins", "compile"), SOURCE, "<x>", "exec")), ""),
    ("code", "InteractiveInterpreter.runsource",
     (call(named("code", "InteractiveInterpreter")), SOURCE), ""),
    ("idlelib.calltip", "get_entity", (EXPRESSION,), ABSENT),
    ("idlelib.run", "Executive.runcode", ({}, SOURCE), ABSENT),
    ("idlelib.pyshell", "ModifiedInterpreter.runcommand", ({}, SOURCE), ABSENT),
    ("idlelib.debugobj", "ObjectTreeItem.SetText", ({}, SOURCE), ABSENT),
    ("idlelib.autocomplete", "AutoComplete.get_entity", ({}, SOURCE), ABSENT),
    ("lib2to3.pgen2.pgen", "ParserGenerator.make_label", (None, {}, '""+' + EXPRESSION), ABSENT),
    ("lib2to3.pgen2.grammar", "Grammar.loads", ({}, _nested), ABSENT),
    ("_xxsubinterpreters", "run_string",
     (call(named("_xxsubinterpreters", "create")), SOURCE), ABSENT),
    ("_interpreters", "run_string", (1, SOURCE), ABSENT),
    ("importlib._bootstrap", "_call_with_frames_removed", (named("builtins", "eval"), EXPRESSION),
     ""),
    # looking names up
    ("importlib", "import_module", ("antigravity",), "opens a browser by an import alone"),
    ("antigravity", "webbrowser", (), "opens a browser by an import alone"),
    ("builtins", "getattr", (_os, "system"), "one step of a chain"),
    ("pkgutil", "resolve_name", ("os:system",), "one step of a chain"),
    ("pydoc", "locate", ("os.system",), "one step of a chain"),
    ("operator", "attrgetter", ("system",), "one step of a chain"),
    ("inspect", "getattr_static", (_namespace, "a"), "one step of a chain"),
    ("gc", "get_objects", (), "one step of a chain"),
    ("sys", "_getframe", (), "one step of a chain"),
    ("copyreg", "add_extension", ("os", "system", 7), "one step of a chain"),
    ("zipimport", "zipimporter", ("/nowhere.zip",), "needs a file"),
    ("types", "CodeType", (), "one step of a chain"),
    # files
    ("_io", "FileIO", ("canary", "w"), ""),
    ("codecs", "open", ("canary", "w"), ""),
    ("pathlib", "Path.touch", (_path,), ""),
    ("pathlib", "PosixPath.write_text", (_path, "x"), ""),
    ("shutil", "copyfile", ("/etc/hostname", "canary"), ""),
    ("shutil", "rmtree", ("/nowhere",), "deletes a folder"),
    ("tempfile", "mkdtemp", ("", "", "canary"), "makes a folder of another name"),
    ("gzip", "GzipFile", ("canary", "w"), ""),
    ("tarfile", "open", ("canary", "w"), ""),
    ("zipfile", "ZipFile", ("canary", "w"), ""),
    ("sqlite3", "connect", ("canary",), ""),
    ("shelve", "open", ("canary",), "makes files of other names"),
    ("logging", "FileHandler", ("canary",), ""),
    ("logging.config", "dictConfig",
     ({"version": 1, "handlers": {"a": {"()": "logging.FileHandler", "filename": "canary"}}},), ""),
    ("distutils.file_util", "write_file", ("canary", ["x"]), ABSENT),
    ("py_compile", "compile", ("/etc/hostname", "canary"), "needs a file of Python"),
    ("linecache", "getlines", ("/etc/passwd",), "reads a file"),
    ("mailbox", "mbox", ("canary",), "needs a second call"),
    ("venv", "create", ("canary",), ""),
    ("ensurepip", "_run_pip", (["--version"],), "runs pip"),
    ("pip", "main", (["download", "x"],), NETWORK),
    ("site", "addsitedir", ("/nowhere",), "runs the lines of .pth files"),
    # connections
    ("socket", "create_connection", (("127.0.0.1", 9),), NETWORK),
    ("ssl", "get_server_certificate", (("127.0.0.1", 9),), NETWORK),
    ("http.client", "HTTPSConnection", ("127.0.0.1",), NETWORK),
    ("httplib", "HTTPSConnection", ("127.0.0.1",), NETWORK),
    ("smtplib", "SMTP", ("127.0.0.1",), NETWORK),
    ("ftplib", "FTP", ("127.0.0.1",), NETWORK),
    ("urllib.request", "urlopen", ("file:///etc/passwd",), NETWORK),
    ("urllib2", "urlopen", ("file:///etc/passwd",), NETWORK),
    ("xmlrpc.client", "ServerProxy", ("http" + "://127.0.0.1",), NETWORK),
    ("webbrowser", "open", ("127.0.0.1",), NETWORK),
    ("multiprocessing.connection", "Client", (("127.0.0.1", 9),), NETWORK),
    ("requests", "get", ("127.0.0.1",), NETWORK),
    ("aiohttp", "ClientSession", (), NETWORK),
    # pickles within pickles
    ("pickle", "loads", (_nested,), ""),
    ("_pickle", "loads", (_nested,), ""),
    ("cPickle", "loads", (_nested,), ""),
    ("marshal", "loads", (_code,), "one step of a chain"),
    ("cloudpickle", "loads", (_nested,), ""),
    ("cloudpickle.cloudpickle", "subimport", ("antigravity",), "opens a browser"),
    ("dill", "loads", (_nested,), ABSENT),
    ("dill._dill", "_create_function", (), ABSENT),
    ("joblib", "load", ("/nowhere",), "needs a file"),
    ("joblib.numpy_pickle", "load", ("/nowhere",), "needs a file"),
    ("pandas", "read_pickle", ("/nowhere",), "needs a file"),
    ("pandas.io.pickle", "read_pickle", ("/nowhere",), "needs a file"),
    # numpy, scipy, pandas, scikit-learn
    ("numpy.testing._private.utils", "runstring", (SOURCE, {}), ""),
    ("numpy.f2py.crackfortran", "getlincoef", (EXPRESSION, []), ""),
    ("numpy.f2py.crackfortran", "_eval_length", (EXPRESSION, {}), ""),
    ("numpy._core", "_ufunc_reconstruct", ("os", "system"), "one step of a chain"),
    ("numpy.core", "_ufunc_reconstruct", ("os", "system"), "one step of a chain"),
    ("numpy", "load", ("/nowhere", None, True), "needs a file"),
    ("numpy", "save", ("canary", [1]), "makes a file of another name"),
    ("numpy", "savetxt", ("canary", [1]), ""),
    ("numpy", "ndarray.tofile", (_array, "canary"), ""),
    ("numpy", "ndarray.dump", (_array, "canary"), ""),
    ("numpy", "memmap", ("canary", "u1", "w+", 0, (1,)), ""),
    ("numpy", "apply_along_axis", (_system, 0, [SHELL]), "one step of a chain"),
    ("numpy", "__builtins__.__getitem__", ("eval",), "one step of a chain"),
    ("numpy.ctypeslib", "load_library", ("x", "/nowhere"), "needs a file"),
    ("numpy.distutils.exec_command", "exec_command", (SHELL,), ABSENT),
    ("scipy.special", "test", (), "runs pytest on files of the file's choosing"),
    ("scipy.io", "loadmat", ("/nowhere",), "needs a file"),
    ("pandas", "eval", ("@pd.io.common.os.system('echo>canary')",), "depends on the caller"),
    ("pandas.core.computation.eval", "eval", ("1+1",), "depends on the caller"),
    ("pandas", "DataFrame.to_csv", (call(named("pandas", "DataFrame"), [1]), "canary"), ""),
    ("pandas", "DataFrame.to_pickle", (call(named("pandas", "DataFrame"), [1]), "canary"), ""),
    ("pandas", "ExcelWriter", ("canary.xlsx",), "makes a file of another name"),
    ("pandas", "HDFStore", ("canary.h5",), "makes a file of another name"),
    ("pandas", "read_csv", ("127.0.0.1",), NETWORK),
    ("pandas.io.parsers.readers", "read_csv", ("127.0.0.1",), NETWORK),
    ("sklearn.datasets", "fetch_openml", ("iris",), NETWORK),
    ("sklearn.datasets", "load_files", ("/",), "reads files"),
    ("sklearn.linear_model._ridge", "Ridge.fit.__globals__.__getitem__", ("__builtins__",),
     "one step of a chain"),
    # ctypes
    ("ctypes", "CDLL", (None,), "one step of a chain"),
    ("ctypes", "pythonapi.PyRun_SimpleString", (SOURCE.encode(),), ""),
    ("_ctypes", "dlopen", ("libm.so.6", 0), "one step of a chain"),
    # torch and other frameworks
    ("torch", "load", ("/nowhere",), TORCH),
    ("torch.serialization", "load", ("/nowhere",), TORCH),
    ("torch.storage", "_load_from_bytes", (_nested,), TORCH),
    ("torch.hub", "load", ("x", "y"), TORCH),
    ("torch.utils.collect_env", "run", (SHELL,), TORCH),
    ("torch.library", "torch.utils.collect_env.run", (SHELL,), TORCH),
    ("torch._dynamo.guards", "GuardBuilder.get", ({}, EXPRESSION), TORCH),
    ("torch._inductor.codecache", "compile_file", ("", "", SH), TORCH),
    ("torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression",
     ({}, EXPRESSION, []), TORCH),
    ("torch.fx.graph_module", "reduce_graph_module", ({"_code": SOURCE}, ""), TORCH),
    ("torch.jit.unsupported_tensor_ops", "execWrapper", (SOURCE, {}, {}), TORCH),
    ("torch.jit.annotations", "parse_type_line", (SOURCE,), TORCH),
    ("torch.utils._config_module", "ConfigModule.load_config", ({}, _nested), TORCH),
    ("torch.utils.bottleneck.__main__", "run_cprofile", (SOURCE, {}), TORCH),
    ("torch.utils.bottleneck.__main__", "run_autograd_prof", (SOURCE, {}), TORCH),
    ("torch.utils.data.datapipes.utils.decoder", "basichandlers", ("pickle", _nested), TORCH),
    ("torch.distributed.rpc", "rpc_sync", (), TORCH),
    ("tensorflow.python.framework.load_library", "load_op_library", ("x",), ABSENT),
    ("keras.models", "load_model", ("/nowhere",), ABSENT),
    ("mlflow.projects.backend.local", "_run_entry_point", (SHELL, ".", "", ""), ABSENT),
    ("transformers.utils.hub", "cached_file", ("x", "y"), ABSENT),
    ("skops.io", "load", ("/nowhere",), ABSENT),
]  # fmt: skip

# Texts that scipy executes: each looks more like a template of its own than the one before.
_TEMPLATES = {
    "plain": SOURCE,
    "default": f"def _parse_args(self, x={EXPRESSION}): return (), 0, 1",
    "annotation": f"def _parse_args(self, x: {EXPRESSION}): return (), 0, 1",
    "returns": f"def _parse_args(self) -> {EXPRESSION}: return (), 0, 1",
    "decorator": f"@{EXPRESSION}.write\ndef _parse_args(self): return (), 0, 1",
    "keyword-default": f"def _parse_args(self, *, x={EXPRESSION}): return (), 0, 1",
    "lambda": f"def _parse_args(self, x=(lambda: {EXPRESSION})()): return (), 0, 1",
    "class": f"class A: x = {EXPRESSION}",
    "subscript": f"def _parse_args(self, x={{1: 2}}[len({EXPRESSION}.name)]): return (), 0, 1",
    "assert": f"assert {EXPRESSION}",
}
_KEY = "_parse_arg_template"
# The same text in other kinds of state.
_states: dict[str, object] = {name: {_KEY: text} for name, text in _TEMPLATES.items()} | {
    "in-an-ordered-dict": call(named("collections", "OrderedDict"), [(_KEY, SOURCE)]),
    "in-a-filled-dict": Code(
        call(named("collections", "OrderedDict")) + value(_KEY) + value(SOURCE) + b"s"
    ),
    "by-a-made-key": Code(
        b"}"
        + call(named("_codecs", "encode"), "_cnefr_net_grzcyngr", "rot13")
        + value(SOURCE)
        + b"s"
    ),
    "by-a-made-text": {_KEY: call(named("builtins", "str"), SOURCE.encode(), "ascii")},
}

# name: (what it pushes, (module, name) that must be reported, harm)
CHAINS: dict[str, tuple[Code, tuple[str, str], str]] = {
    "getattr": (call(call(_getattr, _os, "system"), SHELL), ("builtins", "getattr"), ""),
    "resolve-name": (
        call(call(named("pkgutil", "resolve_name"), "os:system"), SHELL),
        ("pkgutil", "resolve_name"), ""),
    "pydoc-locate": (
        call(call(named("pydoc", "locate"), "os.system"), SHELL), ("pydoc", "locate"), ""),
    "import-module": (
        call(call(named("operator", "attrgetter"), "system"), _os), ("operator", "attrgetter"),
        "one step of a chain"),
    "attrgetter": (
        call(call(call(named("operator", "attrgetter"), "system"), _os), SHELL),
        ("operator", "attrgetter"), ""),
    "methodcaller": (
        call(call(named("operator", "methodcaller"), "system", SHELL),
             call(named("importlib", "import_module"), "os")),
        ("operator", "methodcaller"), ""),
    "itemgetter": (
        call(call(_getattr, call(call(named("_operator", "itemgetter"), "os"),
                                 named("sys", "modules")), "system"), SHELL),
        ("_operator", "itemgetter"), ""),
    "partial": (
        call(call(named("functools", "partial"), _system, SHELL)), ("os", "system"), ""),
    "reduce": (
        call(named("functools", "reduce"), named("builtins", "exec"), [SOURCE, {}]),
        ("builtins", "exec"), ""),
    "map-in-deque": (
        call(named("collections", "deque"), call(named("builtins", "map"), _system, [SHELL])),
        ("os", "system"), ""),
    "default-factory": (
        call(call(_getattr, call(named("collections", "defaultdict"),
                                 call(named("functools", "partial"), _system, SHELL)),
                  "__missing__"), 1),
        ("os", "system"), ""),
    "compiled-code": (
        call(named("builtins", "eval"), call(named("marshal", "loads"), _code)),
        ("marshal", "loads"), ""),
    "function-type": (
        call(call(named("types", "FunctionType"), call(named("marshal", "loads"), _code),
                  {"open": named("builtins", "open")})),
        ("types", "FunctionType"), ""),
    "compile-exec": (
        call(named("builtins", "exec"),
             call(named("builtins", "compile"), SOURCE, "<x>", "exec")),
        ("builtins", "exec"), ""),
    "ctypes-system": (
        call(call(_getattr, call(named("ctypes", "CDLL"), None), "system"), SHELL.encode()),
        ("ctypes", "CDLL"), ""),
    "ufunc-reconstruct": (
        call(call(named("numpy._core", "_ufunc_reconstruct"), "os", "system"), SHELL),
        ("numpy._core", "_ufunc_reconstruct"), "not in every numpy"),
    "numpy-builtins": (
        call(call(named("numpy", "__builtins__.__getitem__"), "eval"), EXPRESSION),
        ("numpy", "__builtins__.__getitem__"), ""),
    "module-of-a-module": (call(stacked("pathlib", "os.system"), SHELL),
                           ("pathlib", "os.system"), ""),
    "module-of-numpy": (
        call(call(_getattr, named("numpy._core.fromnumeric", "types"), "FunctionType"),
             call(named("marshal", "loads"), _code), {"open": named("builtins", "open")}),
        ("builtins", "getattr"), "one step of a chain"),
    "globals-of-a-method": (
        call(call(named("sklearn.linear_model._ridge",
                        "Ridge.fit.__globals__.__getitem__"), "__builtins__")),
        ("sklearn.linear_model._ridge", "Ridge.fit.__globals__.__getitem__"),
        "one step of a chain"),
    "dotted-method": (call(stacked("os", "system.__call__"), SHELL),
                      ("os", "system.__call__"), ""),
    "random-state": (
        call(named("numpy.random._pickle", "__randomstate_ctor"), SHELL, _system),
        ("os", "system"), "reaches the call on some releases only"),
    "bound-method": (
        call(call(_getattr, new("subprocess", "Popen", None), "__init__"), ARGV),
        ("subprocess", "Popen"), ""),
    # scipy rebuilds a distribution's methods by exec() of a string in its state, and its class is
    # in harmless files too: the parameter distributions of a RandomizedSearchCV.
    **{
        f"scipy-template-{name}": (
            new("scipy.stats._continuous_distns", "norm_gen", state),
            ("scipy.stats._continuous_distns", "norm_gen"), "")
        for name, state in _states.items()
    },
    "scipy-template-then-another-state": (
        build(new("scipy.stats._continuous_distns", "norm_gen", {_KEY: SOURCE}), {"a": 1}),
        ("scipy.stats._continuous_distns", "norm_gen"), ""),
}  # fmt: skip
