"""What `init` settles before it writes: trust, modules of the user's own, what a sample taught."""

import os
import pickle

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from mlship import plan, scaffold
from mlship.errors import ModelError, UsageError
from mlship.plan import Wishes

X = np.random.default_rng(0).normal(5, 2, size=(60, 3))
Y = np.array(["leave", "stay"])[np.arange(60) % 2]


class Evil:
    def __reduce__(self):
        return os.system, ("exit 3",)


@pytest.fixture
def evil(tmp_path):
    model = LogisticRegression().fit(X, Y)
    model.extra_ = Evil()
    joblib.dump(model, tmp_path / "evil.joblib")
    return tmp_path / "evil.joblib"


@pytest.fixture
def custom(tmp_path, monkeypatch):
    """A model with a transformer of the user's own package, which lies in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "shopkit"
    package.mkdir()
    (package / "__init__.py").write_text("def clip(rows):\n    return rows.clip(0, 9)\n")
    import shopkit

    model = make_pipeline(FunctionTransformer(shopkit.clip), LogisticRegression()).fit(X, Y)
    joblib.dump(model, tmp_path / "custom.joblib")
    yield tmp_path / "custom.joblib"
    del __import__("sys").modules["shopkit"]


def write(planned, target, **how):
    return scaffold.scaffold(
        planned.card, planned.context(), target, include=planned.include,
        refined=planned.refined, **how,
    )  # fmt: skip


def test_a_dangerous_model_is_refused_unless_trusted(tmp_path, evil):
    with pytest.raises(ModelError, match="runs code of its own") as caught:
        plan.make(tmp_path / "p", Wishes(evil))
    assert "posix.system" in caught.value.why and "--trust" in caught.value.next
    planned = plan.make(tmp_path / "p", Wishes(evil, trust=True))
    write(planned, tmp_path / "p")
    again = plan.make(tmp_path / "p", Wishes())  # what was trusted once and is unchanged
    assert again.card.dangers
    with pytest.raises(ModelError):
        plan.make(tmp_path / "p", Wishes(evil))


def test_a_changed_model_in_the_project_is_not_trusted_again(tmp_path, evil):
    write(plan.make(tmp_path / "p", Wishes(evil, trust=True)), tmp_path / "p")
    inside = tmp_path / "p" / "model" / "evil.joblib"
    model = LogisticRegression().fit(X, Y)
    model.extra_, model.more_ = Evil(), 1
    joblib.dump(model, inside)
    with pytest.raises(ModelError, match="runs code of its own"):
        plan.make(tmp_path / "p", Wishes())


def test_modules_of_the_users_own_are_asked_for_and_copied(tmp_path, custom):
    with pytest.raises(ModelError, match="code of your own: shopkit") as caught:
        plan.make(tmp_path / "p", Wishes(custom))
    assert caught.value.next.startswith("--include shopkit")
    planned = plan.make(tmp_path / "p", Wishes(custom, include=("shopkit",)))
    write(planned, tmp_path / "p")
    project = tmp_path / "p"
    assert (project / "shopkit" / "__init__.py").read_text().startswith("def clip")
    assert not (project / "shopkit" / "__pycache__").exists()
    assert "COPY shopkit /image/srv/shopkit" in (project / "Dockerfile").read_text()
    assert "!shopkit" in (project / ".dockerignore").read_text()
    again = plan.make(project, Wishes())  # mlship.yaml remembers
    assert again.config.include == ("shopkit",)
    assert [path.name for path in again.include] == ["shopkit"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", "neither a package nor a module"), ("tests", "can't be included"),
     ("not-a-name.py", "can't be included")],
)  # fmt: skip
def test_what_can_not_be_included(tmp_path, custom, name, words):
    (tmp_path / "tests").mkdir()
    (tmp_path / "not-a-name.py").touch()
    with pytest.raises(UsageError, match=words):
        plan.make(tmp_path / "p", Wishes(custom, include=(name,)))


def test_a_function_of_a_notebook_can_not_be_served(tmp_path, monkeypatch):
    import __main__

    def clip(rows):
        return rows

    clip.__module__, clip.__qualname__ = "__main__", "clip"
    monkeypatch.setattr(__main__, "clip", clip, raising=False)
    model = make_pipeline(FunctionTransformer(clip), LogisticRegression()).fit(X, Y)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    with pytest.raises(ModelError, match="notebook or script"):
        plan.make(tmp_path / "p", Wishes(tmp_path / "m.pkl"))


def test_what_a_sample_taught_is_remembered_for_the_same_model(tmp_path):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    joblib.dump(model, tmp_path / "m.joblib")
    rows = "\n".join(",".join(map(str, [*row, label])) for row, label in zip(X, Y, strict=True))
    (tmp_path / "s.csv").write_text(f"age,income,visits,left\n{rows}\n")
    wishes = Wishes(tmp_path / "m.joblib", sample=tmp_path / "s.csv", target="left")
    first = plan.make(tmp_path / "p", wishes)
    assert [feature.name for feature in first.card.features] == ["age", "income", "visits"]
    write(first, tmp_path / "p")
    again = plan.make(tmp_path / "p", Wishes())
    assert again.card.features == first.card.features and again.refined
    other = make_pipeline(StandardScaler(), LogisticRegression(C=9)).fit(X, Y)
    joblib.dump(other, tmp_path / "m.joblib")
    changed = plan.make(tmp_path / "p", Wishes(tmp_path / "m.joblib"))
    assert [feature.name for feature in changed.card.features] == ["x0", "x1", "x2"]
