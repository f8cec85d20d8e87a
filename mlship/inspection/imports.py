"""Which imports of a pickle are harmless, which run code of the file's choosing, which are custom.

An allow-list: whatever belongs to the standard library or to a library that models are made with,
and is not known to be harmless, is a danger. A module also offers whatever it imported itself
(``sklearn.feature_selection._base.attrgetter``), so functions are listed one by one. Names of other
modules can't be judged from here; the project has to provide them, or the file is refused.
"""

from __future__ import annotations

import _compat_pickle
import ast
import re
import sys
from collections.abc import Iterable
from dataclasses import replace

from mlship.card import Import
from mlship.inspection.inert import Inert

# Exact names of the standard library that only build values.
_STANDARD = {
    "builtins": "set frozenset list dict tuple int float complex bool str bytes bytearray slice "
    "range object Ellipsis NotImplemented abs len sum min max round",  # see _CALLED
    "collections": "OrderedDict defaultdict Counter deque",
    "copyreg": "_reconstructor __newobj__",
    "_codecs": "encode",
    "functools": "partial",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "pathlib": "PosixPath WindowsPath PurePosixPath PureWindowsPath Path",
    "math": "log log10 log2 log1p exp sqrt sin cos tan ceil floor",
    "random": "Random",
}
# Python 2 names for the same.
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_CLASS = r"_*[A-Z]\w*"
_NUMPY_MATH = (
    r"log|log1p|log2|log10|exp|exp2|expm1|sqrt|cbrt|square|abs|absolute|fabs|sign|negative"
    r"|reciprocal|sin|cos|tan|arcsin|arccos|arctan|arctan2|sinh|cosh|tanh|arcsinh|arctanh|deg2rad"
    r"|rad2deg|floor|ceil|rint|round|around|trunc|clip|nan_to_num|maximum|minimum|mean|median|std"
    r"|var|sum|prod|cumsum|nanmean|nanmedian|ravel|squeeze|reshape|array|asarray|atleast_2d|isnan"
    r"|isfinite|ones|zeros|dot|ones_like|zeros_like|add|subtract|multiply|divide|power|hypot"
)
_PANDAS = (
    r"DataFrame|Series|\w*Index|Categorical|\w+Dtype|Timestamp|Timedelta|Interval|NaTType|NAType"
    r"|\w*BlockManager|\w*Block|BlockPlacement|Flags|\w+Array|_unpickle_block|new_block"
    r"|_new_(\w+)?Index|_unpickle_timestamp|__pyx_unpickle_\w+|_?_nat_unpickle|_timedelta_unpickle"
)
# What sklearn's modules hold but did not define; and modules of its own that act.
_BORROWED = (
    r"Parallel|Memory|Path|Thread\w*|Process\w*|Queue|Client|Listener|Connection|StringIO"
    r"|MethodType|Popen|Callable|Protocol|NamedTuple|ABC|ABCMeta|Counter|UserDict|Iterable|Mapping"
    r"|MutableMapping|Sequence|Integral|Real|Number|Enum|UnionType|Parameter|ThreadpoolController"
    r"|SkipTest|LinearOperator|MaskedArray|List|Optional|Union|Literal"
)
_SKLEARN_ACTING = r"externals|datasets|callback|utils|experimental|conftest|tests|_build_utils"
# (module, name) patterns of libraries that models are made with.
_LIBRARIES = [
    (r"numpy", r"ndarray|dtype|matrix|nan|inf|number|generic|integer|floating|bool|bool_|str_"
               r"|bytes_|object_|void|u?int(8|16|32|64)?|float(16|32|64|128)?|complex(64|128)"),
    (r"numpy(\._?core\.(_multiarray_umath|umath|fromnumeric))?", _NUMPY_MATH),
    (r"numpy\._?core\.multiarray", r"_reconstruct|scalar|ndarray|dtype"),
    (r"numpy\._?core\.numeric", r"_frombuffer"),
    (r"numpy\.dtypes", r"\w+DType"),
    (r"numpy\.ma(\.core)?", r"_mareconstruct|MaskedArray|MaskedConstant"),
    (r"numpy\.random(\._pickle|\._mt19937|\._pcg64|\._philox|\._sfc64|\.mtrand"
     r"|\._generator|\.bit_generator)?",
     r"__(randomstate|generator|bit_generator)_ctor|RandomState|Generator|SeedSequence"
     r"|__pyx_unpickle_\w+|MT19937|PCG64(DXSM)?|Philox|SFC64"),
    (r"scipy\.sparse(\.\w+)*", r"(csr|csc|coo|dia|lil|dok|bsr)_(matrix|array)"),
    # Their state is looked at as well, see gadgets().
    (r"scipy\.stats\.(_distn_infrastructure|_continuous_distns|_discrete_distns|_multivariate)",
     r"rv_\w*frozen|rv_sample|\w+_gen"),
    (r"scipy\.special(\._ufuncs|\._basic|\._logsumexp|\._boxcox)?",
     r"expit|logit|erf|gamma|gammaln|xlogy|(inv_)?boxcox(1p)?|softmax|log_softmax|exp10|log1p"),
    (r"scipy\._lib\.array_api_compat\.numpy\._aliases", r"asarray"),
    (r"scipy\.interpolate(\.\w+)*", r"[A-Z]\w*(Spline|Poly|Interpolator)|PPoly|interp1d"),
    (r"scipy\.spatial(\.\w+)*", r"cKDTree|KDTree"),
    (r"scipy\.optimize(\.\w+)*", r"OptimizeResult|LbfgsInvHessProduct"),
    (rf"sklearn(\.(?!({_SKLEARN_ACTING})\b)\w+)*",
     rf"(?!({_BORROWED})$)({_CLASS})|__pyx_unpickle_\w+|newObj|make_column_selector"),
    # Cython wrote its module's short name into the losses of 1.4 and 1.5.
    (r"_loss", r"Cy[A-Z]\w+|__pyx_unpickle_\w+"),
    (r"sklearn\.utils(\._bunch)?", r"Bunch"),
    (r"sklearn\.utils\._random", r"__pyx_unpickle_\w+"),
    (r"sklearn\.utils\.validation", r"check_array"),
    (r"sklearn\.metrics(\.\w+)*",
     r"\w+_(score|error|loss|distances?|kernel|deviance|similarity|coef)|confusion_matrix"),
    (r"sklearn\.feature_selection(\._univariate_selection|\._mutual_info)?",
     r"f_classif|f_regression|f_oneway|r_regression|chi2|mutual_info_(classif|regression)"),
    (r"sklearn\.preprocessing\._function_transformer", r"_identity"),
    (r"sklearn\.feature_extraction\.text", r"strip_accents_(ascii|unicode)|strip_tags"),
    (r"joblib\.numpy_pickle", r"NumpyArrayWrapper"),
    (r"pandas(\.core\.(frame|series|(internals|indexes|dtypes|arrays)(\.\w+)*))?", _PANDAS),
    (r"pandas\._libs\.(internals|arrays|interval|tslibs(\.\w+)*)", _PANDAS),
    (r"xgboost\.(core|sklearn)", r"Booster|XGB\w+"),
    (r"lightgbm\.(basic|sklearn)", r"Booster|LGBM\w+|_\w+FunctionWrapper"),
    (r"catboost(\.core)?|_catboost", r"_?CatBoost\w*"),
    # Weights, as torch.save and torch.jit.save write them.
    (r"torch", r"\w+Storage|Size|device|float\d+|bfloat16|u?int\d+|bool|complex\d+|Tensor"),
    (r"torch\._utils", r"_rebuild_(tensor(_v2)?|parameter)"),
    (r"torch\.storage", r"\w+Storage"),
    (r"torch\.jit\._pickle", r"build_\w+|restore_type_tag"),
    (r"__torch__(\.\w+)*", r"\w+"),
]  # fmt: skip
# What may be called with arguments of the file's choosing, besides being named.
_CALLED = [
    (r"builtins", r"bytes|bytearray|set|frozenset|slice|complex|range|list|dict|tuple"),
    (r"collections", r"OrderedDict|defaultdict|Counter|deque"),
    (r"copyreg", r"_reconstructor|__newobj__"),
    (r"_codecs", r"encode"),
    (r"functools", r"partial"),
    (r"datetime|decimal|fractions|uuid|pathlib", r"\w+"),
    (r"numpy", r"dtype"),
    (r"numpy\._?core\.multiarray", r"_reconstruct|scalar"),
    (r"numpy\._?core\.numeric", r"_frombuffer"),
    (r"numpy\.ma\.core", r"_mareconstruct"),
    (r"numpy\.random(\.\w+)?", r"__\w+_ctor|__pyx_unpickle_\w+"),
    (r"sklearn(\.\w+)*|_loss", r"__pyx_unpickle_\w+|newObj|Cy[A-Z]\w+"),
    (r"sklearn\.tree\._tree", r"Tree"),
    (r"sklearn\.linear_model\._sgd_fast",
     r"Hinge|SquaredHinge|ModifiedHuber|Log|SquaredLoss|Huber|(Squared)?EpsilonInsensitive"),
    (r"pandas(\.\w+)*", r"_unpickle_\w+|new_block|_new_(\w+)?Index|_?_nat_unpickle"
                        r"|_timedelta_unpickle|__pyx_unpickle_\w+|BlockPlacement"),
    (r"torch", r"Size|device"),
    (r"torch\._utils|torch\.jit\._pickle", r"\w+"),
]  # fmt: skip
_COMPILED_CALLS = [(re.compile(module), re.compile(name)) for module, name in _CALLED]
_COMPILED = [(re.compile(module), re.compile(name)) for module, name in _LIBRARIES]
# Libraries with dangers in them, and what is installed beside every server.
_KNOWN = {
    "numpy", "scipy", "sklearn", "joblib", "pandas", "xgboost", "lightgbm", "catboost", "torch",
    "tensorflow", "keras", "transformers", "onnx", "onnxruntime", "skops", "mlflow",
    "cloudpickle", "dill", "pip", "setuptools", "pkg_resources", "wheel", "idlelib", "nt",
    "posix", "winreg", "IPython", "pytest", "py", "ctypes", "cffi", "numba", "jax", "fastapi",
    "flask", "starlette", "uvicorn", "gunicorn", "werkzeug", "jinja2", "anyio", "click",
    "pydantic", "pydantic_settings", "prometheus_client", "httpx", "aiohttp", "requests",
    "urllib3", "yaml", "h5py", "numexpr", "uvloop", "httptools", "threadpoolctl", "loky",
    "narwhals", "app", "tests", "mlship",
}  # fmt: skip
# Standard modules that other versions of Python have or had (PEP 594 and What's New).
_OTHER_STANDARD = {
    "aifc", "annotationlib", "asynchat", "asyncore", "audioop", "binhex", "cgi", "cgitb", "chunk",
    "compression", "crypt", "distutils", "dummy_threading", "formatter", "imghdr", "imp", "lib2to3",
    "macpath", "macurl2path", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "parser",
    "pipes", "smtpd", "sndhdr", "spwd", "sunau", "symbol", "telnetlib", "uu", "xdrlib",
}  # fmt: skip
# The standard library's modules under their names of Python 2, which protocol 2 still writes.
_PYTHON2 = {name.partition(".")[0] for name in _compat_pickle.IMPORT_MAPPING}
# Where a module of another library comes from, when its distribution has another name.
DISTRIBUTIONS = {
    "imblearn": "imbalanced-learn",
    "category_encoders": "category-encoders",
    "feature_engine": "feature-engine",
    "sklego": "scikit-lego",
    "sklearn_pandas": "sklearn-pandas",
    "mlxtend": "mlxtend",
    "ngboost": "ngboost",
}


def judge(found: Iterable[Import]) -> tuple[tuple[Import, ...], tuple[str, ...]]:
    """Return the dangerous imports, and the top-level modules that nobody here knows.

    Modules of ``DISTRIBUTIONS`` are neither: the project can install them.
    """
    dangers: list[Import] = []
    modules: dict[str, None] = {}
    for each in found:
        if _is_harmless(each):
            continue
        top = each.module.partition(".")[0]
        plain = re.fullmatch(r"\w+(\.\w+)*", each.module) and re.fullmatch(r"\w+", each.name)
        if _is_installed(top) or not plain:
            dangers.append(each)
        elif top not in DISTRIBUTIONS:
            modules[top] = None
        elif not re.fullmatch(rf"(?!({_BORROWED})$)({_CLASS})", each.name):
            dangers.append(each)
    return tuple(dangers), tuple(modules)


def gadgets(
    objects: Iterable[Inert], calls: Iterable[Import], modules: Iterable[str] = ()
) -> tuple[Import, ...]:
    """Return what is harmless to import, but runs code by how it is used.

    Classes are made by ``__new__`` alone; only few functions and constructors may be called, else
    one class's ``__call__`` reaches another's method (sklearn's ``_Scorer``). scipy's distributions
    ``exec`` the text in their state (``rv_generic.__setstate__``).
    """
    own = set(modules)
    found = [
        replace(each, name=f"{each.name}(...)")
        for each in calls
        if _is_harmless(each) and not _may_be_called(each)
        and each.module.partition(".")[0] not in own
    ]  # fmt: skip
    for each in objects:
        if each.origin.module.startswith("scipy.stats"):
            state = each.state
            template = state.get("_parse_arg_template", "") if isinstance(state, dict) else None
            if each.built and (template is None or not _only_returns(template)):
                found.append(Import(each.module, f"{each.name} with code in its state", 0))
    return tuple(found)


def distributions(found: Iterable[Import]) -> tuple[str, ...]:
    """Return the further distributions that the imports come from."""
    tops = {each.module.partition(".")[0] for each in found}
    return tuple(sorted(DISTRIBUTIONS[top] for top in tops & DISTRIBUTIONS.keys()))


def _is_installed(top: str) -> bool:
    """Tell whether a module may be there wherever the model is loaded; ``_`` begins internals."""
    if top == "__main__":
        return False
    names = (_KNOWN, sys.stdlib_module_names, _OTHER_STANDARD, _PYTHON2)
    return top.startswith("_") or any(top in each for each in names)


def _is_harmless(found: Import) -> bool:
    module = _RENAMED.get(found.module, found.module)
    if found.name in _STANDARD.get(module, "").split():
        return True
    return any(m.fullmatch(module) and n.fullmatch(found.name) for m, n in _COMPILED)


def _may_be_called(found: Import) -> bool:
    module = _RENAMED.get(found.module, found.module)
    return any(m.fullmatch(module) and n.fullmatch(found.name) for m, n in _COMPILED_CALLS)


def _only_returns(template: object) -> bool:
    """Tell whether a text defines nothing but ``_parse_args...`` that return their arguments."""
    if not isinstance(template, str) or len(template) > 4096:
        return False
    try:
        tree = ast.parse(template)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    harmless = (
        ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Tuple, ast.Name,
        ast.Load, ast.Constant, ast.UnaryOp, ast.USub, ast.Call, ast.Attribute, ast.keyword,
    )  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Call | ast.Attribute):
            called = node.func if isinstance(node, ast.Call) else node
            if ast.unparse(called) != "self._argcheck_rvs":  # all that scipy's own text calls
                return False
        if not isinstance(node, harmless) or getattr(node, "decorator_list", None):
            return False
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_parse_args"):
            return False
        if isinstance(node, ast.arguments) and not all(
            isinstance(default, ast.Constant) for default in node.defaults
        ):
            return False
    return True
