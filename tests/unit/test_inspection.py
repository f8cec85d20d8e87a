"""Reading model files: the card equals the truth, and nothing in the file runs."""

import bz2
import contextlib
import json
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from mlship.digest import sha256_of
from mlship.errors import ModelError
from mlship.inspection import inspect
from tests.support import models

X = np.random.default_rng(0).normal(5, 2, size=(60, 3))
Y = np.array(["no", "yes", "perhaps"])[np.arange(60) % 3]
NUMBERS = X @ [1.0, 2.0, 3.0]

# estimator, task, classes, probabilities
ESTIMATORS = {
    "logistic": (LogisticRegression().fit(X, Y), "classification", True, True),
    "pipeline": (make_pipeline(StandardScaler(), SVC()).fit(X, Y), "classification", True, False),
    "svc": (SVC(probability=True).fit(X, Y), "classification", True, True),
    "linear-svc": (LinearSVC().fit(X, Y), "classification", True, False),
    "sgd-hinge": (SGDClassifier().fit(X, Y), "classification", True, False),
    "sgd-log": (SGDClassifier(loss="log_loss").fit(X, Y), "classification", True, True),
    "forest": (RandomForestClassifier(3).fit(X, Y), "classification", True, True),
    "boosting": (
        GradientBoostingClassifier(n_estimators=3).fit(X, Y),
        "classification",
        True,
        True,
    ),
    "ridge": (Ridge().fit(X, NUMBERS), "regression", False, False),
    "search": (
        GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1, 2]}).fit(
            X, NUMBERS
        ),
        "regression",
        False,
        False,
    ),
    "kmeans": (KMeans(3, n_init=1).fit(X), "clustering", False, False),
    "isolation": (IsolationForest(n_estimators=5).fit(X), "outlier-detection", False, False),
}


def dump_pickle(protocol):
    return lambda model, path: path.write_bytes(pickle.dumps(model, protocol))


def dump_joblib(compress):
    return lambda model, path: joblib.dump(model, path, compress=compress)


WRITERS = {
    "pickle2.pkl": dump_pickle(2),
    "pickle3.pkl": dump_pickle(3),
    "pickle4.pkl": dump_pickle(4),
    "pickle5.pkl": dump_pickle(5),
    "plain.joblib": dump_joblib(0),
    "zlib.joblib": dump_joblib(3),
    "gzip.joblib": dump_joblib(("gzip", 3)),
    "bz2.joblib": dump_joblib(("bz2", 3)),
    "xz.joblib": dump_joblib(("xz", 3)),
    "lzma.joblib": dump_joblib(("lzma", 3)),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learn(tmp_path, name, writer):
    import sklearn

    model, task, has_classes, probabilities = ESTIMATORS[name]
    path = tmp_path / writer
    WRITERS[writer](model, path)
    card = inspect(path)
    assert (card.framework, card.framework_version) == ("scikit-learn", sklearn.__version__)
    assert [f.name for f in card.features] == ["x0", "x1", "x2"]
    assert card.classes == (("no", "perhaps", "yes") if has_classes else ())
    assert (card.task, card.probabilities) == (task, probabilities)
    assert hasattr(model, "predict_proba") == probabilities
    assert card.requirements[0] == f"scikit-learn=={sklearn.__version__}"
    assert (card.sha256, card.size) == (sha256_of(path), path.stat().st_size)


@pytest.mark.parametrize("kind", ["tumor.joblib", "diabetes.joblib", "tumor.onnx", "diabetes.onnx"])
def test_named_columns(tmp_path, kind):
    card = inspect(models.save(kind, tmp_path))
    assert [f.name for f in card.features] == list(models.rows(kind, 1).columns)
    assert card.features[0].dtype == ("float32" if kind.endswith("onnx") else "float64")
    assert card.classes == (("benign", "malignant") if "tumor" in kind else ())


def test_example_is_the_training_mean(tmp_path):
    _, frame = models.tumor()
    for kind in ("tumor.joblib", "tumor.onnx"):
        card = inspect(models.save(kind, tmp_path))
        assert card.example == pytest.approx(frame.mean().to_list(), rel=1e-3)


@pytest.mark.parametrize(
    "labels", [np.array([True, False]), np.array([0, 1, 7]), np.array([0.0, 2.0])]
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_classes_of_every_type(tmp_path, labels, protocol):
    model = LogisticRegression().fit(X, labels[np.arange(60) % len(labels)])
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model, protocol))
    assert inspect(path).classes == tuple(sorted(labels.tolist()))


@pytest.mark.parametrize("zipmap", [False, True])
def test_onnx_with_and_without_zipmap(tmp_path, zipmap):
    path = tmp_path / "m.onnx"
    path.write_bytes(models.to_onnx_bytes(ESTIMATORS["logistic"][0], "abc", zipmap=zipmap))
    card = inspect(path)
    assert (card.task, card.classes) == ("classification", ("no", "perhaps", "yes"))
    assert card.probabilities and len(card.output_names) == 2
    assert [f.name for f in card.features] == ["a", "b", "c"]


def test_onnx_with_integer_classes(tmp_path):
    model = RandomForestClassifier(3).fit(X, np.arange(60) % 3 + 5)
    path = tmp_path / "m.onnx"
    path.write_bytes(models.to_onnx_bytes(model, "abc"))
    assert inspect(path).classes == (5, 6, 7)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_large_weights_are_not_read(tmp_path):
    """200 MB of arrays: the reader's memory stays small."""
    path = tmp_path / "big.joblib"
    model = Ridge().fit(X, NUMBERS)
    model.huge_ = np.zeros(25_000_000)
    joblib.dump(model, path)
    # VmHWM, not ru_maxrss: that one remembers the test process it was forked from.
    code = (
        "import re, sys; from pathlib import Path; from mlship.inspection import inspect;"
        "assert len(inspect(Path(sys.argv[1])).features) == 3;"
        "status = Path('/proc/self/status').read_text();"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 80


class Canary:
    """Would write a file when unpickled by anything that runs what the file names."""

    path = ""

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("place", ["root", "attribute"])
def test_nothing_in_the_file_runs(tmp_path, place):
    Canary.path = str(tmp_path / "executed")
    model = Ridge().fit(X, NUMBERS)
    model.extra_ = Canary()
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model if place == "attribute" else Canary()))
    with contextlib.suppress(ModelError):
        inspect(path)
    assert not (tmp_path / "executed").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "executed").exists(), "the canary itself does not work"


def test_no_framework_is_imported(tmp_path):
    for kind in ("tumor.joblib", "tumor.onnx"):
        path = models.save(kind, tmp_path)
        code = (
            "import json, sys; from pathlib import Path; from mlship.inspection import inspect;"
            "inspect(Path(sys.argv[1])); print(json.dumps(sorted(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
        loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
        assert not loaded & {"numpy", "sklearn", "joblib", "onnx", "onnxruntime", "scipy"}


def write(path, data):
    path.write_bytes(data)
    return path


def refusals(tmp_path):
    good = models.save("tumor.joblib", tmp_path).read_bytes()
    graph = models.save("tumor.onnx", tmp_path).read_bytes()
    unfitted = pickle.dumps(Ridge())
    dicts = make_pipeline(DictVectorizer(), LogisticRegression()).fit([{"a": 1}, {"b": 1}], [0, 1])
    return {
        "missing.joblib": (None, "does not exist"),
        "text.txt": (b"just some text", "can't tell what"),
        "old.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
        "empty.joblib": (b"", "empty"),
        "empty.onnx": (b"", "empty"),
        "garbage.pkl": (b"\x93garbage" * 50, "damaged"),
        "garbage.onnx": (bytes(range(256)) * 10, "not an ONNX model"),
        "cut.joblib": (good[: len(good) // 2], "damaged"),
        "cut-compressed.joblib": (bz2.compress(good)[:-40], "damaged"),
        "cut.onnx": (graph[:-20], "not an ONNX model"),
        "dict.pkl": (pickle.dumps({"a": 1}), "holds no model"),
        "unfitted.pkl": (unfitted, "how many features"),
        "dicts.pkl": (pickle.dumps(dicts), "takes dicts"),
        "weights.safetensors": (b"\x08" + bytes(7) + b'{"a": 1}' + bytes(9), "safetensors"),
        "array.npy": (b"\x93NUMPY" + bytes(100), "numpy array"),
    }


REFUSED = [
    "missing.joblib", "text.txt", "old.h5", "empty.joblib", "empty.onnx", "garbage.pkl",
    "garbage.onnx", "cut.joblib", "cut-compressed.joblib", "cut.onnx", "dict.pkl", "unfitted.pkl",
    "dicts.pkl", "weights.safetensors", "array.npy",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_plain_words(tmp_path, name):
    found = refusals(tmp_path)
    assert list(found) == REFUSED
    data, words = found[name]
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelError, match=words) as caught:
        inspect(path)
    assert caught.value.next


def onnx_file(path, inputs, outputs, nodes, initializers=()):
    """Write a graph of (name, type, shape) inputs and outputs, and (op, inputs, outputs) nodes."""
    from onnx import TensorProto, helper

    def values(described):
        return [helper.make_tensor_value_info(n, getattr(TensorProto, t), s)
                for n, t, s in described]  # fmt: skip

    made = [helper.make_node(op, i, o) for op, i, o in nodes]
    graph = helper.make_graph(made, "g", values(inputs), values(outputs), list(initializers))
    return write(path, helper.make_model(graph).SerializeToString())


def test_onnx_of_images(tmp_path):
    shape = [None, 3, "height", 8]
    path = onnx_file(tmp_path / "m", [("image", "FLOAT", shape)], [("out", "FLOAT", shape)],
                     [("Identity", ["image"], ["out"])])  # fmt: skip
    card = inspect(path)
    (image,) = card.features
    assert (image.name, image.dtype, image.shape) == ("image", "float32", (3, None, 8))
    assert (card.takes, card.task, card.output_names) == ("inputs", "inference", ("out",))


def test_onnx_of_several_inputs(tmp_path):
    inputs = [("city", "STRING", [None, 1]), ("age", "INT64", ["n"]), ("past", "DOUBLE", [None, 4])]
    path = onnx_file(tmp_path / "m", inputs, [("out", "INT64", ["n"])],
                     [("Identity", ["age"], ["out"])])  # fmt: skip
    card = inspect(path)
    assert [(f.name, f.dtype, f.shape) for f in card.features] == [
        ("city", "string", ()), ("age", "int64", ()), ("past", "float64", (4,)),
    ]  # fmt: skip
    assert card.input_names == ("city", "age", "past")


def test_onnx_of_texts_and_of_flags(tmp_path):
    for kind, dtype in (("STRING", "string"), ("BOOL", "bool"), ("UINT8", "uint8")):
        path = onnx_file(tmp_path / "m", [("x", kind, [None, 2])], [("y", kind, [None, 2])],
                         [("Identity", ["x"], ["y"])])  # fmt: skip
        card = inspect(path)
        assert [(f.name, f.dtype) for f in card.features] == [("x0", dtype), ("x1", dtype)]


def test_onnx_that_one_file_can_not_run_is_refused(tmp_path):
    from onnx import TensorProto, helper

    shape = [None, 2]
    away = TensorProto(name="w", dims=[2], data_type=1, data_location=TensorProto.EXTERNAL)
    entry = away.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    for words, nodes, tensors in (
        ("other files", [helper.make_node("Add", ["x", "w"], ["y"])], [away]),
        ("operators", [helper.make_node("Odd", ["x"], ["y"], domain="com.example")], []),
    ):
        info = [helper.make_tensor_value_info(n, 1, shape) for n in "xy"]
        graph = helper.make_graph(nodes, "g", info[:1], info[1:], tensors)
        path = write(tmp_path / "m.onnx", helper.make_model(graph).SerializeToString())
        with pytest.raises(ModelError, match=words):
            inspect(path)


def test_onnx_with_a_fixed_batch_is_refused(tmp_path):
    from onnx import TensorProto, helper

    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [1, 4])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4])
    node = helper.make_node("Identity", ["rows"], ["out"])
    graph = helper.make_model(helper.make_graph([node], "g", [rows], [out]))
    path = write(tmp_path / "m.onnx", graph.SerializeToString())
    with pytest.raises(ModelError, match="exactly 1 row"):
        inspect(path)


def converted(tmp_path, model, zipmap=False):
    path = tmp_path / "m.onnx"
    path.write_bytes(models.to_onnx_bytes(model, "abc", zipmap=zipmap))
    return inspect(path)


def test_onnx_margins_are_no_probabilities(tmp_path):
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier

    for model in (LinearSVC(), SGDClassifier(), SVC()):
        card = converted(tmp_path, model.fit(X, Y))
        assert not card.probabilities and len(card.output_names) == 1, model
    for model in (SGDClassifier(loss="log_loss"), GaussianNB(), KNeighborsClassifier(3)):
        assert converted(tmp_path, model.fit(X, Y)).probabilities, model
    for name in ("logistic", "forest", "boosting"):
        assert converted(tmp_path, ESTIMATORS[name][0]).probabilities, name


def test_meta_estimators(tmp_path):
    from sklearn.ensemble import StackingClassifier, VotingClassifier
    from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier

    pair = [("a", LogisticRegression()), ("b", RandomForestClassifier(3))]
    for model in (
        VotingClassifier(pair, voting="soft"),
        VotingClassifier(pair, voting="hard"),
        StackingClassifier(pair, cv=2),
        OneVsRestClassifier(LinearSVC()),
        OneVsRestClassifier(LogisticRegression()),
        OneVsOneClassifier(LinearSVC()),
    ):
        model.fit(X, Y)
        path = tmp_path / "m.joblib"
        joblib.dump(model, path)
        card = inspect(path)
        assert len(card.features) == 3, model
        assert card.probabilities == hasattr(model, "predict_proba"), model


def test_what_can_not_predict_is_refused(tmp_path):
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import LocalOutlierFactor

    for model in (DBSCAN(), LocalOutlierFactor(), StandardScaler()):
        path = tmp_path / "m.joblib"
        joblib.dump(model.fit(X), path)
        with pytest.raises(ModelError, match="can't predict new rows"):
            inspect(path)
    joblib.dump(LocalOutlierFactor(novelty=True).fit(X), path)
    assert inspect(path).task == "outlier-detection"


@pytest.mark.parametrize("names", [["\ud800", "b", "c"], ["a", "a", "c"]])
def test_names_that_can_not_be_written_are_refused(tmp_path, names):
    model = Ridge().fit(X, NUMBERS)
    model.feature_names_in_ = np.array(names, dtype=object)
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model))
    with pytest.raises(ModelError, match="name"):
        inspect(path)


def test_an_array_of_no_known_type_is_no_list():
    from mlship.inspection.arrays import Array

    for code in ("mean_", "", "f", "8", "U1x", "f99999999999"):
        assert Array(code, (1,), b"12345678").tolist() is None
    assert Array("i2", (2,), b"\x00\x01\x00\x02", ">").tolist() == [1, 2]
