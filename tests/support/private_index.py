"""A company's package index: a password, TLS of its own CA, and a wheel that nobody else has."""

import base64
import datetime
import hashlib
import ipaddress
import ssl
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.loopback import Loopback, basic, refuse

USER, PASSWORD = "acme-reader", "s3cr3t-of-the-index"
# Its name behind the company's proxy; nowhere else.
INSIDE = "index.acme.test"


def write_wheel(folder: Path, name: str, version: str, tag: str = "py3-none-any") -> Path:
    """Write a wheel of one module, as the index' only wheel of that version and tag."""
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}.py": f'VERSION = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        f"Tag: {tag}\n",
    }
    record = "".join(
        f"{path},sha256={_urlsafe(text)},{len(text)}\n" for path, text in files.items()
    )
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(each, text)
    return path


def _urlsafe(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class PrivateIndex(Loopback):
    """Serves the wheels of a folder, by the simple repository API (PEP 503)."""

    def __init__(self, folder: Path, *, tls: Path | None = None) -> None:
        """Serve ``folder``; with ``tls``, by a certificate of a CA made in that folder."""
        self.folder = folder
        self.served: list[str] = []
        super().__init__(self._handler())
        self.scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate(tls))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    @property
    def address(self) -> str:
        """Return the index' URL, without credentials."""
        return f"{self.scheme}://127.0.0.1:{self.port}/simple"

    @property
    def url(self) -> str:
        """Return the index' URL with credentials."""
        return self.address.replace("://", f"://{USER}:{PASSWORD}@")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self
        wanted = basic(USER, PASSWORD)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("Authorization") != wanted:
                    refuse(self, 401, "WWW-Authenticate")
                    return
                body, kind = index.answer(self.path)
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def answer(self, path: str) -> tuple[bytes, str]:
        """Return what is at a path; nothing where nothing is."""
        parts = [part for part in path.split("/") if part]
        if len(parts) == 2 and parts[0] == "simple":
            name = parts[1].replace("-", "_")
            links = [
                f'<a href="/files/{each.name}#sha256={_sha256(each)}">{each.name}</a>'
                for each in sorted(self.folder.glob(f"{name}-*.whl"))
            ]
            page = f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"
            return page.encode() if links else b"", "text/html"
        file = self.folder / parts[-1] if parts[:1] == ["files"] else None
        if file and file.is_file():
            self.served.append(file.name)
            return file.read_bytes(), "application/octet-stream"
        return b"", "text/plain"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def certificate(folder: Path) -> Path:
    """Make a CA (``ca.pem``) and a certificate of it for the index; returns the latter's file."""
    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def begun(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Acme CA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    public = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    root = (
        begun("Acme CA", authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(public, critical=False)
        .sign(authority, hashes.SHA256())
    )
    address = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(INSIDE)]
    )
    leaf = (
        begun("127.0.0.1", key)
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    return path
