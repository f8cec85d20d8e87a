"""The histogram against the values themselves."""

import math
import random

import pytest

from mlship.load.histogram import Histogram


@pytest.fixture
def values():
    made = random.Random(7)
    return sorted(math.exp(made.uniform(math.log(2e-6), math.log(90))) for _ in range(5000))


def filled(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@pytest.mark.parametrize("q", [0.001, 0.1, 0.5, 0.9, 0.99, 0.999])
def test_quantiles_are_right_to_one_percent(values, q):
    exact = values[math.ceil(q * len(values)) - 1]
    assert filled(values).quantile(q) == pytest.approx(exact, rel=0.01)


def test_each_value_alone_is_right_to_one_percent(values):
    for value in values[:500]:
        found = filled([value, 100]).quantile(0.5)
        assert found == pytest.approx(value, rel=0.01)


def test_the_largest_is_exact(values):
    assert filled(values).max == filled(values).quantile(1) == values[-1]
    assert filled([0.123456789]).quantile(0.5) == 0.123456789


def test_what_is_too_small_to_tell():
    assert filled([0, 1e-9, 5e-7, 3]).quantile(0.5) <= 1.01e-6


def test_an_empty_one():
    assert Histogram().quantile(0.5) is None
    assert list(Histogram().buckets()) == []


def test_above(values):
    for limit in (1e-5, 0.01, 0.05, 10):
        low, high = (sum(v > limit * f for v in values) for f in (1.02, 0.98))
        assert low <= filled(values).above(limit) <= high


def test_buckets_hold_all(values):
    buckets = list(filled(values).buckets())
    ends = [end for end, _ in buckets]
    assert sum(n for _, n in buckets) == len(values)
    assert ends == sorted(ends)
    for end, n in buckets[:50]:
        assert n == sum(end / 1.02 <= value < end for value in values)
    assert len(buckets) < 950  # whatever was recorded
