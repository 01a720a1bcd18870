"""A server on this machine that components come from: files, an OCI registry, releases as GitHub has them."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
USER = base64.b64encode(b"ada:lovelace").decode()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(slots=True)
class SourceServer:
    """What it serves, by path; `asked` are the requests as ``path authorization``, `codings` what they accept."""

    url: str
    files: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict[str, Any])
    private: set[str] = field(default_factory=set[str])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    codings: list[str] = field(default_factory=list[str])

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def file(self, path: str, content: bytes, status: int = 200, **headers: str) -> str:
        """Serve a file; its address."""
        self.files[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, content)
        return self.url + path

    def artifact(
        self, repository: str, tag: str, content: bytes, *, media_type: str = "application/wasm", layers: int = 1
    ) -> str:
        """An OCI artifact; the digest of its manifest."""
        layer = {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
        config = {"mediaType": "application/vnd.wasm.config.v0+json", "digest": digest_of(b"{}"), "size": 2}
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] * layers}
        self.file(f"/v2/{repository}/blobs/{digest_of(content)}", content)
        return self.manifest(repository, tag, MANIFEST, json.dumps(body).encode())

    def index(self, repository: str, tag: str, digests: list[str]) -> str:
        """An OCI index of manifests."""
        listed = [{"mediaType": MANIFEST, "digest": digest, "size": 1} for digest in digests]
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        return self.manifest(repository, tag, INDEX, json.dumps(body).encode())

    def manifest(self, repository: str, tag: str, media_type: str, content: bytes) -> str:
        """Any manifest; its digest."""
        for reference in (tag, digest_of(content)):
            self.file(f"/v2/{repository}/manifests/{reference}", content, Content_Type=media_type)
        return digest_of(content)

    def release(self, repository: str, tag: str, assets: dict[str, bytes], **digests: str) -> None:
        """A release with assets, which are served after a redirect."""
        listed: list[dict[str, object]] = []
        for number, (name, content) in enumerate(assets.items()):
            asset = self.file(f"/repos/{repository}/releases/assets/{number}", b"", 302, Location=f"/cdn/{name}")
            self.file(f"/cdn/{name}", content)
            digest = digests.get(name.partition(".")[0], digest_of(content))
            listed.append({"name": name, "url": asset, "digest": digest})
        self.file(f"/repos/{repository}/releases/tags/{tag}", json.dumps({"assets": listed}).encode())

    def answer(self, path: str, query: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """What a GET gets."""
        self.asked.append((path, authorization))
        if path == "/token":
            wanted = parse_qs(query)
            assert wanted["service"] == ["registry"]
            if wanted["scope"][0].split(":")[1] in self.private and authorization != f"Basic {USER}":
                return 403, {}, b"{}"
            return 200, {}, json.dumps({"token": f"for {wanted['scope'][0]}"}).encode()
        if path.startswith("/v2/"):
            repository = path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0]
            scope = f"repository:{repository}:pull"
            if authorization != f"Bearer for {scope}":
                realm = f'Bearer realm="{self.url}/token",service="registry",scope="{scope}"'
                return 401, {"WWW-Authenticate": realm}, b"{}"
        return self.files.get(path, (404, {}, b""))


@contextmanager
def served() -> Generator[SourceServer]:
    """A server on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            status, headers, content = source.answer(path, query, self.headers.get("Authorization", ""))
            source.codings.append(self.headers.get("Accept-Encoding", ""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        source = SourceServer(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield source
        finally:
            server.shutdown()
            thread.join()
