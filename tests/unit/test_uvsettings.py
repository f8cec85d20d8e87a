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


def extra(*ports):
    return tuple(f"https://h{port}.example.com" for port in ports)


def write(path, port):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = "[tool.uv]\n" if path.name == "pyproject.toml" else ""
    path.write_text(f'{table}extra-index-url = ["{extra(port)[0]}"]\n')
    return path


def test_files_that_uv_reads(tmp_path):
    project, home = tmp_path / "a" / "b", tmp_path / "home"
    environ = {"HOME": str(home), "XDG_CONFIG_DIRS": f"/nowhere:{tmp_path}/etc"}

    def found(**variables):
        return uvsettings.of_project(project, environ | variables)

    system = write(tmp_path / "etc" / "uv" / "uv.toml", 1)
    user = write(home / ".config" / "uv" / "uv.toml", 2)
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text("[project]\n")
    above = write(tmp_path / "a" / "pyproject.toml", 3)
    assert found().extra == extra(3, 2, 1)
    assert found().origin == f"{above}, {user}, {system}"
    write(project / "pyproject.toml", 4)
    assert found().extra == extra(4, 2, 1), "settings of its own take the place of those above"
    write(project / "uv.toml", 5)
    assert found().extra == extra(5, 2, 1) and found().origin.startswith("uv.toml, ")
    (project / "uv.toml").write_text("")
    assert found().extra == extra(2, 1), "an empty one takes the place of [tool.uv] too"
    assert found(UV_NO_CONFIG="1") == Index()
    write(project / "own.toml", 6)
    assert found(UV_CONFIG_FILE="own.toml", UV_NO_CONFIG="1").extra == extra(6)
    assert found(XDG_CONFIG_HOME=str(tmp_path)).extra == extra(1)
    user.write_text("[broken")
    assert found().extra == extra(1), "what is wrong with it uv says"
    assert uvsettings.of_project(None, environ).extra == extra(1)


def test_no_index(of):
    assert of("[tool.uv]\nno-index = true\n").no_index


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


def test_lock_and_build_use_the_same_where_pip_and_uv_are_told(tmp_path):
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {URL}\n")
    environ = {"HOME": "/nowhere", "PIP_CONFIG_FILE": "/dev/null",
               "UV_INDEX": "https://torch.example.com/cpu"}  # fmt: skip
    for around in (
        look_around({**environ, "PIP_INDEX_URL": URL}, project=tmp_path),
        look_around(environ, project=tmp_path, pip_conf=tmp_path / "pip.conf"),
    ):
        assert around.for_uv == {"UV_DEFAULT_INDEX": URL}, "uv reads UV_INDEX by itself"
        assert around.index.addresses == (URL, "https://torch.example.com/cpu")


def test_passwords_of_proxies_are_hidden():
    proxy = "http://ann:S3cret#Pw@proxy.example.com:3128"
    environ = {"HOME": "/nowhere", "PIP_CONFIG_FILE": "/dev/null", "no_proxy": "a:b@c"}
    assert look_around({**environ, "HTTPS_PROXY": proxy}).passwords == ("S3cret#Pw",)
    assert look_around({**environ, "ALL_PROXY": proxy}).passwords == ("S3cret#Pw",)
