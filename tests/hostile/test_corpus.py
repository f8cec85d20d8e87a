"""Hostile pickles: each does its harm when it is loaded, and none when mlship reads it."""

import importlib
import pickle
import pkgutil
import sys
import types

import joblib
import numpy as np
import pandas as pd
import pytest

from mlship.card import Import
from mlship.inspection import inspect
from mlship.inspection.imports import judge
from tests.hostile.corpus import corpus
from tests.hostile.opcodes import model, program
from tests.hostile.watching import complaints, loaded, watched
from tests.support.projects import mlship

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches by /proc")

CORPUS = {each.name: each for each in corpus()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files, in a folder that is also the current one of the child."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, each in enumerate(CORPUS.values()):
        _path(folder, number).write_bytes(each.data)
    return folder


def _path(folder, number):
    return folder / f"{number}.pkl"


@pytest.fixture(scope="module")
def answers(folder, tmp_path_factory):
    warm = folder / "warm.pkl"
    warm.write_bytes(program(model()))
    paths = [_path(folder, number) for number in range(len(CORPUS))]
    found = watched(folder, paths, [warm])
    return dict(zip(CORPUS, (found[str(path)] for path in paths), strict=True))


def test_each_does_its_harm_when_loaded(folder, tmp_path):
    """In a throw-away process: the canaries of the corpus sing."""
    chosen = {
        _path(folder, number): each
        for number, each in enumerate(CORPUS.values())
        if not each.harm and not each.name.startswith("model-")
    }
    assert len(chosen) > 150
    made = loaded(tmp_path, [(path, each.loader) for path, each in chosen.items()])
    silent = [each.name for path, each in chosen.items() if not made[str(path)]]
    # Not every Python and every release of numpy has all of them.
    assert len(silent) <= len(chosen) // 10, silent


@pytest.mark.parametrize("name", CORPUS)
def test_refused_or_named_and_nothing_runs(answers, name):
    each, answer = CORPUS[name], answers[name]
    assert not complaints(answer), answer["text"]
    # joblib reads as an array what pickle would run.
    if answer["outcome"] == "card" and not ("as-opcodes" in name and answer["format"] == "joblib"):
        assert answer["dangers"] or each.harm.startswith("none"), "taken for a harmless model"
    said = answer["text"] + " ".join(answer.get("dangers", []))
    assert each.reported in said, said


def test_a_model_of_the_corpus_is_harmless_without_its_payload(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(program(model()))
    card = inspect(path)
    assert (card.dangers, card.modules, len(card.features)) == ((), (), 3)
    assert pickle.loads(path.read_bytes()).predict([[1.0, 1.0, 1.0]]).tolist() == [6.5]


def test_init_refuses_dangers_unless_told_otherwise(tmp_path):
    each = CORPUS["model-opcode-global-reduce"]
    (tmp_path / "evil.pkl").write_bytes(each.data)
    argv = ("init", "evil", "--model", "evil.pkl", "--no-input", "--no-lock")
    done = mlship(*argv, cwd=tmp_path, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "os.system" in done.stderr and "--trust" in done.stderr
    assert not (tmp_path / "evil").exists() and not (tmp_path / "canary").exists()
    mlship(*argv, "--trust", cwd=tmp_path)
    assert (tmp_path / "evil").is_dir()
    assert not list(tmp_path.rglob("canary"))


SPOKEN = [
    "model-opcode-global-reduce", "name-escape", "name-newline", "name-carriage-return",
    "name-markup", "name-surrogate", "name-right-to-left", "name-huge", "name-nul",
]  # fmt: skip


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("argv", [("inspect",), ("inspect", "--json")], ids=" ".join)
def test_no_terminal_is_fooled(tmp_path, name, argv):
    """Escape sequences, line ends and markup of a file's names are not printed raw."""
    (tmp_path / "evil.pkl").write_bytes(CORPUS[name].data)
    done = mlship(*argv, "evil.pkl", cwd=tmp_path, check=False)
    said = done.stdout + done.stderr
    assert done.returncode in (0, 4), said
    assert not set(said) & {"\x1b", "\x07", "\r", "\0", "\u202e"}, said
    assert "\nfake" not in said
    assert len(said) < 50_000
    assert not (tmp_path / "canary").exists()
    if name == "name-markup":
        assert "[bold]" in said


def test_escapes_in_a_models_own_texts(tmp_path):
    texts = ["\x1b[2Jred", "a\r\nb", "[bold]c[/bold]"]
    (tmp_path / "m.pkl").write_bytes(program(model(feature_names_in_=texts)))
    for argv in (
        ("inspect", "m.pkl"),
        ("init", "m", "--model", "m.pkl", "--no-input", "--no-lock"),
    ):
        done = mlship(*argv, cwd=tmp_path, check=False)
        assert not set(done.stdout + done.stderr) & {"\x1b", "\r"}, done.stdout + done.stderr


# False alarms ---------------------------------------------------------------------------------


def harmless():
    """Fitted models whose pickles name functions, distributions, generators and searches."""
    import scipy.stats
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.ensemble import (
        AdaBoostClassifier,
        BaggingRegressor,
        ExtraTreesClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        IsolationForest,
        RandomForestClassifier,
        StackingClassifier,
        VotingRegressor,
    )  # fmt: skip
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, f_classif, f_regression
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    from sklearn.impute import KNNImputer, SimpleImputer
    from sklearn.linear_model import ElasticNetCV, LogisticRegression, Ridge, SGDClassifier
    from sklearn.metrics import accuracy_score, make_scorer
    from sklearn.model_selection import (
        GridSearchCV,
        KFold,
        RandomizedSearchCV,
        ShuffleSplit,
        StratifiedKFold,
    )  # fmt: skip
    from sklearn.naive_bayes import GaussianNB, MultinomialNB
    from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsRegressor
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import FeatureUnion, make_pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        KBinsDiscretizer,
        OneHotEncoder,
        OrdinalEncoder,
        PolynomialFeatures,
        PowerTransformer,
        QuantileTransformer,
        RobustScaler,
        SplineTransformer,
        StandardScaler,
        TargetEncoder,
    )  # fmt: skip
    from sklearn.svm import SVC, SVR
    from sklearn.tree import DecisionTreeRegressor

    random = np.random.default_rng(0)
    x, y = random.normal(5, 1, size=(60, 3)), np.arange(60) % 3
    names, numbers = np.array(["a", "b", "c"])[y], x.sum(axis=1)
    frame = pd.DataFrame(x, columns=["p", "q", "r"]).assign(kind=names, flag=y > 0)
    frame["when"] = pd.Categorical(names)
    texts = ["good day", "bad night", "so so"] * 20
    state = np.random.RandomState(0)
    generator = np.random.RandomState(np.random.MT19937(3))
    table = ColumnTransformer(
        [("n", make_pipeline(SimpleImputer(), StandardScaler()), ["p", "q"]),
         ("c", OneHotEncoder(handle_unknown="ignore"), ["kind", "when"]),
         ("o", OrdinalEncoder(), ["flag"]), ("f", FunctionTransformer(np.log1p), ["r"])],
        remainder="passthrough",
    )  # fmt: skip
    distributions = {"alpha": scipy.stats.loguniform(1e-3, 1e3)}
    more = {"C": scipy.stats.uniform(0.1, 10), "tol": scipy.stats.loguniform(1e-5, 1e-3)}
    made = {
        "log1p": (make_pipeline(FunctionTransformer(np.log1p), Ridge()), x, numbers),
        "exp-of-target": (TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp),
                          x, numbers),
        "columns": (make_pipeline(table, LogisticRegression()), frame, names),
        "target-encoder": (make_pipeline(TargetEncoder(random_state=0), Ridge()),
                           frame[["kind"]], numbers),
        "boosting": (HistGradientBoostingClassifier(max_iter=3), x, names),
        "boosting-categories": (
            HistGradientBoostingRegressor(max_iter=3, categorical_features="from_dtype"),
            frame[["p", "when"]], numbers),
        "gradient": (GradientBoostingRegressor(n_estimators=3, random_state=state), x, numbers),
        "search": (GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=KFold(2)), x, numbers),
        "random-search": (RandomizedSearchCV(Ridge(), distributions, n_iter=2, cv=2,
                                             random_state=state), x, numbers),
        "random-search-scorer": (
            RandomizedSearchCV(LogisticRegression(), more, n_iter=2, random_state=generator,
                               cv=StratifiedKFold(2, shuffle=True, random_state=state),
                               scoring=make_scorer(accuracy_score)), x, names),
        "search-scores": (GridSearchCV(SVC(), {"C": [1]}, scoring=["accuracy", "f1_macro"],
                                       refit="accuracy", cv=ShuffleSplit(2, random_state=0)),
                          x, names),
        "forest": (RandomForestClassifier(3, random_state=state), x, names),
        "extra": (ExtraTreesClassifier(3), x, names),
        "ada": (AdaBoostClassifier(n_estimators=3), x, names),
        "bagging": (BaggingRegressor(DecisionTreeRegressor(), 3), x, numbers),
        "isolation": (IsolationForest(n_estimators=3), x, None),
        "svc": (SVC(probability=True), x, names), "svr": (SVR(), x, numbers),
        "stack": (StackingClassifier([("a", GaussianNB()), ("b", SVC())], cv=2), x, names),
        "vote": (VotingRegressor([("a", Ridge()), ("b", SVR())]), x, numbers),
        "calibrated": (CalibratedClassifierCV(SGDClassifier(), cv=2), x, names),
        "neighbours": (KNeighborsClassifier(3, algorithm="ball_tree"), x, names),
        "neighbours-kd": (KNeighborsClassifier(3, algorithm="kd_tree"), x, names),
        "radius": (RadiusNeighborsRegressor(9), x, numbers),
        "gaussian": (GaussianProcessRegressor(RBF() + WhiteKernel()), x, numbers),
        "network": (MLPClassifier(5, max_iter=5), x, names),
        "elastic": (ElasticNetCV(cv=2), x, numbers),
        "texts": (make_pipeline(TfidfVectorizer(), TruncatedSVD(2), LogisticRegression()),
                  texts, names),
        "counts": (make_pipeline(CountVectorizer(strip_accents="unicode"), MultinomialNB()),
                   texts, names),
        "union": (make_pipeline(FeatureUnion([("a", PCA(2)), ("b", SelectKBest(f_classif, k=1))]),
                                LogisticRegression()), x, names),
        "select": (make_pipeline(SelectKBest(f_regression, k=2), Ridge()), x, numbers),
        "splines": (make_pipeline(SplineTransformer(), KBinsDiscretizer(3), Ridge()), x, numbers),
        "scalers": (make_pipeline(RobustScaler(), PowerTransformer(), KNNImputer(),
                                  QuantileTransformer(n_quantiles=9), PolynomialFeatures(),
                                  Ridge()), x, numbers),
    }  # fmt: skip
    return {name: estimator.fit(rows, goal) for name, (estimator, rows, goal) in made.items()}


@pytest.fixture(scope="module")
def fitted():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return harmless()


def test_harmless_models_raise_no_alarm(fitted, tmp_path):
    alarms = {}
    for name, estimator in fitted.items():
        for kind, write in {
            "0.pkl": lambda p, e=estimator: p.write_bytes(pickle.dumps(e, 0)),
            "2.pkl": lambda p, e=estimator: p.write_bytes(pickle.dumps(e, 2)),
            "5.pkl": lambda p, e=estimator: p.write_bytes(pickle.dumps(e, 5)),
            "plain.joblib": lambda p, e=estimator: joblib.dump(e, p),
            "zlib.joblib": lambda p, e=estimator: joblib.dump(e, p, compress=3),
        }.items():
            path = tmp_path / kind
            write(path)
            try:
                card = inspect(path)
            except Exception as error:  # a refusal for another reason is another test's
                if "run code" in str(error):
                    alarms[name, kind] = str(error)
                continue
            if card.dangers or card.modules:
                alarms[name, kind] = [*map(str, card.dangers), *card.modules]
    assert not alarms


# Every name that is taken for harmless --------------------------------------------------------

# Names of functions and classes that belong to another library than the module that shows them,
# and do no harm all the same.
_HARMLESS_GUESTS = ("abc", "collections", "decimal", "math", "numbers", "typing")


@pytest.mark.parametrize("library", ["numpy", "scipy", "sklearn", "pandas", "joblib"])
def test_no_module_lends_the_allowlist_a_dangerous_guest(library):
    """No name taken for harmless is a module, or a function of the standard library."""
    import warnings

    guests = []
    top = importlib.import_module(library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for found in pkgutil.walk_packages(top.__path__, f"{library}.", onerror=lambda _: None):
            skipped = (".tests", "conftest", "__main__", "setup", "f2py", "distutils", "_examples")
            if any(part in found.name for part in skipped) or "test" in found.name:
                continue
            try:
                module = importlib.import_module(found.name)
            except BaseException:
                continue
            guests += [
                f"{found.name}.{name}: {owner}"
                for name, item in vars(module).items()
                if (owner := _owner(item))
                and not any(map(bool, judge([_import(found.name, name)])))
            ]
    assert not guests, "\n".join(guests)


def _import(module, name):
    return Import(module, name, 0)


def _owner(item):
    """The library that something callable comes from, unless it is one of the models' own."""
    if isinstance(item, types.ModuleType):
        return None if item.__name__.startswith("sklearn.") else f"the module {item.__name__}"
    if not callable(item):
        return None
    owner = str(getattr(item, "__module__", "") or "").partition(".")[0]
    return owner if owner in sys.stdlib_module_names and owner not in _HARMLESS_GUESTS else None
