# /// script
# requires-python = ">=3.11"
# dependencies = ["lightgbm==4.7.0", "scikit-learn", "pandas"]
# ///
"""Models of LightGBM's objectives in its text format."""

import json
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

out = Path(sys.argv[1])
random = np.random.default_rng(0)
ROWS = 300
X = pd.DataFrame(random.normal(5, 2, size=(ROWS, 3)).round(3), columns=["a", "b", "c"])
X.loc[::9, "b"] = np.nan
CLASSES = (X["a"] > 5).astype(int) + (X["c"] > 6)
SIZES = np.array(["small", "large", "extra large", "ö"])
TABLE = X[["a"]].assign(
    # Not in alphabetical order: the codes follow this order.
    size=pd.Categorical(SIZES[random.integers(0, 4, ROWS)], categories=list(SIZES)),
    b=X["b"],
    zone=pd.Categorical(random.integers(0, 4, ROWS) * 10),
    always=1.0,
)
TABLE.loc[::7, ["size", "zone"]] = np.nan
SPENT = TABLE["a"] + 3 * TABLE["size"].cat.codes + (TABLE["zone"] == 20) * 5
# An ordered category is a number to LightGBM, though it lists its categories as well.
ORDERED = TABLE.assign(size=TABLE["size"].cat.as_ordered())
FLOATS = [[name, "float64"] for name in X]
SETTINGS = {"n_estimators": 5, "num_leaves": 6, "min_child_samples": 5, "verbose": -1}
truth = {}


def add(name, model, table, predictions, card, probabilities=None):
    getattr(model, "booster_", model).save_model(out / name)
    rows = json.loads(pd.DataFrame(table).to_json(orient="values", double_precision=15))
    truth[name] = {
        "card": {
            "framework": "lightgbm",
            "framework_version": None,
            "format": "txt",
            "classes": [],
            "probabilities": probabilities is not None,
            **card,
        },
        "rows": rows,
        "predictions": np.asarray(predictions).tolist(),
    }
    if probabilities is not None:
        truth[name]["probabilities"] = np.asarray(probabilities).tolist()


some = X.head(10)
binary = lgb.LGBMClassifier(**SETTINGS).fit(X, CLASSES > 0)
add("binary.txt", binary, some, binary.predict(some).astype(int), {
    "task": "classification", "features": FLOATS, "classes": [0, 1],
}, binary.predict_proba(some))  # fmt: skip
three = lgb.LGBMClassifier(**SETTINGS).fit(TABLE, CLASSES)
add("three.txt", three, TABLE.head(12), three.predict(TABLE.head(12)), {
    "task": "classification",
    "takes": "frame",
    "features": [["a", "float64"], ["size", "string"], ["b", "float64"], ["zone", "int64"],
                 ["always", "float64"]],
    "classes": [0, 1, 2],
}, three.predict_proba(TABLE.head(12)))  # fmt: skip
unnamed = lgb.LGBMRegressor(**SETTINGS).fit(X.to_numpy(), X["a"])
add("unnamed.txt", unnamed, some, unnamed.predict(some.to_numpy()), {
    "task": "regression", "features": [["x0", "float64"], ["x1", "float64"], ["x2", "float64"]],
})  # fmt: skip
codes = X.assign(c=random.integers(0, 5, ROWS))
coded = lgb.LGBMRegressor(**SETTINGS).fit(
    codes, codes["c"] % 2 + codes["a"], categorical_feature=[2]
)
add("coded.txt", coded, codes.head(10), coded.predict(codes.head(10)), {
    "task": "regression", "features": [["a", "float64"], ["b", "float64"], ["c", "int32"]],
})  # fmt: skip
ordered = lgb.LGBMRegressor(**SETTINGS).fit(ORDERED, SPENT)
plain = ORDERED.head(10).assign(
    **{name: ORDERED[name].cat.codes.replace(-1, np.nan) for name in ("size", "zone")}
)
add("ordered.txt", ordered, plain, ordered.predict(ORDERED.head(10)), {
    "task": "regression",
    "features": [["a", "float64"], ["size", "float64"], ["b", "float64"], ["zone", "int32"],
                 ["always", "float64"]],
})  # fmt: skip
each = lgb.LGBMClassifier(objective="multiclassova", **SETTINGS).fit(X, CLASSES)
add("each.txt", each, some, each.predict(some), {
    "task": "classification", "classes": [0, 1, 2],
}, each.predict_proba(some))  # fmt: skip
ranker = lgb.LGBMRanker(**SETTINGS).fit(X, CLASSES, group=[10] * (ROWS // 10))
add("ranker.txt", ranker, some, ranker.predict(some), {"task": "regression"})


def squares(predictions, data):
    return predictions - data.get_label(), np.ones_like(predictions)


own = lgb.train({"objective": squares, "num_leaves": 6, "verbose": -1}, lgb.Dataset(X, X["a"]), 5)
add("own.txt", own, some, own.predict(some), {"task": "regression", "features": FLOATS})
(out / "truth.json").write_text(json.dumps(truth))
