# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "mlflow==3.17.2", "scikit-learn==1.7.2", "xgboost-cpu==3.2.0", "lightgbm==4.6.0",
#     "pandas==2.3.3",
# ]
# ///
"""Models saved by MLflow in flavors that mlship loads by themselves, and as plain Python."""

import json
import sys
from pathlib import Path

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import xgboost
from mlflow.models import infer_signature
from mlflow.pyfunc import PythonModel
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

out = Path(sys.argv[1])
random = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "age": random.integers(18, 90, 60),
        "height": random.normal(170, 10, 60),
        "fit": [True, False] * 30,
    }
)
Y = np.array(["no", "perhaps", "yes"])[np.arange(60) % 3]
NUMBER = X["age"] * 2 - X["height"]
ROWS = X.head(8)
rows = ROWS.astype(float).values.tolist()
truth = {}
# MLflow finds them out by itself for the first model; that takes half a minute for each.
PINS = ["mlflow==3.17.2", "scikit-learn==1.7.2", "pandas==2.3.3", f"numpy=={np.__version__}"]

forest = RandomForestClassifier(3, max_depth=3, random_state=0).fit(X, Y)
mlflow.sklearn.save_model(
    forest,
    out / "forest",
    signature=infer_signature(X, forest.predict(X)),
    input_example=X.head(2),
    serialization_format="cloudpickle",
)
truth["forest"] = {
    "card": {
        "framework": "scikit-learn",
        "framework_version": "1.7.2",
        "task": "classification",
        "classes": ["no", "perhaps", "yes"],
        "probabilities": True,
        "features": [["age", "float64"], ["height", "float64"], ["fit", "float64"]],
    },
    "rows": rows,
    "predictions": forest.predict(ROWS).tolist(),
    "probabilities": forest.predict_proba(ROWS).tolist(),
}

# No signature; fitted without names.
line = LinearRegression().fit(X.to_numpy(float), NUMBER)
mlflow.sklearn.save_model(line, out / "line", serialization_format="pickle", pip_requirements=PINS)
truth["line"] = {
    "card": {
        "framework": "scikit-learn",
        "framework_version": "1.7.2",
        "task": "regression",
        "features": [["x0", "float64"], ["x1", "float64"], ["x2", "float64"]],
    },
    "rows": rows,
    "predictions": line.predict(ROWS.to_numpy(float)).tolist(),
}

boosted = xgboost.XGBRegressor(n_estimators=4, max_depth=2).fit(X.astype(float), NUMBER)
mlflow.xgboost.save_model(
    boosted,
    out / "boosted",
    signature=infer_signature(X.astype(float), NUMBER.to_numpy(float)),
    pip_requirements=[*PINS, "xgboost==3.2.0"],
)
truth["boosted"] = {
    "card": {
        "framework": "xgboost",
        "framework_version": "3.2.0",
        "task": "regression",
        "features": [["age", "float32"], ["height", "float32"], ["fit", "float32"]],
    },
    "rows": rows,
    "predictions": boosted.predict(ROWS.astype(float)).tolist(),
}

light = lightgbm.train(
    {"objective": "regression", "verbose": -1, "num_leaves": 4, "min_data_in_leaf": 2},
    lightgbm.Dataset(X.astype(float), NUMBER),
    4,
)
mlflow.lightgbm.save_model(
    light,
    out / "light",
    signature=infer_signature(X.astype(float), NUMBER.to_numpy(float)),
    pip_requirements=[*PINS, "lightgbm==4.6.0"],
)
truth["light"] = {
    "card": {
        "framework": "lightgbm",
        "task": "regression",
        "features": [["age", "float64"], ["height", "float64"], ["fit", "float64"]],
    },
    "rows": rows,
    "predictions": light.predict(ROWS.astype(float)).tolist(),
}


class Greeter(PythonModel):
    """A model whose code travels inside its pickle."""

    def predict(self, context, model_input, params=None):
        return [f"Hello {row.who}, {row.times * 2}" for row in model_input.itertuples(index=False)]


PEOPLE = pd.DataFrame({"who": ["Ada", "Grace", "Alan"], "times": [1, 2, 3]})
mlflow.pyfunc.save_model(
    out / "greeter",
    python_model=Greeter(),
    signature=infer_signature(PEOPLE, ["Hello"]),
    input_example=PEOPLE.head(1),
)
truth["greeter"] = {
    "card": {
        "framework": "mlflow",
        "framework_version": "3.17.2",
        "task": "inference",
        "features": [["who", "string"], ["times", "int64"]],
    },
    "rows": PEOPLE.to_dict("records"),
    "predictions": list(mlflow.pyfunc.load_model(str(out / "greeter")).predict(PEOPLE)),
    "init": ["--trust"],
}
(out / "truth.json").write_text(json.dumps(truth))
