"""Reads a predictor.py, a model that is plain Python code; parsed only, never imported.

The contract, as module-level code of predictor.py (alone, or in a folder beside its files)::

    EXAMPLE = {"age": 39, "city": "Paris"}  # one instance: what it takes, by name

    def load():  # once, when the server starts
        return ...

    def predict(model, instances):  # a list of dicts like EXAMPLE
        return [... for instance in instances]  # one JSON value for each

``predict(instances)`` will do when there is no model to hand over. ``EXAMPLES = [...]`` shows
several instances: null in one of them, or lists of two lengths. ``CLASSES = [...]`` names the
labels that predict answers with. A requirements.txt beside it names the libraries; without one
they are found by the imports.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from mlship.card import Label, ModelCard
from mlship.errors import ModelError
from mlship.inspection.instances import features_of
from mlship.inspection.pins import normalized, read_pins
from mlship.inspection.python_source import imported, parse

_EXAMPLE = """In predictor.py, at the beginning of lines:
    EXAMPLE = {"age": 39, "city": "Paris"}
    def load():
        return open_the_model()
    def predict(model, instances):
        return [model.answer(instance["age"]) for instance in instances]"""


def read(path: Path) -> ModelCard:
    """Return the card of a predictor.py, or of a folder that has one.

    Raises:
        ModelError: it is no Python, a function or EXAMPLE is missing or does not fit, or it
            imports a file beside it that would stay behind.
    """
    file = path / "predictor.py" if path.is_dir() else path
    tree = parse(file)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    takes_model = _takes_model(file, functions)
    classes = _classes(file, _literal(file, tree, "CLASSES"))
    libraries = imported(path, file, tree)
    requirements, warnings = _requirements(file.parent if path.is_dir() else None, libraries)
    return ModelCard(
        path=path,
        framework="python",
        format="predictor",
        framework_version=None,
        description=_described(tree, file),
        task="classification" if classes else "inference",
        features=features_of(file, _examples(file, tree)),
        takes="inputs",
        classes=classes,
        requirements=requirements,
        python_range=(11, 14),
        python_reason=file.name,
        options=(("takes_model", takes_model), ("loads", "load" in functions)),
        warnings=warnings,
    )


def _takes_model(file: Path, functions: dict[str, ast.FunctionDef]) -> bool:
    """Check the signatures; tell whether predict's first parameter is what load returns."""
    if "predict" not in functions:
        raise _unfit(file, "has no function predict", "It is called for every request.")
    required, most = _positional(functions["predict"])
    if required > 2 or most < 1:
        raise _unfit(
            file,
            "has a predict that can't be called",
            f"It needs {required} arguments; it gets the model and the instances, or the "
            "instances alone.",
        )
    takes_model = required == 2 or (most >= 2 and "load" in functions)
    if takes_model and "load" not in functions:
        raise _unfit(file, "has no function load", "predict takes a model, which load returns.")
    if "load" in functions and _positional(functions["load"])[0]:
        raise _unfit(file, "has a load that can't be called", "It is called without arguments.")
    return takes_model


def _positional(function: ast.FunctionDef) -> tuple[int, int]:
    """Return how many arguments must, and how many can be given by position."""
    given = function.args
    must_by_name = sum(default is None for default in given.kw_defaults)
    most = len(given.posonlyargs) + len(given.args)
    return most - len(given.defaults) + must_by_name * 3, 99 if given.vararg else most


def _examples(file: Path, tree: ast.Module) -> list[Any]:
    several = _literal(file, tree, "EXAMPLES")
    single = _literal(file, tree, "EXAMPLE")
    if several is None and single is None:
        raise _unfit(
            file,
            "does not show what an instance looks like",
            "The schema of the requests comes from EXAMPLE, a dict of names and values.",
        )
    if several is None:
        return [single]
    return list(several) if isinstance(several, list | tuple) else [several]


def _classes(file: Path, value: Any) -> tuple[Label, ...]:
    if value is None:
        return ()
    labels = tuple(value) if isinstance(value, list | tuple) else ()
    kinds = {type(label) for label in labels}
    if len(kinds) == 1 and kinds <= {str, int, bool} and len(set(labels)) == len(labels):
        return labels
    raise _unfit(
        file, "has a CLASSES that is no list of labels", "It must hold different texts, or numbers."
    )


def _literal(file: Path, tree: ast.Module, name: str) -> Any:
    """Return the value of a module-level assignment of constants; None without one."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                return ast.literal_eval(node.value)  # type: ignore[attr-defined]
            except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
                raise _unfit(
                    file,
                    f"has a {name} that is computed",
                    f"The code is not run to read it (line {node.lineno}): write the values "
                    "themselves.",
                ) from None
    return None


def _requirements(
    folder: Path | None, libraries: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what to install; ``libraries`` are distributions by imported name."""
    file = folder / "requirements.txt" if folder else None
    if file is None or not file.is_file():
        if not libraries:
            return (), ()
        names = ", ".join(sorted(libraries.values()))
        return tuple(sorted(libraries.values())), (
            f"No requirements.txt says which versions it needs; the lock takes the newest {names}.",
        )
    pins, warnings = read_pins(file)
    # A library may come along with another, so this is no error.
    missing = [name for name, found in libraries.items() if normalized(found) not in pins]
    if missing:
        warnings.append(
            f"It imports {', '.join(sorted(missing)[:10])}, which requirements.txt does not name."
        )
    return tuple(pins.values()), tuple(warnings)


def _described(tree: ast.Module, file: Path) -> str:
    """Return the first line of its docstring, or its name."""
    lines = (ast.get_docstring(tree) or "").strip().splitlines()
    return lines[0][:120] if lines else f"Python code in {file.name}"


def _unfit(file: Path, what: str, why: str) -> ModelError:
    return ModelError(f"{file.name} {what}", why=why, next=_EXAMPLE)
