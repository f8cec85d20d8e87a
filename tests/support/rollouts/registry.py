"""A registry that has no image (5599), and a webhook that denies all (5596), for record.py."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler

PEM, KEY = "/tmp/wt-c-hook.pem", "/tmp/wt-c-hook.key"


class Registry(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, code, header = 404, "MANIFEST_UNKNOWN", None
        if "/private/" in self.path:
            status, code, header = 401, "UNAUTHORIZED", 'Basic realm="private"'
        elif "/busy/" in self.path:
            status, code = 429, "TOOMANYREQUESTS"
        body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
        self.send_response(status)
        if header:
            self.send_header("WWW-Authenticate", header)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = {"code": 403, "message": "images must come from registry.corp"}
        answer = {"uid": review["request"]["uid"], "allowed": False, "status": status}
        body = json.dumps(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", KEY, "-out", PEM,
         "-days", "30", "-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 5596), Hook)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM, KEY)
    hook.socket = context.wrap_socket(hook.socket, server_side=True)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    http.server.ThreadingHTTPServer(("", 5599), Registry).serve_forever()


if __name__ == "__main__":
    main()
