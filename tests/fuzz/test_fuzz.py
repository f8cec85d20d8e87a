"""A short run of the fuzzer; a long one is ``python -m tests.fuzz.fuzz_models --seconds 600``."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.fuzz_models import CHANGES, changed, own_models

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches by /proc")


def test_changed_files_are_answered_or_refused(tmp_path):
    """The cases differ from run to run; the seed is in the output."""
    seed = random.SystemRandom().randrange(1 << 32)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.fuzz_models", "--seconds", "20", "--seed", str(seed),
         "--failures", tmp_path],
        capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr}"
    cases = int(re.search(r"(\d+) cases", done.stdout)[1])
    assert cases > 100, done.stdout
    assert "'refused'" in done.stdout and "'card'" in done.stdout, done.stdout


def test_the_fuzzer_finds_what_is_wrong(tmp_path):
    """A reader that fails on one byte in 256, reads for ever or runs code is found out."""
    code = f"""
import json, os, random, sys
from pathlib import Path
import mlship.inspection
from mlship.errors import ModelError
from tests.fuzz.fuzz_models import run
def broken(path):
    data = path.read_bytes()
    if data[3:4] == b"7":
        raise KeyError("broken")
    if data[3:4] == b"8":
        os.system("true")
    raise ModelError("no model")
mlship.inspection.inspect = broken
result = run(5, 1, {{"a.pkl": b"0" * 8}}, Path({str(tmp_path)!r}))
print(json.dumps([failure["text"][-60:] for failure in result.failures]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    texts = " ".join(json.loads(done.stdout.splitlines()[-1]))
    assert "KeyError: 'broken'" in texts and "os.system" in texts


def test_the_same_seed_makes_the_same_case():
    data = own_models()["diabetes-5.pkl"]
    cases = {changed(data, random.Random(f"3-{n}"), data) for n in range(40)}
    assert cases == {changed(data, random.Random(f"3-{n}"), data) for n in range(40)}
    assert len(cases) > 35
    assert len({change.__name__ for change in CHANGES}) >= 9
