# /// script
# requires-python = ">=3.11"
# dependencies = ["xgboost-cpu==3.2.0", "scikit-learn", "pandas", "pyarrow"]
# ///
"""Models of XGBoost's objectives and boosters, in both native formats."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb

out = Path(sys.argv[1])
random = np.random.default_rng(0)
ROWS = 200
X = pd.DataFrame(random.normal(5, 2, size=(ROWS, 3)).round(3), columns=["a", "b", "c"])
X.loc[::9, "b"] = np.nan
CLASSES = (X["a"] > 5).astype(int) + (X["c"] > 6)
SIZES = np.array(["small", "large", "extra large", "tiny"])
TABLE = X[["a"]].assign(
    # Not in alphabetical order: the codes follow this order.
    size=pd.Categorical(SIZES[random.integers(0, 4, ROWS)], categories=list(SIZES)),
    b=X["b"],
    zone=pd.Categorical(random.integers(0, 4, ROWS) * 10),
    member=X["c"] > 5,
    visits=random.integers(0, 9, ROWS),
)
TABLE.loc[::7, ["size", "zone"]] = np.nan
SPENT = TABLE["a"] + 3 * TABLE["size"].cat.codes + (TABLE["zone"] == 20) * 5 + TABLE["member"]
FLOATS = [[name, "float32"] for name in X]
UNNAMED = [["x0", "float32"], ["x1", "float32"], ["x2", "float32"]]
truth = {}


def listed(table):
    """Rows as JSON has them: NaN is null."""
    return json.loads(pd.DataFrame(table).to_json(orient="values", double_precision=15))


def add(name, model, table, predictions, card, probabilities=None):
    model.save_model(out / name)
    truth[name] = {
        "card": {
            "framework": "xgboost",
            "framework_version": xgb.__version__,
            "format": name.rpartition(".")[2],
            "classes": [],
            "probabilities": probabilities is not None,
            **card,
        },
        "rows": listed(table),
        "predictions": np.asarray(predictions).tolist(),
    }
    if probabilities is not None:
        truth[name]["probabilities"] = np.asarray(probabilities, dtype=float).tolist()


def classifier(name, table, labels, card, **settings):
    model = xgb.XGBClassifier(n_estimators=6, max_depth=3, **settings).fit(table, labels)
    some = table.head(10) if isinstance(table, pd.DataFrame) else table[:10]
    add(name, model, some, model.predict(some), {"task": "classification", **card},
        model.predict_proba(some))  # fmt: skip


for form in ("json", "ubj"):
    classifier(f"binary.{form}", X, CLASSES > 0, {"features": FLOATS, "classes": [0, 1]})
    classifier(f"three.{form}", X.to_numpy(), CLASSES, {"features": UNNAMED, "classes": [0, 1, 2]})
    model = xgb.XGBRegressor(n_estimators=8, max_depth=3, enable_categorical=True)
    model.fit(TABLE, SPENT)
    add(f"categories.{form}", model, TABLE.head(12), model.predict(TABLE.head(12)), {
        "task": "regression",
        "takes": "frame",
        "features": [["a", "float32"], ["size", "string"], ["b", "float32"], ["zone", "int64"],
                     ["member", "bool"], ["visits", "float32"]],
    })  # fmt: skip

some = X.head(10)
# This release garbles categories that are not ASCII, so only their codes can be asked.
umlauts = X[["a"]].assign(grade=TABLE["size"].cat.rename_categories({"tiny": "größer"}))
garbled = xgb.XGBRegressor(n_estimators=5, enable_categorical=True).fit(umlauts, SPENT)
codes = umlauts.head(10).assign(grade=umlauts["grade"].cat.codes.replace(-1, np.nan))
add("garbled.json", garbled, codes, garbled.predict(umlauts.head(10)), {
    "task": "regression", "features": [["a", "float32"], ["grade", "int32"]],
})  # fmt: skip
# Stops long before its last round; the estimator predicts with the rounds up to the best.
stopped = xgb.XGBRegressor(
    n_estimators=200, max_depth=3, early_stopping_rounds=3, learning_rate=1.0
)
stopped.fit(X[:100], X["a"][:100] + random.normal(0, 3, 100), eval_set=[(X[100:], X["a"][100:])],
            verbose=False)  # fmt: skip
assert stopped.best_iteration + 1 < stopped.get_booster().num_boosted_rounds()
add("stopped.json", stopped, some, stopped.predict(some), {"task": "regression"})
linear = xgb.XGBRegressor(booster="gblinear", n_estimators=5).fit(X.fillna(0), X["a"])
add("linear.json", linear, some, linear.predict(some), {"task": "regression", "features": FLOATS})
dart = xgb.XGBRegressor(booster="dart", n_estimators=5, rate_drop=0.5).fit(X, X["a"])
add("dart.ubj", dart, some, dart.predict(some), {"task": "regression", "features": FLOATS})
quantiles = xgb.XGBRegressor(
    n_estimators=5, max_depth=3, objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9]
)
quantiles.fit(X, X["a"])
add("quantiles.json", quantiles, some, quantiles.predict(some), {"task": "regression"})
several = xgb.XGBClassifier(n_estimators=5, max_depth=3)
several.fit(X, np.column_stack([X["a"] > 5, X["c"] > 5, X["a"] > X["c"]]).astype(int))
add("several.json", several, some, several.predict(some).astype(int), {
    "task": "classification", "output_classes": [[0, 1]] * 3,
})  # fmt: skip
matrix = xgb.DMatrix(X, CLASSES)
softmax = xgb.train({"objective": "multi:softmax", "num_class": 3, "max_depth": 3}, matrix, 5)
add("softmax.ubj", softmax, some, softmax.predict(matrix)[:10].astype(int), {
    "task": "classification", "classes": [0, 1, 2],
})  # fmt: skip
hinge = xgb.train({"objective": "binary:hinge", "max_depth": 3}, xgb.DMatrix(X, CLASSES > 0), 5)
add("hinge.json", hinge, some, hinge.predict(matrix)[:10].astype(int), {
    "task": "classification", "classes": [0, 1],
})  # fmt: skip
ranker = xgb.XGBRanker(n_estimators=5, max_depth=3).fit(X, CLASSES, qid=np.arange(ROWS) // 10)
add("ranker.json", ranker, some, ranker.predict(some), {"task": "regression", "features": FLOATS})
(out / "truth.json").write_text(json.dumps(truth))
