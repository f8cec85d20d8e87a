# /// script
# requires-python = ">=3.11"
# dependencies = ["scikit-learn==1.9.1", "joblib", "pandas>=2", "skops==0.16.0", "lz4>=4"]
# ///
"""What people save of scikit-learn: columns, text, several outputs, every compression."""

import json
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import skops.io
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

out = Path(sys.argv[1])
truth: dict[str, dict] = {}
random = np.random.default_rng(0)
N = 60
NUMBERS = pd.DataFrame(random.normal(5, 2, size=(N, 3)), columns=["a", "b", "c"])
LABELS = np.array(["no", "yes", "perhaps"])[np.arange(N) % 3]
PEOPLE = pd.DataFrame(
    {
        "id": np.arange(N),
        "age": random.integers(18, 90, N).astype(float),
        "income": np.where(np.arange(N) % 7 == 0, np.nan, random.normal(50, 9, N)),
        "city": np.array(["Oslo", "Bern", "Rome"])[np.arange(N) % 3],
        "plan": np.array(["free", "paid"])[np.arange(N) % 2],
        "floor": np.arange(N) % 4,
    }
)
TEXTS = ["good fine nice thing", "awful bad poor thing", "nice good", "bad awful day"] * 6


def write(name, model, data, *, form, dump, rows=None, **card):
    """Save a model and note what is true of it."""
    dump(model, out / name)
    version = __import__("sklearn").__version__
    if rows is None:
        rows = data.astype(object).where(data.notna(), None).values.tolist()[:8]
    entry = {
        "card": {"framework": "scikit-learn", "framework_version": version, "format": form, **card},
        "rows": rows,
        "predictions": np.asarray(model.predict(data[:8])).tolist(),
    }
    if card.get("probabilities") and not card.get("output_classes"):
        entry["probabilities"] = model.predict_proba(data[:8]).tolist()
    truth[name] = entry


def compressed(method):
    return lambda model, path: joblib.dump(model, path, compress=(method, 3))


def by_pickle(protocol):
    return lambda model, path: path.write_bytes(pickle.dumps(model, protocol))


def floats(*names):
    return [[name, "float64"] for name in names]


CLASSES = ["no", "perhaps", "yes"]
people = ColumnTransformer(
    [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        ("city", OneHotEncoder(), ["city"]),
        ("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ("floor", OneHotEncoder(), ["floor"]),
    ]
)
churn = make_pipeline(people, LogisticRegression()).fit(PEOPLE, LABELS)
columns = PEOPLE.drop(columns="id")
features = [
    ["age", "float64"],
    ["income", "float64"],
    ["city", "string"],
    ["plan", "string"],
    ["floor", "int64"],
]
write("columns.joblib", churn, PEOPLE, form="joblib", dump=joblib.dump, features=features,
      rows=columns.astype(object).where(columns.notna(), None).values.tolist()[:8],
      takes="frame", task="classification", classes=CLASSES, probabilities=True)  # fmt: skip
write("columns.skops", churn, PEOPLE, form="skops", dump=skops.io.dump, features=features,
      rows=columns.astype(object).where(columns.notna(), None).to_dict("records")[:8],
      takes="frame", task="classification", classes=CLASSES, probabilities=True)  # fmt: skip

mood = make_pipeline(TfidfVectorizer(), LogisticRegression())
mood.fit(TEXTS, ["up", "down", "up", "down"] * 6)
write("text.joblib", mood, TEXTS, form="joblib", dump=compressed("zlib"), rows=TEXTS[:8],
      features=[["text", "string"]], takes="texts", task="classification",
      classes=["down", "up"], probabilities=True)  # fmt: skip
search = GridSearchCV(
    make_pipeline(CountVectorizer(ngram_range=(1, 2)), MultinomialNB()),
    {"multinomialnb__alpha": [0.1, 1]},
).fit(TEXTS, [1, 0, 1, 0] * 6)
write("text-search.pkl", search, TEXTS, form="pickle", dump=by_pickle(4), rows=TEXTS[:8],
      features=[["text", "string"]], takes="texts", task="classification", classes=[0, 1],
      probabilities=True)  # fmt: skip
reviews = pd.DataFrame({"review": TEXTS, "stars": np.arange(24.0) % 5})
stars = make_pipeline(
    ColumnTransformer([("words", TfidfVectorizer(), "review")], remainder="passthrough"), Ridge()
).fit(reviews, reviews["stars"] * 2)
write("text-column.joblib", stars, reviews, form="joblib", dump=joblib.dump, takes="frame",
      features=[["review", "string"], ["stars", "float64"]], task="regression")  # fmt: skip

pairs = np.stack([LABELS, np.array(["low", "high"])[np.arange(N) % 2]], axis=1)
forest = RandomForestClassifier(4, random_state=0).fit(NUMBERS, pairs)
write("outputs.pkl", forest, NUMBERS, form="pickle", dump=by_pickle(2),
      features=floats("a", "b", "c"), task="classification", classes=[], probabilities=True,
      output_classes=[CLASSES, ["high", "low"]])  # fmt: skip
flags = np.stack([np.arange(N) % 2, np.arange(N) % 3 == 0], axis=1).astype(int)
rest = OneVsRestClassifier(LogisticRegression()).fit(NUMBERS, flags)
write("multilabel.joblib", rest, NUMBERS, form="joblib", dump=compressed("xz"),
      features=floats("a", "b", "c"), task="classification", probabilities=True,
      output_classes=[[0, 1], [0, 1]])  # fmt: skip
several = MultiOutputClassifier(SVC()).fit(NUMBERS.to_numpy(), flags)
write("margins.pkl", several, NUMBERS.to_numpy(), form="pickle", dump=by_pickle(5),
      rows=NUMBERS.values.tolist()[:8], features=floats("x0", "x1", "x2"), task="classification",
      probabilities=False, output_classes=[[0, 1], [0, 1]])  # fmt: skip
plane = LinearRegression().fit(NUMBERS, NUMBERS[["a", "b"]] * 2)
write("plane.joblib", plane, NUMBERS, form="joblib", dump=compressed("bz2"),
      features=floats("a", "b", "c"), task="regression", classes=[])  # fmt: skip

write("kmeans.joblib", KMeans(3, n_init=1, random_state=0).fit(NUMBERS), NUMBERS, form="joblib",
      dump=compressed("gzip"), features=floats("a", "b", "c"), task="clustering")  # fmt: skip
write("outliers.joblib", IsolationForest(n_estimators=5, random_state=0).fit(NUMBERS), NUMBERS,
      form="joblib", dump=compressed("lzma"), features=floats("a", "b", "c"),
      task="outlier-detection")  # fmt: skip
holes = NUMBERS.mask(random.random(NUMBERS.shape) < 0.2)
trees = HistGradientBoostingClassifier(max_iter=5).fit(holes, np.arange(N) % 2)
write("holes.joblib", trees, holes, form="joblib", dump=compressed("lz4"),
      features=floats("a", "b", "c"), task="classification", classes=[0, 1],
      probabilities=True)  # fmt: skip
logs = make_pipeline(
    FunctionTransformer(np.log1p), StandardScaler(), MLPRegressor(hidden_layer_sizes=(4,))
)
write("logs.pkl", logs.fit(NUMBERS.abs(), NUMBERS["a"]), NUMBERS.abs(), form="pickle",
      dump=by_pickle(3), features=floats("a", "b", "c"), task="regression")  # fmt: skip
stack = StackingRegressor([("ridge", Ridge()), ("line", LinearRegression())], cv=2)
write("stack.joblib", stack.fit(NUMBERS, NUMBERS["a"]), NUMBERS, form="joblib", dump=joblib.dump,
      features=floats("a", "b", "c"), task="regression")  # fmt: skip
ranks = make_pipeline(
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), Ridge()
).fit(PEOPLE[["city", "plan"]], PEOPLE["age"])
write("ranks.joblib", ranks, PEOPLE[["city", "plan"]], form="joblib", dump=joblib.dump,
      features=[["city", "string"], ["plan", "string"]], takes="frame",
      task="regression")  # fmt: skip
(out / "truth.json").write_text(json.dumps(truth))
