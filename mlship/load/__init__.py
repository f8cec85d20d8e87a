"""Load on a service of one's own: how many requests a second it answers, and how fast."""

from mlship.load.histogram import Histogram
from mlship.load.open_loop import run, run_phases
from mlship.load.result import Result, Second
from mlship.load.searching import Found, Step, judge, search

__all__ = [
    "Found",
    "Histogram",
    "Result",
    "Second",
    "Step",
    "judge",
    "run",
    "run_phases",
    "search",
]
