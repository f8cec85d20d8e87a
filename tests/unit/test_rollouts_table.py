"""docs/rollouts.md says of each cause exactly what mlship says.

``python -m tests.unit.test_rollouts_table`` writes its tables anew.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from mlship.rollout import diagnosis, refusals
from mlship.rollout.diagnosis import diagnose
from mlship.rollout.refusals import refusal
from mlship.rollout.trouble import Trouble
from tests.support.rollouts import scenarios
from tests.unit import test_diagnosis, test_refusals

PAGE = Path(__file__).parents[2] / "docs" / "rollouts.md"
HEAD = (
    "| Cause | What mlship says | Evidence | Next step | Test | Seen |\n|---|---|---|---|---|---|\n"
)
# Refusals up to this one in SAID were printed by kubectl 1.37 against a 1.36 server.
LAST_SEEN = "quota"


def cell(text: str) -> str:
    """Return text as a cell of a table."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    more = " ..." if len(first) > 160 or "\n" in text.strip() else ""
    return first[:160].replace("|", "\\|").replace("<", "&lt;") + more


def row(found: Trouble, test: str, seen: bool) -> str:
    """Return the row of a trouble."""
    cells = (found.what, found.evidence[0] if found.evidence else "", found.next)
    words = " | ".join(map(cell, cells))
    return f"| `{found.cause}` | {words} | `{test}` | {'cluster' if seen else 'by hand'} |\n"


def pods_table() -> str:
    """Return the table of what a rollout may stop at."""
    rows = []
    for name, play in scenarios.ALL.items():
        one = play()
        taken = one.moment.taken + timedelta(seconds=15)
        found = diagnose(one.moment.snapshot(taken), one.witness)[0]
        test = f"test_diagnosis.py::test_scenario[{name}]"
        rows.append((diagnosis.CAUSES.index(found.cause), row(found, test, one.is_recorded)))
    return HEAD + "".join(text for _, text in sorted(rows, key=lambda one: one[0]))


def refusals_table() -> str:
    """Return the table of what the API may refuse."""
    names = list(test_refusals.SAID)
    rows = []
    for name in names:
        found = refusal(test_refusals.SAID[name][0], namespace="ml")
        seen = names.index(name) <= names.index(LAST_SEEN)
        order = [*refusals.CAUSES, *diagnosis.CAUSES].index(found.cause)
        rows.append((order, row(found, f"test_refusals.py::test_refusal[{name}]", seen)))
    return HEAD + "".join(text for _, text in sorted(rows, key=lambda one: one[0]))


TABLES = {"rollout": pods_table, "refusals": refusals_table}


def between(name: str) -> re.Pattern[str]:
    return re.compile(f"(<!-- {name} -->\n)(.*?)(<!-- end -->)", re.S)


@pytest.mark.parametrize("name", TABLES)
def test_the_page_says_what_mlship_says(name):
    found = between(name).search(PAGE.read_text())
    assert found and found.group(2) == TABLES[name]()


def test_every_cause_stands_in_the_page():
    page = PAGE.read_text()
    for cause in (*diagnosis.CAUSES, *refusals.CAUSES):
        assert f"| `{cause}` |" in page, cause


def test_every_cause_in_the_code_is_listed():
    known = {*diagnosis.CAUSES, *refusals.CAUSES}
    folder = Path(diagnosis.__file__).parent
    written = set()
    for path in folder.glob("*.py"):
        written |= set(re.findall(r"Trouble\(\s*\"([a-z-]+)\"", path.read_text()))
    assert written and written <= known


def test_the_tests_named_in_the_page_exist():
    modules = {"test_diagnosis": test_diagnosis, "test_refusals": test_refusals}
    named = re.findall(r"(test_\w+)\.py::(test_\w+)\[([\w-]+)\]", PAGE.read_text())
    assert len(named) == len(scenarios.ALL) + len(test_refusals.SAID)
    for module, function, name in named:
        assert hasattr(modules[module], function)
        assert name in scenarios.ALL or name in test_refusals.SAID


if __name__ == "__main__":
    text = PAGE.read_text()
    for table, make in TABLES.items():
        text = between(table).sub(lambda found, m=make: found.group(1) + m() + found.group(3), text)
    PAGE.write_text(text)
