"""Why kubectl did not get through to a cluster: no context, no network, no trust, no login."""

from __future__ import annotations

import re

from mlship.rollout.trouble import Trouble

_NO_CONTEXT = re.compile(
    r'context "([^"]+)" does not exist|context was not found for specified context: (\S+)'
)
# client-go/plugin/pkg/client/auth/exec/exec.go
_PLUGIN = re.compile(
    r"getting credentials: exec: (?:executable )?(\S+?) (failed with exit code \d+|not found)"
)
_LOGINS = {
    "aws": "aws sso login (or renew your AWS keys)",
    "aws-iam-authenticator": "renew your AWS keys: aws sso login",
    "gke-gcloud-auth-plugin": "gcloud auth login",
    "kubelogin": "az login, then kubelogin convert-kubeconfig",
    "kubectl-oidc_login": "kubectl oidc-login get-token again",
    "tsh": "tsh login",
    "doctl": "doctl auth init",
}
_SERVER = re.compile(r"https?://([^/\s\"\\]+)|connection to the server (\S+) was refused")
_CLIENT_EXPIRED = re.compile(
    r"remote error: tls: (?:expired certificate|bad certificate|unknown certificate|certificate "
    r"required)|client certificate .*expired|token (?:has |is )?expired|invalid_grant|"
    r"no valid id-token|cannot fetch token"
)
_LOGGED_OUT = re.compile(
    r"You must be logged in|Unauthorized|Please enter (?:Username|Password)|"
    r'User "system:anonymous"|asked for the client to provide credentials|'
    # The end of the input that kubectl asks a name of, on stdout.
    r"^error: EOF$",
    re.MULTILINE,
)


def trouble(said: str, program: str) -> Trouble | None:
    """Read kubectl's words; None where it did reach the cluster and was let in."""
    return _context(said, program) or _credentials(said) or _tls(said) or _network(said)


def _context(said: str, program: str) -> Trouble | None:
    fix = f"{program} config get-contexts, then mlship deploy --context NAME"
    if found := _NO_CONTEXT.search(said):
        name = found.group(1) or found.group(2)
        return Trouble("no-context", f"The kubeconfig has no context {name}", _last(said), fix)
    if "current-context is not set" in said or "current-context must exist" in said:
        return Trouble("no-context", "The kubeconfig has no current context", _last(said), fix)
    if re.search(r"stat \S+: no such file", said) or "no configuration has been provided" in said:
        return Trouble("no-context", "There is no kubeconfig", _last(said),
                       "set KUBECONFIG, or get one from who runs the cluster")  # fmt: skip
    if re.search(r"localhost:8080\b.*refused", said, re.S):
        # What kubectl asks when it has no kubeconfig at all.
        return Trouble("no-context", "No cluster is configured", _last(said),
                       "set KUBECONFIG, or get a kubeconfig from who runs the cluster")  # fmt: skip
    return None


def _credentials(said: str) -> Trouble | None:
    if found := _PLUGIN.search(said):
        plugin = found.group(1).rsplit("/", 1)[-1]
        if found.group(2) == "not found":
            return Trouble(
                "credentials", f"{plugin}, which the kubeconfig uses to log in, is not installed",
                _last(said), f"install {plugin}, or put it on PATH",
            )  # fmt: skip
        return Trouble(
            "credentials", f"{plugin}, which the kubeconfig uses to log in, {found.group(2)}",
            _last(said), f"log in again: {_LOGINS.get(plugin, f'see what {plugin} says')}",
        )  # fmt: skip
    if "getting credentials:" in said:
        return Trouble("credentials", "The kubeconfig's login plugin failed", _last(said),
                       "log in again, or bring the plugin up to date")  # fmt: skip
    if _CLIENT_EXPIRED.search(said):
        return Trouble("credentials", "Your certificate or token for the cluster has expired",
                       _last(said), "log in again, or get a new kubeconfig")  # fmt: skip
    if _LOGGED_OUT.search(said):
        return Trouble("credentials", "The cluster does not accept your credentials", _last(said),
                       "log in again, or get a new kubeconfig")  # fmt: skip
    return None


def _tls(said: str) -> Trouble | None:
    if "x509:" not in said:
        return None
    server = _server(said)
    what, fix = (
        f"The certificate of the cluster{server} can't be verified",
        ("correct server and certificate-authority-data in the kubeconfig"),
    )
    if "expired" in said or "not yet valid" in said:
        what = f"The certificate of the cluster{server} has expired, or the clock here is wrong"
        fix = "check the date here; who runs the cluster must renew the certificate"
    elif "unknown authority" in said:
        what = f"The certificate of the cluster{server} is signed by an authority unknown here"
        fix = (
            "get a new kubeconfig (its certificate-authority-data is of another cluster or "
            "missing); behind a company proxy, add its certificate"
        )
    elif "is valid for" in said or "doesn't contain any IP SANs" in said:
        what = f"The certificate of the cluster{server} is for another name"
        fix = "correct the server's address in the kubeconfig, or set tls-server-name there"
    return Trouble("tls", what, _last(said), fix)


def _network(said: str) -> Trouble | None:
    server = _server(said)
    for mark, what, fix in (
        (r"no such host|server misbehaving", f"The name of the cluster{server} is unknown",
         "check server: in the kubeconfig, and the VPN"),
        (r"refused", f"Nothing listens at the address of the cluster{server}",
         "start the cluster, or choose another with --context"),
        (r"i/o timeout|deadline exceeded|Client\.Timeout|handshake timeout|timed out",
         f"The cluster{server} does not answer", "check the network, the VPN and the firewall"),
        (r"no route to host|network is unreachable|connection reset|proxyconnect|\bEOF\b|"
         r"Unable to connect to the server",
         f"The cluster{server} can't be reached", "check the network and the VPN"),
    ):  # fmt: skip
        if re.search(mark, said) and re.search(r"dial tcp|connect|Timeout|EOF|lookup|Get \"", said):
            return Trouble("unreachable", what, _last(said), fix)
    return None


def _server(said: str) -> str:
    found = _SERVER.search(said)
    return f" at {found.group(1) or found.group(2)}" if found else ""


def _last(said: str) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in said.strip().splitlines()[-6:] if line.strip())
