"""What ``obelisk component add`` is given: text → one kind of reference, each perhaps pinned to a digest. Pure.

    fibo.wasm   build/                        a file, a folder
    https://example.org/fibo.wasm             a file on the web; ``http://`` on this machine or with a digest
    oci://registry.example/team/fibo:1.2      an artifact in a registry
    github:owner/repository@v1.2#fibo.wasm    an asset of a release; without a name the only component among them

``@sha256:…`` after any of these pins it: of a file, an address and an asset it is the digest of the bytes, of an OCI
artifact the digest of its manifest, as everywhere with OCI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from obelisk.cli.errors import CommandError

_PIN: Final = "@sha256:"
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")
_OCI: Final = re.compile(
    r"(?P<registry>[A-Za-z0-9.-]+(?::[0-9]{1,5})?)/(?P<repository>[a-z0-9._/-]+)(?::(?P<tag>[A-Za-z0-9_][\w.-]{0,127}))?\Z"
)
_GITHUB: Final = re.compile(r"(?P<owner>[\w.-]+)/(?P<repository>[\w.-]+)@(?P<tag>[^#\s]+)(?:#(?P<asset>[^#/\s]+))?\Z")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReference:
    """A file or a folder."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebReference:
    """A file at an address."""

    url: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OciReference:
    """An artifact of a registry (``HOST`` or ``HOST:PORT``); `digest` is that of its manifest."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def url(self) -> str:
        """Where its API starts; plain HTTP on this machine alone."""
        host = self.registry.rpartition(":")[0] or self.registry
        return f"{'http' if host in _LOOPBACK else 'https'}://{self.registry}/v2/{self.repository}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubReference:
    """An asset of a release; `asset` empty: the only component among them."""

    owner: str
    repository: str
    tag: str
    asset: str
    digest: str


Reference: TypeAlias = FileReference | WebReference | OciReference | GithubReference


def parse(text: str) -> Reference:
    """Read a reference. its ``digest`` is ``sha256:…`` or empty. CommandError ``source_invalid``."""
    place, pin, digits = text.partition(_PIN)
    if pin and _HEX.match(digits) is None:
        raise _refused(f"{text}: a digest is sha256: and 64 hexadecimal digits in lower case")
    digest = f"sha256:{digits}" if pin else ""
    if place.startswith("oci://"):
        return _oci(place, digest)
    if place.startswith("github:"):
        return _github(place, digest)
    if "://" in place:
        return _web(place, digest)
    return FileReference(path=Path(place), digest=digest)


def _oci(place: str, digest: str) -> OciReference:
    match = _OCI.match(place.removeprefix("oci://"))
    if match is None:
        raise _refused(f"{place}: expected oci://REGISTRY/REPOSITORY:TAG")
    tag = match["tag"] or ("" if digest else "latest")
    return OciReference(registry=match["registry"], repository=match["repository"], tag=tag, digest=digest)


def _github(place: str, digest: str) -> GithubReference:
    match = _GITHUB.match(place.removeprefix("github:"))
    if match is None:
        raise _refused(f"{place}: expected github:OWNER/REPOSITORY@TAG or github:OWNER/REPOSITORY@TAG#FILE")
    return GithubReference(
        owner=match["owner"],
        repository=match["repository"],
        tag=match["tag"],
        asset=match["asset"] or "",
        digest=digest,
    )


def _web(place: str, digest: str) -> WebReference:
    parts = urlsplit(place)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise _refused(f"{place}: expected a file, https://…, oci://… or github:…")
    if parts.username is not None:
        raise _refused("an address with a user name in it is not taken: it would end up in logs")
    if parts.scheme == "http" and not digest and parts.hostname not in _LOOPBACK:
        raise _refused(
            f"{place}: without TLS others on the network can change what is downloaded",
            hint="use https://, or pin the file with @sha256:…",
        )
    return WebReference(url=place, digest=digest)


def _refused(message: str, hint: str = "") -> CommandError:
    return CommandError("source_invalid", message, hint=hint)
