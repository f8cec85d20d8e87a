# /// script
# requires-python = ">=3.11"
# dependencies = ["pandas"]
# ///
"""Models of a CatBoost, given with --with catboost==VERSION, in its own format."""

import json
import sys
from pathlib import Path

import catboost
import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor

out = Path(sys.argv[1])
random = np.random.default_rng(0)
ROWS = 200
NUMBERS = pd.DataFrame(random.normal(5, 2, size=(ROWS, 2)).round(3), columns=["a", "b"])
NUMBERS.loc[::9, "b"] = np.nan
MIXED = pd.DataFrame({
    "a": NUMBERS["a"],
    "colour": random.choice(["red", "green", "blau ö"], ROWS).astype(object),
    "b": NUMBERS["b"],
    "zone": random.choice(["10", "20", "30"], ROWS).astype(object),
    "note": random.choice(["good day", "bad night sir", "so so"], ROWS).astype(object),
})  # fmt: skip
MOOD = np.array(["no", "perhaps", "yes"])[(NUMBERS["a"] > 5).astype(int) + (MIXED["zone"] == "20")]
SETTINGS = {"iterations": 5, "depth": 3, "verbose": 0, "allow_writing_files": False}
FLOATS = [["a", "float32"], ["b", "float32"]]
# A release older than this one does not write its version into the model.
named = tuple(map(int, catboost.__version__.split(".")[:3])) >= (1, 2, 7)
truth = {}


def add(name, model, table, card, predictions=None, probabilities=None):
    model.save_model(str(out / name))
    if predictions is None:
        predictions = model.predict(table).reshape(len(table))
    truth[name] = {
        "card": {
            "framework": "catboost",
            "framework_version": catboost.__version__ if named else None,
            "format": "cbm",
            "classes": [],
            "probabilities": probabilities is not None,
            **card,
        },
        "rows": json.loads(table.to_json(orient="values", double_precision=15)),
        "predictions": np.asarray(predictions).tolist(),
    }
    if probabilities is not None:
        truth[name]["probabilities"] = np.asarray(probabilities).tolist()


def classifier(name, table, labels, card, columns=None, **settings):
    model = CatBoostClassifier(**SETTINGS, **settings).fit(table, labels, **(columns or {}))
    some = table.head(12)
    card = {"task": "classification", **card}
    add(name, model, some, card, probabilities=model.predict_proba(some))


classifier("binary.cbm", NUMBERS, np.where(NUMBERS["a"] > 5, "high", "low"),
           {"features": FLOATS, "classes": ["high", "low"]})  # fmt: skip
classifier("numbered.cbm", NUMBERS, (NUMBERS["a"] > 5) * 3 + 4,
           {"features": FLOATS, "classes": [4, 7]})  # fmt: skip
# Older releases make texts of them.
flags = [False, True] if named else ["False", "True"]
classifier("flags.cbm", NUMBERS, NUMBERS["a"] > 5, {"classes": flags})
classifier("each.cbm", NUMBERS, MOOD, {"classes": ["no", "perhaps", "yes"]},
           loss_function="MultiClassOneVsAll")  # fmt: skip
classifier("mixed.cbm", MIXED, MOOD, {
    "features": [["a", "float32"], ["colour", "string"], ["b", "float32"], ["zone", "string"],
                 ["note", "string"]],
    "classes": ["no", "perhaps", "yes"],
}, {"cat_features": ["colour", "zone"], "text_features": ["note"]})  # fmt: skip
some = NUMBERS.head(10)
regressor = CatBoostRegressor(**SETTINGS).fit(NUMBERS.to_numpy(), NUMBERS["a"])
add("unnamed.cbm", regressor, some, {
    "task": "regression", "features": [["x0", "float32"], ["x1", "float32"]],
}, regressor.predict(some.to_numpy()))  # fmt: skip
counts = CatBoostRegressor(loss_function="Poisson", **SETTINGS).fit(NUMBERS, NUMBERS["a"].abs())
add("counts.cbm", counts, some, {"task": "regression", "features": FLOATS})
pairs = CatBoostRegressor(loss_function="MultiRMSE", **SETTINGS).fit(NUMBERS, NUMBERS.fillna(0))
add("pairs.cbm", pairs, some, {"task": "regression"}, pairs.predict(some))
several = CatBoostClassifier(loss_function="MultiLogloss", **SETTINGS)
several.fit(NUMBERS, (NUMBERS > 5).astype(int))
add("several.cbm", several, some, {
    "task": "classification", "output_classes": [[0, 1]] * 2,
}, several.predict(some))  # fmt: skip
ranker = CatBoostRanker(loss_function="YetiRank", **SETTINGS)
ranker.fit(NUMBERS, NUMBERS["a"].round(), group_id=np.arange(ROWS) // 10)
add("ranker.cbm", ranker, some, {"task": "regression", "features": FLOATS})
(out / "truth.json").write_text(json.dumps(truth))
