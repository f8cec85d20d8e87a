"""Whose predict() is the likeliest class, and that a project's model answers just that."""

import importlib.util
import warnings

import joblib
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from mlship import plan, scaffold
from mlship.inspection import estimators, inspect
from mlship.inspection.inert import Global, Inert

RANDOM = np.random.default_rng(0)
# Few different values, so that votes, leaves and neighbours tie.
X = RANDOM.integers(0, 3, size=(90, 3)).astype(float)
CLASSES = {2: np.array(["no", "yes"]), 3: np.array([30, 10, 20])}
OPTIONS = {
    "RandomForestClassifier": {"n_estimators": 4},
    "ExtraTreesClassifier": {"n_estimators": 4},
    "BaggingClassifier": {"n_estimators": 4},
    "KNeighborsClassifier": {"n_neighbors": 2},
    "LogisticRegressionCV": {"use_legacy_attributes": True, "l1_ratios": (0,)},
}


def fitted(name, classes):
    kind = dict(all_estimators(type_filter="classifier"))[name]
    given = {k: v for k, v in OPTIONS.get(name, {}).items() if k in kind().get_params()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**given).fit(X, CLASSES[classes][RANDOM.integers(0, classes, 90)])


def is_likeliest(model, tmp_path):
    joblib.dump(model, tmp_path / "model.joblib")
    return dict(inspect(tmp_path / "model.joblib").options)["likeliest"]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The class Model of a project, in which only the file differs from model to model."""
    folder = tmp_path_factory.mktemp("likeliest")
    joblib.dump(fitted("LogisticRegression", 3), folder / "model.joblib")
    wishes = plan.Wishes(model=folder / "model.joblib", runtime="native")
    made = plan.make(folder / "project", wishes)
    scaffold.scaffold(made.card, made.context(), folder / "project")
    path = folder / "project/app/model.py"
    spec = importlib.util.spec_from_file_location("model_of_a_project", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("name", sorted(estimators._LIKELIEST))
def test_answers_what_predict_does(generated, tmp_path, name, classes):
    model = fitted(name, classes)
    assert is_likeliest(model, tmp_path)
    rows = [*X, *RANDOM.integers(0, 3, size=(500, 3)), *RANDOM.normal(1, 3, size=(2000, 3))]
    rows = np.abs(rows).round() if name == "CategoricalNB" else np.array(rows)
    rows = np.clip(rows, 0, 2) if name.endswith("NB") else rows
    served = generated(tmp_path / "model.joblib")
    labels, probabilities = served.predict(rows.tolist())
    assert labels.tolist() == model.predict(rows).tolist()
    assert labels.dtype == model.predict(rows).dtype
    assert (probabilities == model.predict_proba(rows)).all()
    for row in rows[:20]:  # one by one, a tie is not hidden by the rows beside it
        assert served.predict([row.tolist()])[0].tolist() == model.predict([row]).tolist()


def test_asks_once_unless_two_are_as_likely(generated, tmp_path):
    tree = DecisionTreeClassifier().fit([[0], [0], [1]], ["a", "b", "b"])  # a tie at 0
    joblib.dump(tree, tmp_path / "model.joblib")
    served, asked = generated(tmp_path / "model.joblib"), []
    predict = served._estimator.predict
    served._estimator.predict = lambda table: asked.append(len(table)) or predict(table)
    assert served.predict([[1.0], [1.0]])[0].tolist() == ["b", "b"]
    assert not asked
    assert served.predict([[1.0], [0.0]])[0].tolist() == ["b", "a"]
    assert asked == [2]


def test_what_is_no_number_is_left_to_the_estimator(generated, tmp_path):
    joblib.dump(fitted("LogisticRegression", 2), tmp_path / "model.joblib")
    served = generated(tmp_path / "model.joblib")
    odd = np.array([[np.nan, np.nan]])
    served._estimator.predict_proba = lambda table: odd
    served._estimator.predict = lambda table: ["asked"]
    assert served.predict([[0.0, 0.0, 0.0]])[0].tolist() == ["asked"]


def test_through_a_pipeline_and_a_search(tmp_path):
    labels = CLASSES[3][RANDOM.integers(0, 3, 90)]
    pipeline = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()).fit(X, labels)
    assert is_likeliest(pipeline, tmp_path)
    search = GridSearchCV(make_pipeline(StandardScaler(), RandomForestClassifier(3)), {}, cv=2)
    assert is_likeliest(search.fit(X, labels), tmp_path)


def test_others_decide_for_themselves(tmp_path):
    labels = CLASSES[2][RANDOM.integers(0, 2, 90)]
    for model in (
        FixedThresholdClassifier(LogisticRegression(), threshold=0.8, pos_label="yes"),
        make_pipeline(StandardScaler(), FixedThresholdClassifier(LogisticRegression())),
        SGDClassifier(loss="modified_huber"),
        SGDClassifier(),
    ):
        assert not is_likeliest(model.fit(X, labels), tmp_path)
    for module in ("mine", "sklearn.linear_model._logistic"):
        value = Inert(Global(module, "LogisticRegression"))
        assert estimators.answers_likeliest(value) == (module != "mine")
    one = DecisionTreeClassifier().fit(X, ["only"] * 90)
    assert not is_likeliest(one, tmp_path)
    several = DecisionTreeClassifier().fit(X, np.stack([labels, labels], axis=1))
    assert not is_likeliest(several, tmp_path)
