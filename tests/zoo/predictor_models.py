# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Two predictors: a file that turns numbers into one, and a folder with texts, assets, modules."""

import json
import sys
from pathlib import Path

out = Path(sys.argv[1])

alone = out / "alone"
alone.mkdir()
(alone / "predictor.py").write_text('''\
"""The body mass index."""

import numpy as np

EXAMPLE = {"weight": 70.0, "height": 1.75}


def load():
    return np.array([1.0, -2.0])


def predict(model, instances):
    table = np.log([[row["weight"], row["height"]] for row in instances])
    return np.exp(table @ model).tolist()
''')

folder = out / "greeter"
(folder / "words").mkdir(parents=True)
(folder / "words" / "__init__.py").write_text("def shout(text):\n    return text.upper()\n")
(folder / "greetings.json").write_text(json.dumps({"en": "Hello", "fr": "Bonjour"}))
(folder / "requirements.txt").write_text("# what it needs\npackaging==25.0\n")
(folder / "predictor.py").write_text("""\
import json
from pathlib import Path

from packaging.version import Version
from words import shout

EXAMPLES = [
    {"who": "Ada", "times": 2, "since": None, "scores": [1.0, 2.0]},
    {"who": "Alan", "times": 1, "since": "1.2", "scores": [0.5]},
]
GREETINGS = json.loads((Path(__file__).parent / "greetings.json").read_text())


def predict(instances):
    return [
        {
            "text": " ".join([shout(GREETINGS["en"]), row["who"]] * row["times"]),
            "old": row["since"] is not None and Version(row["since"]) < Version("2"),
            "score": sum(row["scores"]),
        }
        for row in instances
    ]
""")

truth = {
    "alone/predictor.py": {
        "card": {
            "framework": "python",
            "format": "predictor",
            "task": "inference",
            "description": "The body mass index.",
            "features": [["weight", "float64"], ["height", "float64"]],
            "requirements": ["numpy"],
        },
        "rows": [{"weight": 70.0, "height": 1.75}, {"weight": 81, "height": 1.8}],
        "predictions": [70 / 1.75**2, 25.0],
    },
    "greeter": {
        "card": {
            "framework": "python",
            "format": "predictor",
            "task": "inference",
            "features": [
                ["who", "string"],
                ["times", "int64"],
                ["since", "string"],
                ["scores", "float64"],
            ],
            "requirements": ["packaging==25.0"],
        },
        "rows": [
            {"who": "Ada", "times": 2, "since": None, "scores": [1.0, 2.0]},
            {"who": "Alan", "times": 1, "since": "1.2", "scores": [0.5]},
        ],
        "predictions": [
            {"text": "HELLO Ada HELLO Ada", "old": False, "score": 3.0},
            {"text": "HELLO Alan", "old": True, "score": 0.5},
        ],
    },
}
(out / "truth.json").write_text(json.dumps(truth))
