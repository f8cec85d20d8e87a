"""The indexes in [tool.uv], told to a build in addition to what this machine was told."""

import pytest

from mlship import indexes, uvsettings
from mlship.indexes import Index
from mlship.surroundings import look_around

URL = "https://corp.example.com/simple"
LISTED = """
[[tool.uv.index]]
name = "corp.main"
url = "https://corp.example.com/simple"
default = true

[[tool.uv.index]]
name = "torch"
url = "https://torch.example.com/cpu"
explicit = true

[[tool.uv.index]]
url = "https://flat.example.com/x"
format = "flat"

[[tool.uv.index]]
url = "../wheels"
"""
CREDENTIALS = {"UV_INDEX_CORP_MAIN_USERNAME": "me", "UV_INDEX_CORP_MAIN_PASSWORD": "s:cret"}


@pytest.fixture
def of(tmp_path):
    def read(text, **environ):
        (tmp_path / "pyproject.toml").write_text(text)
        return uvsettings.of_project(tmp_path, {"HOME": "/nowhere", **environ})

    return read


def test_listed(of):
    index = of(LISTED, **CREDENTIALS)
    assert index == Index(
        "https://me:s%3Acret@corp.example.com/simple", ("https://torch.example.com/cpu",),
        ("https://flat.example.com/x",), origin="pyproject.toml",
    )  # fmt: skip
    assert index.passwords == ("s%3Acret", "s:cret")


def test_by_the_older_names_and_those_of_uv_pip(of):
    index = of(
        f'[tool.uv]\nindex-url = "{URL}"\nfind-links = ["/opt/wheels", "https://f.example.com"]\n'
        'allow-insecure-host = ["h"]\n[tool.uv.pip]\nextra-index-url = ["https://e.example.com"]\n'
    )
    assert index == Index(
        URL, ("https://e.example.com",), ("https://f.example.com",), ("h",), "pyproject.toml"
    )


@pytest.mark.parametrize(
    "text", ["", "[tool]\nuv = 1\n", '[tool.uv]\nindex = "x"\npip = 1\nindex-url = 2\n',
             "[tool.uv]\nindex = [1, {url = 2}]\n"]
)  # fmt: skip
def test_none(of, text, tmp_path):
    assert not of(text)
    assert not uvsettings.of_project(tmp_path / "none", {})


def test_this_machine_comes_first():
    own, more = (
        Index("https://a", ("https://x",), origin="A"),
        Index(URL, ("https://x", "https://y")),
    )
    both = indexes.joined(own, more)
    assert (both.url, both.extra, both.origin) == ("https://a", ("https://x", "https://y"), "A")
    proxied = Index(proxy="http://p", cert="c")
    assert indexes.joined(proxied, more).url == URL
    assert indexes.joined(proxied, more).proxy == "http://p"


def test_a_build_is_told_and_uv_is_not_told_twice(tmp_path):
    """uv asks an explicit index for what is meant to come from it; by a variable, for all."""
    (tmp_path / "pyproject.toml").write_text(LISTED)
    environ = {"HOME": "/nowhere", "PIP_CONFIG_FILE": "/dev/null",
               "PIP_EXTRA_INDEX_URL": "https://x.example.com", **CREDENTIALS}  # fmt: skip
    around = look_around(environ, project=tmp_path)
    assert around.for_uv["UV_INDEX"] == "https://x.example.com"
    assert "UV_DEFAULT_INDEX" not in around.for_uv
    assert around.for_pip["PIP_EXTRA_INDEX_URL"] == (
        "https://x.example.com https://torch.example.com/cpu"
    )
    assert around.for_pip["PIP_INDEX_URL"] == "https://me:s%3Acret@corp.example.com/simple"
    assert around.index.origin == "PIP_EXTRA_INDEX_URL, pyproject.toml"
    assert "s:cret" in around.index.passwords
