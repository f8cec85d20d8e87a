"""Project names: which are valid, and what is suggested for the others."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlship import names
from mlship.errors import UsageError

LABEL = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"


@pytest.mark.parametrize("name", ["a", "iris", "my-model-2", "a--b", "x1", "a" * 63])
def test_valid(name):
    assert names.check(name) == name


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("My Model", "my-model"),
        ("3d", "model-3d"),
        ("", "model"),
        ("---", "model"),
        ("iris_v2", "iris-v2"),
        ("iris-", "iris"),
        ("-iris", "iris"),
        ("../iris", "iris"),
        ("iris\n", "iris"),
        ("Modèle", "modele"),
        ("模型", "model"),
        ("a" * 64, "a" * 63),
        ("a" * 62 + "-b", "a" * 62),
        ("9" * 70, "model-" + "9" * 57),
    ],
)
def test_invalid(name, suggestion):
    with pytest.raises(UsageError) as caught:
        names.check(name)
    assert caught.value.what == f"'{name}' can't name a project"
    assert caught.value.next == f"mlship init {suggestion}"
    assert caught.value.exit_code == 2


@settings(database=None, deadline=None, derandomize=True)
@given(st.text(max_size=100))
def test_suggestion_is_valid(name):
    suggestion = names.suggest(name)
    assert names.check(suggestion) == suggestion


YAML_WORDS = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]


@pytest.mark.parametrize("name", YAML_WORDS)
def test_a_word_that_yaml_reads_as_something_else(name):
    with pytest.raises(UsageError) as caught:
        names.check(name)
    assert caught.value.next == f"mlship init {name}-model"
    assert names.check(names.suggest(name)) == f"{name}-model"


@settings(database=None, deadline=None, derandomize=True)
@given(st.from_regex(LABEL, fullmatch=True))
def test_every_label_is_valid(name):
    assume(name not in YAML_WORDS)
    assert names.check(name) == name
