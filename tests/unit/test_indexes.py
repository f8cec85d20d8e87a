"""The package index, read as pip and uv read it."""

import configparser

import pytest

from mlship import indexes, pipconf
from mlship.errors import UsageError
from mlship.indexes import Index

URL = "https://user:p%40ss@pypi.example.com/simple"


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    (folder / ".config" / "pip").mkdir(parents=True)
    return folder


def found(home, **variables):
    return indexes.from_environment({"HOME": str(home), "XDG_CONFIG_DIRS": "", **variables})


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def no_global(monkeypatch):
    """Without the pip.conf of this machine."""
    files = pipconf._files
    monkeypatch.setattr(
        pipconf, "_files", lambda environ: (p for p in files(environ) if str(p) != "/etc/pip.conf")
    )


def test_nothing(home):
    assert not found(home)
    assert found(home).pip_conf() == "[global]\n"


def test_variables_of_pip(home):
    index = found(
        home, PIP_INDEX_URL=URL, PIP_EXTRA_INDEX_URL="https://a.example.com https://b.example.com",
        PIP_TRUSTED_HOST="pypi.example.com", PIP_FIND_LINKS="/opt/wheels https://c.example.com/x",
    )  # fmt: skip
    assert index == Index(
        URL, ("https://a.example.com", "https://b.example.com"), ("https://c.example.com/x",),
        ("pypi.example.com",), "PIP_INDEX_URL",
    )  # fmt: skip


def test_files_and_what_overrides_what(home):
    write(home / ".pip" / "pip.conf", "[global]\nindex-url = https://old.example.com\n")
    user = write(
        home / ".config" / "pip" / "pip.conf",
        "[global]\nindex_url = https://user.example.com\nextra-index-url =\n  https://x.example.com\n"
        "  file:///opt/simple\n[install]\nindex-url = https://install.example.com\n",
    )
    index = found(home)
    assert (index.url, index.extra) == ("https://install.example.com", ("https://x.example.com",))
    assert index.origin == str(user)
    chosen = write(home / "own.conf", "[global]\nindex-url = https://own.example.com\n")
    own = found(home, PIP_CONFIG_FILE=str(chosen))
    assert own == Index("https://own.example.com", origin=str(chosen)), "the user's is not read"
    assert found(home, PIP_CONFIG_FILE="/no/file").url == "https://install.example.com"
    assert found(home, PIP_CONFIG_FILE="/dev/null") == Index()
    assert found(home, PIP_INDEX_URL=URL).url == URL


def test_variables_of_uv_count_beside_pips_and_its_main_index_where_pip_has_none(home):
    index = found(
        home, UV_DEFAULT_INDEX="main=https://uv.example.com", UV_INDEX="https://e.example.com",
        UV_INDEX_MAIN_USERNAME="me", UV_INDEX_MAIN_PASSWORD="a/b",
    )  # fmt: skip
    assert index.url == "https://me:a%2Fb@uv.example.com" and index.origin == "UV_DEFAULT_INDEX"
    assert index.extra == ("https://e.example.com",)
    both = found(
        home, UV_DEFAULT_INDEX="https://uv.example.com", PIP_INDEX_URL=URL,
        UV_EXTRA_INDEX_URL="https://e.example.com", UV_FIND_LINKS="/w,https://l.example.com",
    )  # fmt: skip
    assert both == Index(URL, ("https://e.example.com",), ("https://l.example.com",),
                         origin="PIP_INDEX_URL, UV_DEFAULT_INDEX")  # fmt: skip


def test_no_index_is_no_public_one_either(home):
    conf = write(
        home / ".config" / "pip" / "pip.conf",
        f"[global]\nno-index = yes\nindex-url = {URL}\nfind-links = https://l.example.com\n",
    )
    index = found(home, UV_INDEX="https://t.example.com")
    assert index == Index(links=("https://l.example.com",), origin=str(conf), no_index=True)
    assert "no-index = true\n" in index.pip_conf() and "index-url" not in index.pip_conf()
    assert index.uv_environment({}) == {
        "UV_DEFAULT_INDEX": "file:///nowhere", "UV_INDEX": "", "UV_EXTRA_INDEX_URL": "",
        "UV_FIND_LINKS": "https://l.example.com",
    }  # fmt: skip
    assert found(home, PIP_NO_INDEX="0").url == URL
    assert found(home, PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null")


def test_netrc(home):
    write(home / ".netrc", "machine pypi.example.com login me password s:cret\n")
    index = found(home, PIP_INDEX_URL="https://pypi.example.com:8443/simple")
    assert index.url == "https://me:s%3Acret@pypi.example.com:8443/simple"
    assert index.passwords == ("s%3Acret", "s:cret")
    assert found(home, PIP_INDEX_URL="https://other.example.com").url == "https://other.example.com"
    write(home / ".netrc", "default login all password any\n")
    assert found(home, PIP_INDEX_URL="https://other.example.com").passwords == ("any",)


def test_pip_reads_what_is_written():
    index = Index(URL, ("https://a.example.com", "https://b.example.com"), (), ("h1", "h2"))
    parser = configparser.RawConfigParser()  # pip's own
    parser.read_string(index.pip_conf())
    assert dict(parser["global"]) == {
        "index-url": URL,
        "extra-index-url": "https://a.example.com https://b.example.com",
        "trusted-host": "h1 h2",
    }


def test_uv_gets_the_same_and_keeps_what_its_variables_name():
    index = Index(URL, ("https://a.example.com",), (), ("h1",))
    assert index.uv_environment({}) == {
        "UV_DEFAULT_INDEX": URL, "UV_INDEX": "https://a.example.com", "UV_INSECURE_HOST": "h1"
    }  # fmt: skip
    own = {"UV_INDEX": "t=https://t.example.com", "UV_FIND_LINKS": "/opt/wheels"}
    assert index.uv_environment(own)["UV_INDEX"] == "t=https://t.example.com https://a.example.com"
    assert "UV_FIND_LINKS" not in index.uv_environment(own)
    linked = Index(links=("https://l.example.com", "https://m.example.com"))
    assert linked.uv_environment(own) == {
        "UV_FIND_LINKS": "/opt/wheels,https://l.example.com,https://m.example.com"
    }
    assert linked.pip_environment({"PIP_FIND_LINKS": "/opt/w https://l.example.com"}) == {
        "PIP_FIND_LINKS": "/opt/w https://l.example.com https://m.example.com"
    }
    assert index.pip_environment({}) == {
        "PIP_INDEX_URL": URL, "PIP_EXTRA_INDEX_URL": "https://a.example.com",
        "PIP_TRUSTED_HOST": "h1",
    }  # fmt: skip


def test_a_file_by_name(tmp_path):
    path = write(tmp_path / "pip.conf", f"[global]\nindex-url = {URL}\n")
    assert indexes.from_file(path, {}) == Index(URL, origin=str(path))
    write(path, "[global]\nfind-links = /opt/wheels\n")
    with pytest.raises(UsageError, match="names no package index"):
        indexes.from_file(path, {})
    with pytest.raises(UsageError, match="is no file"):
        indexes.from_file(tmp_path / "none", {})


def test_a_broken_file_is_named_and_not_quoted(home):
    path = write(home / ".config" / "pip" / "pip.conf", f"index-url = {URL}\n")
    with pytest.raises(UsageError, match="can't be read as a pip") as caught:
        found(home)
    assert str(path) in caught.value.what and "p%40ss" not in caught.value.why


def test_proxy_and_certificates_of_pip(home):
    """What `pip config set global.proxy` and `global.cert` say holds for a build too."""
    proxy = "http://me:p%40ss@proxy.example.com:3128"
    conf = write(
        home / ".config" / "pip" / "pip.conf", f"[global]\nproxy = {proxy}\ncert = ~/ca.pem\n"
    )
    index = found(home, UV_INDEX_URL="https://uv.example.com")
    assert (index.proxy, index.cert, index.url) == (proxy, "~/ca.pem", "https://uv.example.com")
    assert f"proxy = {proxy}" in index.pip_conf() and "cert" not in index.pip_conf()
    assert index.pip_environment({})["PIP_PROXY"] == proxy
    assert indexes.from_file(conf, {}).uv_environment({}) == {
        "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy
    }  # fmt: skip
    assert index.passwords == ("p%40ss", "p@ss")
    assert found(home, PIP_PROXY="me:pw@h:1", PIP_CERT="/c").passwords == ("pw",)
    assert found(home, PIP_CERT="/c").cert == "/c"
    assert indexes.from_file(conf, {}).proxy == proxy


def test_a_proxys_password_that_nobody_encoded():
    assert Index(proxy="http://ann:S3#c/r:et@h:1").passwords == ("S3#c/r:et",)
    assert Index(proxy="t0k-of-ann@h:1").passwords == ("t0k-of-ann",)
    assert Index(proxy="http://ann@h:1").passwords == Index(proxy="http://h:1").passwords == ()


def test_a_token_after_the_question_mark_is_a_password(home):
    assert found(home, PIP_INDEX_URL="https://h.example.com/s?token=t0k").passwords == (
        "token=t0k",
    )


@pytest.mark.parametrize("user", ["t%400k-of-ann:", "t%400k-of-ann"])
def test_a_token_in_the_place_of_the_user_is_a_password(home, user):
    """pip prints `Looking in indexes: https://t0k:****@...` at each build."""
    assert found(home, PIP_INDEX_URL=f"https://{user}@h.example.com").passwords == (
        "t%400k-of-ann", "t@0k-of-ann",
    )  # fmt: skip
    write(home / ".netrc", "machine n.example.com login t0k-of-ann\n")
    assert found(home, PIP_INDEX_URL="https://n.example.com").passwords == ("t0k-of-ann",)


def test_a_user_with_a_keyring_is_no_secret(home):
    """Or each `me` in what pip prints would be masked."""
    assert found(home, PIP_INDEX_URL="https://me@h.example.com").passwords == ()


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "PIP_PROXY", "UV_INDEX"])
def test_an_address_that_is_none_is_not_quoted(home, name):
    with pytest.raises(UsageError, match="can't be read") as caught:
        found(home, **{name: "https://me:pw@[h.example.com/simple"})
    assert "pw" not in f"{caught.value.what}{caught.value.why}{caught.value.next}"


def test_shown_without_credentials():
    assert indexes.shown(URL) == "https://pypi.example.com/simple"
    assert indexes.shown("https://h.example.com/x?token=1") == "https://h.example.com/x"
    said = f"a @ {URL}#sha256=0, git+file:///own@1 and https://u:p@[bad/x?t=1 ; m"
    assert indexes.shown_within(said) == (
        "a @ https://pypi.example.com/simple#sha256=0, git+file:///own@1 and https://[bad/x ; m"
    )


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("http://127.0.0.1:3141/simple", True), ("http://u:p@localhost/", True),
        ("http://[::1]:80/", True), ("127.0.0.1:3128", True),
        ("https://pypi.example.com/simple", False), ("http://127.example.com", False),
    ],
)  # fmt: skip
def test_loopback(address, loopback):
    assert indexes.is_loopback(address) is loopback
