"""Asking a person, where one is there to ask."""

import io
import re
from pathlib import Path

import pytest
from rich.table import Table

from mlship.cli import console
from mlship.errors import Declined, UsageError

DOUBTS = ["it was deployed to the context dev before", "its name looks like production"]


@pytest.fixture
def person(monkeypatch):
    """Somebody at the terminal, who types this."""

    def types(text):
        keyboard = io.StringIO(text)
        keyboard.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", keyboard)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    return types


def test_where_all_is_known_nobody_is_asked(capsys):
    console.confirm("Deploy iris there?", [], yes=False)
    console.confirm("Deploy iris there?", DOUBTS, yes=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "what\ny\n"])
def test_yes(person, capsys, answer):
    person(answer)
    console.confirm("Deploy iris there?", DOUBTS, yes=False)
    out, err = capsys.readouterr()
    # stdout is for the result.
    assert out == ""
    assert err.splitlines()[0] == (
        "It was deployed to the context dev before; its name looks like production."
    )
    assert "Deploy iris there?" in err
    assert ("Please enter Y or N" in err.splitlines()[1]) is answer.startswith("what")


@pytest.mark.parametrize("name", ["dev[/x]", "team[blue]", "a:100:b"])
def test_names_in_a_question_are_no_markup(person, capsys, name):
    person("y\n")
    console.confirm(f"Scale iris in {name}?", DOUBTS, yes=False)
    assert f"Scale iris in {name}? [y/n] (n): " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["dev[/x]", "team[blue]", "https://[fd00:100::1]:6443"])
def test_names_in_lines_and_tables_are_no_markup(capsys, name):
    console.out.print(f"In {name} are:")
    console.say((name, "bold"), f" of {name}")
    table = Table.grid()
    table.add_row(name)
    console.out.print(table)
    assert capsys.readouterr().out.splitlines() == [f"In {name} are:", f"{name} of {name}", name]


def test_nothing_is_written_as_markup():
    """The consoles would show it as it stands."""
    styles = re.compile(r"\[/?(bold|dim|red|green|yellow|cyan)\]")
    files = Path(console.__file__).parent.glob("*.py")
    assert [path.name for path in files if styles.search(path.read_text())] == []


# The last is Ctrl-D.
@pytest.mark.parametrize("answer", ["n\n", "\n", "perhaps\nn\n", ""])
def test_no(person, answer):
    person(answer)
    with pytest.raises(Declined) as caught:
        console.confirm("Deploy iris there?", DOUBTS, yes=False)
    assert (caught.value.what, caught.value.exit_code) == ("Nothing was changed", 1)


@pytest.mark.parametrize("closed", ["stdin", "stderr"])
def test_nobody_is_there(person, monkeypatch, closed):
    """The question would go to stderr; stdout may be a file: `mlship deploy --json > x`."""
    person("y\n")
    monkeypatch.setattr(f"sys.{closed}.isatty", lambda: False)
    with pytest.raises(UsageError) as caught:
        console.confirm("Deploy iris there?", DOUBTS[:1], yes=False)
    assert caught.value.what == "Deploy iris there: nobody is here to ask"
    assert caught.value.why == "It was deployed to the context dev before."
    assert "--yes" in caught.value.next
