"""Converting as the command line sees it: what is asked of the isolated program, what it said."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlship import config, conversion, plan, remembered, scaffold
from mlship.card import Feature, ModelCard
from mlship.commands import proving, uv
from mlship.conversion import environment, evidence, request
from mlship.errors import ModelError, ProjectError, ToolFailed, UsageError
from mlship.inspection import inspect
from mlship.inspection.torch_notes import TORCH_BUILDS
from mlship.plan import Wishes
from mlship.runner import Result, Runner
from mlship.sampling import rows

X = np.random.default_rng(0).normal(5, 2, size=(60, 3))
Y = np.array(["leave", "stay"])[np.arange(60) % 2]
VERSIONS = {"python": "3.11.7", "onnxruntime": "1.32.0", "scikit-learn": "1.9.1"}
TRIED = {
    "candidate": "float64 inputs", "different": 0, "differences": [], "seconds": 0.5,
    "tolerance": {"absolute": 1e-5, "relative": 1e-5},
    "worst": {"share": 0.25, "difference": 1e-6, "kind": "edge", "row": [1.0], "original": 1,
              "onnx": 1},
}  # fmt: skip
RESULT = {
    "rows": {"compared": 2056, "real": 10, "generated": 2000, "edge": 46,
             "without an answer": 3, "asked alone too": 2056},
    "tried": [TRIED],
    "golden": {"rows": [[1.0, 2.0, 3.0]], "predictions": ["stay"], "probabilities": [[0.1, 0.9]],
               "tolerance": {"absolute": 1e-4, "relative": 1e-4}},
    "graph": {"dtypes": ["float64"], "inputs": ["X"], "labels": "same", "opsets": {"ai.onnx": 16},
              "outputs": ["output_label", "output_probability"]},
    "versions": VERSIONS,
    "seconds": 2.5,
}  # fmt: skip
DIFFERING = {
    **{key: value for key, value in RESULT.items() if key not in ("graph", "golden")},
    "tried": [
        {"candidate": "float64 inputs", "error": "NotImplementedError: no such operator"},
        {"candidate": "float32 inputs", "different": 7, "differences": [
            {"kind": "edge", "row": [0.5, 1.0, 2.0], "original": "stay", "onnx": "leave"}]},
    ],
}  # fmt: skip


@pytest.fixture
def model(tmp_path):
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    joblib.dump(estimator, tmp_path / "churn.joblib")
    return tmp_path / "churn.joblib"


class Isolated(Runner):
    """Pretends to be the isolated program."""

    def __init__(self, result, code=0):
        super().__init__()
        self.result, self.code, self.commands = result, code, []

    def ask(self, command, timeout=60):
        self.commands.append(command)
        if self.result is not None:
            out = Path(command.argv[-1])
            out.write_text(json.dumps(self.result))
            out.with_name("model.onnx").write_bytes(b"graph")
        return Result(self.code, "", "Killed\n")


@pytest.fixture
def convert(monkeypatch, tmp_path, model):
    monkeypatch.setattr(environment, "ensure", lambda *_: Path("/env/bin/python"))
    folder = tmp_path / "job"
    folder.mkdir()

    def run(result, **how):
        return conversion.convert(inspect(model), "3.11", folder, Isolated(result), **how)

    return run


def converted(target, model, convert):
    planned = plan.make(target, Wishes(model))
    found = convert(RESULT)
    return plan.converted(planned, found.card, found.files)


def write(planned, target, **how):
    return scaffold.scaffold(planned.card, planned.context(), target, files=planned.files,
                             include=planned.include, refined=planned.refined, **how)  # fmt: skip


def test_a_plan_asks_for_a_conversion_and_does_none(tmp_path, model):
    assert plan.make(tmp_path / "p", Wishes(model)).to_convert
    assert plan.make(tmp_path / "p", Wishes(model, runtime="onnx")).to_convert
    assert not plan.make(tmp_path / "p", Wishes(model, runtime="native")).to_convert
    assert not plan.make(tmp_path / "p", Wishes()).to_convert  # iris is ONNX


def test_the_card_stays_the_originals_but_for_how_it_is_run(tmp_path, model, convert):
    before = inspect(model)
    after = convert(RESULT).card
    assert after.requirements == ("numpy>=1.26", "onnxruntime==1.32.0")
    assert (after.format, after.path.name, after.takes) == ("onnx", "churn.onnx", "matrix")
    assert after.original.file == "churn.joblib" and after.original.sha256 == before.sha256
    for same in ("features", "classes", "description", "framework", "framework_version", "task"):
        assert getattr(after, same) == getattr(before, same), same


def test_the_project_tells_how_it_was_proven(tmp_path, model, convert):
    project = tmp_path / "churn"
    write(converted(project, model, convert), project)
    config_file = (project / "mlship.yaml").read_text()
    assert "runtime: auto" in config_file and 'file: "churn.joblib"' in config_file
    assert config.load(project / "mlship.yaml").original.sha256 == inspect(model).sha256
    readme = (project / "README.md").read_text()
    assert "2,056 rows gave the same answers: 10 of the sample" in readme
    assert "3 rows, on which the model itself has no finite answer" in readme
    assert "scikit-learn 1.9.1, run by ONNX Runtime" in readme
    proof = json.loads((project / evidence.PROOF).read_text())
    assert proof["rows"] == RESULT["rows"] and proof["versions"] == VERSIONS
    assert proof["original"]["sha256"] == inspect(model).sha256
    assert json.loads((project / evidence.ANSWERS).read_text()) == RESULT["golden"]
    assert (project / "tests" / "test_original.py").is_file()
    assert "conversion.json" not in (project / ".dockerignore").read_text()
    lines = (project / "pyproject.toml").read_text()
    assert "onnxruntime==1.32.0" in lines and "scikit-learn==" not in lines
    assert "joblib" not in lines and "pandas" not in lines


def test_rendering_again_needs_no_original(tmp_path, model, convert):
    project = tmp_path / "churn"
    write(converted(project, model, convert), project)
    model.unlink()
    again = plan.make(project, Wishes(values={"port": 9000}))
    assert not again.to_convert
    assert again.card.original.file == "churn.joblib" and again.config.port == 9000
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    write(plan.make(project, Wishes()), project, force=True)
    assert before == {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}


def test_a_new_model_is_converted_anew_by_the_choice_of_before(tmp_path, model, convert):
    project = tmp_path / "churn"
    write(converted(project, model, convert), project)
    assert plan.make(project, Wishes(model)).to_convert
    native = plan.make(project, Wishes(model, runtime="native"))
    assert not native.to_convert and native.config.original is None
    write(native, project, force=True)
    assert not (project / evidence.PROOF).exists()
    assert not (project / "tests" / "test_original.py").exists()
    assert "runtime: native" in (project / "mlship.yaml").read_text()
    assert not plan.make(project, Wishes(model)).to_convert  # the choice of before
    assert not plan.make(project, Wishes()).to_convert


@pytest.mark.parametrize("wishes", [Wishes(runtime="native"), Wishes(sample=Path("rows.csv"))])
def test_what_needs_the_original_is_refused_without_it(tmp_path, model, convert, wishes):
    project = tmp_path / "churn"
    write(converted(project, model, convert), project)
    with pytest.raises(UsageError, match="needs the model that churn was converted from") as caught:
        plan.make(project, wishes)
    assert "--model" in caught.value.next


@pytest.mark.parametrize("gone", [remembered.ORIGINAL, evidence.PROOF, evidence.ANSWERS])
def test_a_project_that_lost_its_proof_says_so(tmp_path, model, convert, gone):
    project = tmp_path / "churn"
    write(converted(project, model, convert), project)
    (project / gone).unlink()
    with pytest.raises(ProjectError) as caught:
        plan.make(project, Wishes())
    assert Path(gone).name in caught.value.why and "--model ORIGINAL" in caught.value.next


def test_another_onnx_file_is_not_taken_for_the_proven_one(tmp_path, model, convert):
    project = tmp_path / "churn"
    write(converted(project, model, convert), project)
    (project / "model" / "churn.onnx").write_bytes(b"other")
    with pytest.raises(ProjectError, match="does not know any more"):
        plan.make(project, Wishes())


def test_differences_are_shown_with_both_answers(convert):
    with pytest.raises(ModelError, match="answers differently in ONNX") as caught:
        convert(DIFFERING)
    assert caught.value.exit_code == 4
    assert "7 of 2,056 rows differ (float32 inputs)" in caught.value.why
    assert "[0.5, 1.0, 2.0] (edge)" in caught.value.why
    assert 'the model: "stay"' in caught.value.why and 'ONNX:      "leave"' in caught.value.why
    assert "--runtime native" in caught.value.next


@pytest.mark.parametrize(
    ("result", "words"),
    [({**DIFFERING, "tried": DIFFERING["tried"][:1]}, "no such operator"),
     ({"error": "ImportError: no shopkit", "versions": {}}, "no shopkit")],
)  # fmt: skip
def test_what_could_not_be_converted_says_why(convert, result, words):
    with pytest.raises(ModelError) as caught:
        convert(result)
    assert words in caught.value.why


def test_a_program_that_was_killed_is_no_refusal(convert):
    with pytest.raises(ToolFailed, match="could not be converted") as caught:
        convert(None)
    assert caught.value.why == "Killed"


def test_models_without_a_converter_need_no_environment(tmp_path, model, monkeypatch):
    card = inspect(model)
    monkeypatch.setattr(environment, "ensure", lambda *_: pytest.fail("made one"))
    text = Feature("text", "string")
    image = Feature("image", "float32", shape=(3, 8, 8))
    torch = replace(card, framework="torch", format="pt2", takes="inputs")
    assert conversion.reason_against(replace(torch, features=(image,))) == ""
    for other, words in (
        (replace(card, framework="keras", format="keras"), "not keras"),
        (replace(torch, features=(replace(image, shape=(3, None, 8)),)), "sides of any length"),
        (replace(torch, features=(replace(image, shape=(3, 512, 512)),)), "786,432 numbers"),
        (replace(card, takes="texts", features=(text,)), "texts"),
        (replace(card, output_classes=((0, 1), (0, 1))), "several outputs"),
        (replace(card, features=(image,)), "tensors"),
        (replace(card, framework="xgboost", takes="frame"), "categories"),
        (replace(card, path=tmp_path), "folder"),
    ):
        assert words in conversion.reason_against(other)
        with pytest.raises(ModelError, match="is not converted"):
            conversion.convert(other, "3.11", tmp_path, Runner())
    assert conversion.reason_against(card) == ""


def test_the_request_holds_what_the_card_says(model):
    asked = request.of(inspect(model), [[1.0, 2.0, 3.0]] * 20_000)
    assert len(asked["rows"]) == request.MOST_REAL
    assert [f["name"] for f in asked["features"]] == ["x0", "x1", "x2"]
    assert asked["classes"] == ["leave", "stay"] and asked["probabilities"]
    assert {"scikit-learn", "onnxruntime", "skl2onnx", "numpy"} <= {*asked["packages"]}
    json.dumps(asked, allow_nan=False)


def test_the_commands(tmp_path):
    run = proving.prove(Path("/env/bin/python"), Path("/j/a"), Path("/j/b"), [Path("/m")], tmp_path)
    assert run.argv == ("/env/bin/python", "-P", "-s", "-m", "onnxproof", "/j/a", "/j/b")
    assert run.env["PYTHONPATH"] == "/m" and run.cwd == tmp_path
    made = uv.make_movable("uv", Path("/env"), "3.11")
    assert made.argv == ("uv", "venv", "--python", "3.11", "--relocatable", "--allow-existing",
                         "--quiet", "/env")  # fmt: skip
    put = uv.install_into("uv", Path("/env"), ("onnx>=1.17",))
    assert put.argv == ("uv", "pip", "install", "--quiet", "--python", "/env/bin/python",
                        "--only-binary", ":all:", "onnx>=1.17")  # fmt: skip


@dataclass
class Makes(Runner):
    """Pretends that uv makes environments."""

    made: list = field(default_factory=list)
    told: list = field(default_factory=list)

    def must(self, command, what, *, next):
        self.made.append(command.argv)
        self.told.append(self.env.get("UV_INDEX"))


def test_environments_are_made_once_and_the_oldest_removed(tmp_path, model, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    card, runner = inspect(model), Makes()
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://pypi.example.com/simple")
    first = environment.ensure(card, "3.11", runner)
    assert runner.told == ["https://pypi.example.com/simple"] * 2
    assert len(runner.made) == 2 and first == environment.ensure(card, "3.11", runner)
    assert len(runner.made) == 2
    os.utime(first.parents[1] / "used", (1, 1))
    for version in range(9):
        pinned = replace(card, requirements=(f"scikit-learn==1.{version}",))
        environment.ensure(pinned, "3.11", runner)
    assert not first.parents[1].exists()
    assert len(list(environment.folder().iterdir())) == 8
    boosted = ModelCard(**{**card.__dict__, "requirements": ("lightgbm", "numpy")})
    assert "onnxmltools>=1.14" in environment.requirements(boosted)
    assert "onnxmltools>=1.14" not in environment.requirements(card)


FEATURES = (Feature("age", "float64"), Feature("city", "string"), Feature("floor", "int64"))


@pytest.mark.parametrize(
    ("name", "text"),
    [("s.csv", "city,Age,floor,left\nOslo,31.5,2,no\n,40,,yes\n"),
     ("s.json", '[{"age": 31.5, "city": "Oslo", "floor": 2}, {"age": 40, "city": null}]'),
     ("s.json", '[[31.5, "Oslo", 2], [40, null, null]]'),
     ("s.jsonl", '{"floor": 2, "age": 31.5, "city": "Oslo"}\n{"age": 40}\n')],
)  # fmt: skip
def test_rows_of_a_sample(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert rows.read(tmp_path / name, FEATURES, 10) == [[31.5, "Oslo", 2], [40.0, None, None]]
    assert len(rows.read(tmp_path / name, FEATURES, 1)) == 1


def test_rows_of_other_columns_are_none(tmp_path):
    (tmp_path / "s.csv").write_text("a,b\n1,2\n")
    assert rows.read(tmp_path / "s.csv", FEATURES, 10) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [("runtime: fast", "runtime"), ("original:\n  file: a/b\n  sha256: " + "a" * 64, "file"),
     ("original:\n  file: a.pkl\n  sha256: xyz", "sha256"),
     ("original:\n  file: a.pkl", "original.sha256 is missing")],
)  # fmt: skip
def test_mistakes_in_what_is_recorded(tmp_path, line, words):
    from tests.unit.conftest import CONFIG

    (tmp_path / "mlship.yaml").write_text(CONFIG + line + "\n")
    with pytest.raises(ProjectError) as caught:
        config.load(tmp_path / "mlship.yaml")
    assert words in caught.value.why


@pytest.fixture
def init(monkeypatch, tmp_path, model, capsys):
    """Runs ``mlship init`` on a model, with what converting it comes to."""
    from mlship.cli.init import init as command

    def run(outcome, name="churn", **how):
        def convert(card, python, folder, runner, **_):
            if isinstance(outcome, Exception):
                raise outcome
            (folder / "model.onnx").write_bytes(b"graph")
            return conversion.Conversion(*evidence.of(card, python, folder / "model.onnx", outcome))

        monkeypatch.setattr(conversion, "convert", convert)
        monkeypatch.setattr("mlship.lock.lock", lambda *_: None)
        monkeypatch.chdir(tmp_path)
        command(name, model=model, no_input=True, **how)
        return capsys.readouterr()

    return run


def test_init_shows_what_was_proven(init, tmp_path):
    said = init(json.loads(json.dumps(RESULT)))
    assert "ONNX Runtime runs it: 2,056 rows gave the same answers" in said.out
    assert "churn.joblib: Pipeline" in said.out and "churn.onnx" in said.out
    assert (tmp_path / "churn" / "model" / "churn.onnx").read_bytes() == b"graph"


DIFFERENT = ModelError("churn.joblib answers differently in ONNX", why="7 of 9 rows differ")


def test_auto_stays_native_and_says_why(init, tmp_path):
    said = init(DIFFERENT)
    assert "answers differently in ONNX: 7 of 9 rows differ" in said.err
    assert "It stays with scikit-learn." in said.err
    assert (tmp_path / "churn" / "model" / "churn.joblib").is_file()
    assert "scikit-learn==" in (tmp_path / "churn" / "pyproject.toml").read_text()
    assert "original" not in (tmp_path / "churn" / "mlship.yaml").read_text()


def test_auto_warns_where_the_environment_failed(init, tmp_path):
    said = init(ToolFailed("The environment could not be made", why="no network"))
    assert "Warning: The environment could not be made; the model stays with" in said.err
    assert (tmp_path / "churn" / "model" / "churn.joblib").is_file()


def test_onnx_has_to_be_proven(init, tmp_path):
    with pytest.raises(ModelError, match="answers differently"):
        init(DIFFERENT, runtime="onnx")
    with pytest.raises(UsageError, match="exclude each other"):
        init(RESULT, runtime="onnx", no_lock=True)
    assert not (tmp_path / "churn").exists()


@pytest.mark.parametrize("how", [{"runtime": "native"}, {"no_lock": True}])
def test_init_that_never_loads_the_model(init, tmp_path, how):
    said = init(AssertionError("converted"), **how)
    assert ("no network" in said.err) is ("no_lock" in how)
    assert (tmp_path / "churn" / "model" / "churn.joblib").is_file()


TORCH = {"framework": "torch", "format": "pt2", "framework_version": "2.13.0", "task": "inference",
         "requirements": ("torch==2.13.0",), "classes": (), "probabilities": False,
         "takes": "inputs", "warnings": (TORCH_BUILDS, "The program takes at most 8 rows"),
         "features": (Feature("image", "float32", shape=(3, 8, 8)),),
         "input_names": ("image",), "output_names": ("y",)}  # fmt: skip
TORCH_GRAPH = {"dtypes": ["float32"], "inputs": ["image"], "labels": "named",
               "opsets": {"ai.onnx": 20}, "outputs": ["y"]}  # fmt: skip


def test_a_converted_network_answers_by_the_names_of_its_outputs(tmp_path, model):
    (tmp_path / "model.onnx").write_bytes(b"graph")
    before = replace(inspect(model), **TORCH)
    card, files = evidence.of(before, "3.11", tmp_path / "model.onnx",
                              {**RESULT, "graph": TORCH_GRAPH})  # fmt: skip
    assert card.takes == "inputs" and card.features == before.features
    assert card.warnings == ("The program takes at most 8 rows",)  # nothing of torch's builds
    planned = plan.converted(plan.make(tmp_path / "p", Wishes(model)), card, files)
    write(planned, tmp_path / "p")
    code = (tmp_path / "p" / "app" / "model.py").read_text()
    assert "dict(zip(card.OUTPUTS, answer" in code and "torch" not in code
    assert "isinstance(one, dict)" in (tmp_path / "p" / "tests" / "test_original.py").read_text()
    assert "torch==" not in (tmp_path / "p" / "pyproject.toml").read_text()
    again = plan.make(tmp_path / "p", Wishes())  # rendering again does not forget it
    assert again.card.original.labels == "named"


def test_the_request_of_a_tensor_is_bounded(model):
    card = replace(inspect(model), **TORCH)
    asked = request.of(card, [[1]] * 20_000)
    assert asked["generated"] == request.GENERATED and asked["features"][0]["shape"] == [3, 8, 8]
    assert asked["inputs"] == ["image"] and asked["outputs"] == ["y"]
    large = replace(card, features=(Feature("image", "float32", shape=(3, 224, 224)),))
    asked = request.of(large, [[1]] * 20_000)
    assert asked["generated"] == len(asked["rows"]) == 2_000_000 // (3 * 224 * 224)


def test_torch_is_converted_with_its_exporter(model, monkeypatch):
    card = replace(inspect(model), **TORCH)
    found = environment.requirements(card)
    assert "torch==2.13.0" in found and any(each.startswith("onnxscript") for each in found)
    assert not any(each.startswith("skl2onnx") for each in found)
    for name in ("UV_TORCH_BACKEND", "UV_FIND_LINKS", "UV_INDEX", "UV_DEFAULT_INDEX",
                 "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert environment.brings_cuda(card) and not environment.brings_cuda(inspect(model))
    for name, value in {"UV_TORCH_BACKEND": "cpu", "PIP_EXTRA_INDEX_URL": "https://a/b"}.items():
        monkeypatch.setenv(name, value)
        assert not environment.brings_cuda(card)
        monkeypatch.delenv(name)
    monkeypatch.setattr("sys.platform", "darwin")
    assert not environment.brings_cuda(card)


def test_auto_does_not_fetch_cuda(init, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "brings_cuda", lambda _: True)
    said = init(AssertionError("converted"))
    assert "several GB of CUDA" in said.err and "PIP_EXTRA_INDEX_URL" in said.err
    assert (tmp_path / "churn" / "model" / "churn.joblib").is_file()
    with pytest.raises(ModelError, match="answers differently"):
        init(DIFFERENT, "other", runtime="onnx")
