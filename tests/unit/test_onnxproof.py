"""The isolated program: what it takes for proven, and what it refuses. Run in this process."""

import copy
import json
import math
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from mlship.conversion import ISOLATED, request
from mlship.inspection import inspect

sys.path.insert(0, str(ISOLATED))
from onnxproof import answers, compare, doubles, proof, report, rows, spots, tensors
from onnxproof.graph import Graph, Runtime

DICE = np.random.default_rng(0)
X = DICE.normal(5, 2, size=(200, 3))
Y = (X[:, 0] + X[:, 1] > 10).astype(int)
PEOPLE = pd.DataFrame({
    "age": DICE.integers(18, 90, 200).astype(float),
    "city": np.array(["Oslo", "Bern", "Rome"])[DICE.integers(0, 3, 200)],
    "plan": np.array(["free", "paid"])[DICE.integers(0, 2, 200)],
    "floor": DICE.integers(0, 4, 200),
})  # fmt: skip


def asked(model, folder, rows=(), generated=300):
    joblib.dump(model, folder / "m.joblib")
    made = request.of(inspect(folder / "m.joblib"), rows)
    return {**made, "generated": generated}


def tried(model, folder, **how):
    return proof.prove(asked(model, folder, **how))


TREES = {"n_estimators": 30, "random_state": 0}
TAKEN = {
    "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "words": lambda: LogisticRegression().fit(X, np.array(["no", "yes"])[Y]),
    "flags": lambda: LogisticRegression().fit(X, Y.astype(bool)),
    "fractions": lambda: LogisticRegression().fit(X, Y.astype(float)),
    "forest": lambda: RandomForestClassifier(**TREES).fit(X, Y),
    "ties": lambda: ExtraTreesClassifier(**TREES).fit(X, Y),
    "three": lambda: RandomForestClassifier(**TREES).fit(X, Y + (X[:, 2] > 6)),
    "scaled": lambda: make_pipeline(StandardScaler(), RandomForestClassifier(**TREES)).fit(X, Y),
    "numbers": lambda: RandomForestRegressor(**TREES).fit(X, X[:, 0] * 2),
    "bins": lambda: HistGradientBoostingClassifier(max_iter=20).fit(X, Y),
    "line": lambda: LinearRegression().fit(X, X[:, :2] * 3),
}


@pytest.mark.parametrize("name", TAKEN)
def test_models_that_are_proven(name, tmp_path):
    model = TAKEN[name]()
    result, graph = tried(model, tmp_path)
    assert graph is not None, result["tried"]
    assert result["rows"]["compared"] > 300 and result["rows"]["edge"] > 30
    golden = result["golden"]
    assert 24 <= len(golden["rows"]) == len(golden["predictions"])
    want = model.predict(np.asarray(golden["rows"])).tolist()
    assert want == golden["predictions"]


def test_columns_become_inputs(tmp_path):
    parts = ColumnTransformer([
        ("age", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        ("city", OneHotEncoder(), ["city"]),
        ("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ("floor", OneHotEncoder(), ["floor"]),
    ])  # fmt: skip
    model = make_pipeline(parts, RandomForestClassifier(**TREES))
    request = asked(model.fit(PEOPLE, PEOPLE["age"] > 50), tmp_path)
    _result, graph = proof.prove(request)
    assert graph.inputs == list(PEOPLE)
    assert graph.dtypes == ["float64", "string", "string", "int64"]
    values, scores = Runtime(graph, request).predict([[None, "Oslo", "?", 3]])
    want = model.predict_proba(pd.DataFrame([[np.nan, "Oslo", "?", 3]], columns=list(PEOPLE)))
    assert scores[0] == pytest.approx(want[0], abs=1e-6)
    assert values.dtype == bool


class Doubled(TransformerMixin, BaseEstimator):
    """A transformer that no converter knows."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X * 2


def nearest():
    """Every row is there with both labels: which neighbours are nearest is decided by rounding."""
    twice = np.vstack([X, X])
    labels = np.r_[np.zeros(200, int), np.ones(200, int)]
    return KNeighborsClassifier(3).fit(twice, labels)


REFUSED = {
    "custom": lambda: make_pipeline(Doubled(), LogisticRegression()).fit(X, Y),
    "function": lambda: make_pipeline(FunctionTransformer(np.sinh), LogisticRegression()).fit(X, Y),
    "ties of neighbours": nearest,
    "bins": lambda: make_pipeline(KBinsDiscretizer(5), LogisticRegression()).fit(X, Y),
    "products": lambda: make_pipeline(
        PolynomialFeatures(3), StandardScaler(), RandomForestClassifier(**TREES)).fit(X, Y),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_models_that_are_not_taken(name, tmp_path):
    result, graph = tried(REFUSED[name](), tmp_path)
    assert graph is None and "golden" not in result
    assert all("error" in each or each["different"] for each in result["tried"])


def test_thresholds_in_float_are_caught(tmp_path):
    """Rounding a histogram's thresholds turns rows at them only; these have to be asked."""
    request = asked(TAKEN["bins"](), tmp_path)
    result, graph = proof.prove(request)
    assert result["tried"][-1]["candidate"] == "float64 inputs"
    spoiled = copy.deepcopy(graph.model)
    (trees,) = (node for node in spoiled.graph.node if node.op_type.startswith("TreeEnsemble"))
    (values,) = (a for a in trees.attribute if a.name == "nodes_values_as_tensor")
    exact = doubles.numpy_helper.to_array(values.t)
    rounded = exact.astype(np.float32).astype(np.float64)
    values.t.CopyFrom(doubles.numpy_helper.from_array(rounded))
    once_more = proof.Proof(request, proof.Native(request))
    once_more.ask_all()
    found = once_more.attempt(Graph("rounded", spoiled, ["float64"]))
    assert found["different"] > 0
    assert {each["kind"] for each in found["differences"]} <= {"edge", "split"}


def test_a_row_that_the_model_refuses_is_counted(tmp_path):
    """A forest refuses nothing of the schema, but a pipeline may overflow before it."""
    scaled = make_pipeline(StandardScaler(), RandomForestClassifier(**TREES)).fit(X / 1e9, Y)
    result, graph = tried(scaled, tmp_path)
    assert result["rows"]["without an answer"] > 0
    assert graph is not None


def test_one_row_that_fails_does_not_hide_the_others():
    def predict(some):
        if any(row == [3] for row in some):
            raise ValueError("three")
        return np.asarray(some)[:, 0] * (np.nan if [4] in some else 1.0), None

    found = answers.ask(predict, [[n] for n in range(5)], False)
    assert found.why == {3: "three", 4: "not finite"}
    assert found.values[:3] == [0.0, 1.0, 2.0]
    assert answers.ask(predict, [], False).values == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, 1, True), (1, True, False), (1, 1.0, False), ("1", 1, False), ("a", "a", True)],
)
def test_labels_have_to_be_of_one_type(one, other, same):
    assert compare.same_label(one, other) is same


def test_a_regression_is_measured_by_its_own_size():
    wanted = answers.Answers([1e6, 2e6, 3e6], None, {})
    size = compare.scale("regression", wanted)
    assert size == 2e6
    found = answers.Answers([1e6 + 20, 2e6 + 20, 3e6 + 90], None, {})
    assert compare.compare("regression", wanted, found, size).different == [2]
    shaped = answers.Answers([[1e6], 2e6, 3e6], None, {})
    assert compare.compare("regression", wanted, shaped, size).different == [0]
    gone = answers.Answers([1e6, 2e6, None], None, {2: "not finite"})
    assert compare.compare("regression", wanted, gone, size).different == [2]


def feature(dtype, **more):
    return {"name": "x", "dtype": dtype, "nullable": False, "categories": [], "example": 1, **more}


@pytest.mark.parametrize(
    "given",
    [feature("float64"), feature("float32", nullable=True), feature("int32"), feature("uint8"),
     feature("int64"), feature("bool"), feature("string", example="a"),
     feature("string", categories=["a", "b"], nullable=True), feature("int64", categories=[3, 4])],
    ids=lambda f: f"{f['dtype']}-{len(f['categories'])}",
)  # fmt: skip
def test_rows_are_those_that_the_schema_takes(given):
    known = [spots.Spots([1.0], [2.0], [0.5, 1e300])]
    made = rows.generated([given], known, 200, 0, [])
    made += rows.edges([given], known, made, 0)
    assert rows.fitting([given], made) == made
    values = [row[0] for row in made]
    if given["nullable"]:
        assert None in values
    if given["categories"]:
        assert set(given["categories"]) <= set(values)
    if given["dtype"] == "string" and not given["categories"]:
        assert "a value that was never seen" in values
    if given["dtype"] == "float64":
        assert {0.0, 1e30, -1e30, 1e-30, 0.5, math.nextafter(0.5, 1), 0.5 + 2**-24} <= {*values}
    if given["dtype"] == "int64" and not given["categories"]:
        assert {0, -1, 2**63 - 1, -(2**63)} <= {*values}


def test_spots_are_those_of_the_raw_columns():
    model = make_pipeline(StandardScaler(), RandomForestClassifier(**TREES)).fit(X, Y)
    found = spots.of(model, 3, ["a", "b", "c"])
    assert found[0].centers == pytest.approx([X[:, 0].mean()])
    assert found[0].spreads == pytest.approx([X[:, 0].std()])
    assert min(X[:, 0]) < min(found[0].edges) < max(found[0].edges) < max(X[:, 0])


def test_the_program_alone(tmp_path):
    """It runs without mlship, and bounds its memory."""
    given = asked(TAKEN["linear"](), tmp_path, rows=X[:10].tolist())
    asked_file, found = tmp_path / "request.json", tmp_path / "result.json"
    for memory, taken in ((given["memory"], True), (1 << 20, False)):
        asked_file.write_text(json.dumps({**given, "memory": memory}))
        found.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-P", "-s", "-m", "onnxproof", asked_file, found],
            env={"PYTHONPATH": str(ISOLATED)}, cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        result = json.loads(found.read_text()) if found.exists() else {"stderr": done.stderr}
        assert ("graph" in result) is taken, result
    for path in Path(ISOLATED).rglob("*.py"):
        assert "import mlship" not in path.read_text() and "from mlship" not in path.read_text()


def tensor(name, dtype, *sides, **more):
    return {**feature(dtype, name=name, shape=list(sides)), **more}


def test_rows_of_tensors_are_those_that_the_schema_takes():
    features = [tensor("a", "float32", 2, 3), tensor("b", "int64", 4), tensor("c", "bool", 2),
                tensor("d", "uint8"), tensor("e", "int64", 2, categories=[3, 4])]  # fmt: skip
    features[0]["example"] = [[1.0] * 3] * 2
    made = tensors.generated(features, 60, 0, [])
    assert made == tensors.generated(features, 60, 0, []) != tensors.generated(features, 60, 1, [])
    made += tensors.edges(features, made)
    assert tensors.fitting(features, made) == made and tensors.size(features) == 15
    images = [row[0] for row in made]
    assert [[0.0] * 3] * 2 in images and [[-1e6] * 3] * 2 in images
    assert any(max(map(max, image)) < 0 for image in images)
    assert any(max(row[1]) < 2 for row in made) and any(max(row[1]) > 1000 for row in made)
    wrong = [[1.0, 2.0, 3.0]]
    assert tensors.fitting(features[:1], [[wrong], [[*wrong, ["a", 1.0, 2.0]]], [1.0]]) == []


def test_answers_by_name_are_compared_part_by_part():
    wanted = answers.Answers([{"y": [1.0, 2.0], "top": 1}, {"y": [900.0, 4.0], "top": 0}], None, {})
    size = compare.scale("inference", wanted)
    assert size == 3.0
    scored = answers.Answers([[1e-6, 0.999999, 0.0]], None, {})
    assert compare.scale("inference", scored) == 0.1 > compare.scale("regression", scored)
    near = {"y": [1.0001, 2.0], "top": 1}
    for other, differs in (
        (near, []), ({**near, "top": 2}, [0]), ({**near, "y": [1.1, 2.0]}, [0]),
        ({**near, "y": [[1.0, 2.0]]}, [0]), ({"y": [1.0, 2.0], "x": 1}, [0]),
    ):  # fmt: skip
        found = answers.Answers([other, wanted.values[1]], None, {})
        assert compare.compare("inference", wanted, found, size, compare.WIDE).different == differs
    assert compare.within({"framework": "torch", "features": [feature("int64")]}) == compare.WIDE
    doubles_only = {"framework": "torch", "features": [feature("float64")]}
    assert compare.within(doubles_only) == compare.ABSOLUTE


def test_answers_to_batches_have_a_row_each():
    sizes = []

    def predict(some):
        sizes.append(len(some))
        return [{"y": float("nan") if row == [3] else 1.0} for row in some[:2]], None

    found = answers.ask(predict, [[n] for n in range(5)], False, 3)
    assert max(sizes) == 3 and found.why == {3: "not finite"}
    assert found.values[4] == {"y": 1.0}


def test_large_tensors_are_shown_in_part():
    shown = report.brief([[[0.5] * 8] * 16])
    assert len(shown) == 9 and shown[-1] == "and so on: 128 in all"
    assert report.brief({"y": [1.0] * 4}) == {"y": [1.0] * 4}
