"""What pip's failures mean: all of them end with "(from versions: none)"."""

import pytest

from mlship import pipfailure
from mlship.errors import ToolFailed

NONE = """\
ERROR: Could not find a version that satisfies the requirement acme==1.0 (from versions: none)
ERROR: No matching distribution found for acme==1.0"""
RETRYING = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
    "connection broken by '{}': /simple/acme/\n" + NONE
)
CONNECTION = "<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f1b990e2190>"
# As pip 23.0 in the image prints it.
SOURCE = """\
Processing /locked/antlr4-python3-runtime-4.9.3.tar.gz
  Installing build dependencies: finished with status 'error'
  × pip subprocess to install build dependencies did not run successfully.
  ╰─> [3 lines of output]
      Looking in links: /locked
      ERROR: Could not find a version that satisfies {0}>=40.8.0 (from versions: none)
      ERROR: No matching distribution found for {0}>=40.8.0
"""


@pytest.mark.parametrize(
    ("broken", "then"),
    [
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate "
         "verify failed: unable to get local issuer certificate (_ssl.c:992)'))", "--ca-bundle"),
        (f"NewConnectionError('{CONNECTION}: Failed to establish a new connection: [Errno -3] "
         "Temporary failure in name resolution')", "HTTPS_PROXY"),
        (f"ConnectTimeoutError({CONNECTION}, 'Connection to h.example.com timed out.')",
         "--network host"),
        ("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy "
         "Authentication Required'))", "HTTPS_PROXY"),
        ('ReadTimeoutError("HTTPSConnectionPool(host=\'h\', port=443): Read timed out.")',
         "--wheels DIR"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("asks", [True, False])
def test_the_network_is_told_from_a_password(broken, then, asks):
    said = RETRYING.format(broken)
    cause, advised = pipfailure.advice(said, [], asks=asks)
    assert cause and then in advised and "password" not in advised
    failed = pipfailure.of_download(ToolFailed("Failed", why=said), "house", "any", asks=asks)
    assert failed.next.startswith(("add --ca-bundle", "set HTTPS_PROXY"))
    assert "--network" not in failed.next and failed.why == f"{cause}\n{said}"


def test_a_password_is_spoken_of_where_an_index_may_ask_for_one():
    assert "user and password" in pipfailure.advice(NONE, [], asks=True)[1]
    assert pipfailure.advice(NONE, [], asks=False) == ("", "check that the index has it")
    # Of Go, in the engine, which has certificates of its own.
    refused = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    assert pipfailure.advice(refused, [], asks=True) == ("", "")


@pytest.mark.parametrize(
    ("builder", "needs"), [("setuptools", '"setuptools" and "wheel"'), ("hatchling", '"hatchling"')]
)
def test_a_source_archive_is_named_with_what_builds_it(builder, needs):
    said = SOURCE.format(builder)
    last = said[said.index("  ×") :]  # its name stood further up
    cause, then = pipfailure.advice(last, said.splitlines(), asks=True)
    assert cause.startswith("antlr4-python3-runtime-4.9.3.tar.gz is no wheel")
    assert f"add {needs} there" in then and "password" not in then


def test_a_download_without_a_wheel():
    error = ToolFailed("Failed", why=NONE, next="look")
    failed = pipfailure.of_download(error, "house", "linux/arm64", asks=False)
    assert failed.why.startswith("No wheel of acme==1.0 for linux/arm64 is there")
    assert "pip wheel --no-deps acme==1.0 --wheel-dir house;" in failed.next
    assert "--upgrade-package acme;" in failed.next and "password" not in failed.next
    asked = pipfailure.of_download(error, "house", "linux/arm64", asks=True)
    assert asked.next.startswith("check that the index has it, and that it takes the user")
    other = ToolFailed("Failed", why="No space left on device", next="look")
    assert pipfailure.of_download(other, "house", "linux/arm64", asks=False) is other
