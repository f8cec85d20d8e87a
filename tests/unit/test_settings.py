"""--set key=value: parsing, and laying values over others."""

import pytest

from mlship import settings
from mlship.errors import UsageError


@pytest.mark.parametrize(
    ("assignments", "values"),
    [
        ([], {}),
        (["port=9000"], {"port": 9000}),
        (["python=3.10"], {"python": "3.10"}),
        (["version=1.0"], {"version": "1.0"}),
        (["image=localhost:5000/iris"], {"image": "localhost:5000/iris"}),
        (["image=a=b"], {"image": "a=b"}),
        (["autoscale.max=9", "autoscale.cpu=50"], {"autoscale": {"max": 9, "cpu": 50}}),
        (["resources.limits.cpu=1.5"], {"resources": {"limits": {"cpu": 1.5}}}),
        (
            ["resources.limits.memory=1Gi", "resources.requests.cpu=250m", "replicas=3"],
            {
                "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "250m"}},
                "replicas": 3,
            },
        ),
        (["port=1", "port=2"], {"port": 2}),
    ],
)
def test_parse(assignments, values):
    assert settings.parse(assignments) == values


@pytest.mark.parametrize(
    ("assignment", "next_step"),
    [
        ("prot=9000", "--set port=9000"),
        ("port", "--set port=VALUE"),
        ("autoscale.maximum=9", "--set autoscale.max=9"),
        ("resources.limits.mem=1Gi", "--set resources.limits.memory=1Gi"),
        ("=3", "--set port=3"),
        ("name=x", "--set namespace=x"),
    ],
)
def test_no_setting(assignment, next_step):
    with pytest.raises(UsageError) as caught:
        settings.parse([assignment])
    assert caught.value.what == f"--set {assignment} is not a setting"
    assert caught.value.why == f"Settings are key=value with one of: {', '.join(settings.KEYS)}."
    assert caught.value.next == next_step


@pytest.mark.parametrize("assignment", ["image=[", "namespace=@team", "port={a", "image='x"])
def test_broken_value(assignment):
    with pytest.raises(UsageError):
        settings.parse([assignment])


def test_overlay():
    base = {"port": 1, "autoscale": {"max": 6, "cpu": 75}, "image": "iris"}
    over = {"port": 2, "autoscale": {"max": 9}, "resources": {"limits": {"cpu": "1"}}}
    assert settings.overlay(base, over) == {
        "port": 2,
        "autoscale": {"max": 9, "cpu": 75},
        "image": "iris",
        "resources": {"limits": {"cpu": "1"}},
    }
    assert base == {"port": 1, "autoscale": {"max": 6, "cpu": 75}, "image": "iris"}
    assert over == {"port": 2, "autoscale": {"max": 9}, "resources": {"limits": {"cpu": "1"}}}


@pytest.mark.parametrize(
    ("base", "over"), [({"a": {"b": 1}}, {"a": 2}), ({"a": 1}, {"a": {"b": 2}})]
)
def test_overlay_replaces_what_is_no_dict_on_both_sides(base, over):
    assert settings.overlay(base, over) == over
