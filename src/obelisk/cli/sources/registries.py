"""Pulling a component from an OCI registry: the manifest, then its one WebAssembly layer, each verified by its digest.

The pull half of the OCI distribution API, version 1.1, with its token authentication: anonymous, or with the user and
password that ``docker login`` (or ``oras login``) keeps in ``config.json``.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from obelisk.cli.errors import CommandError
from obelisk.cli.sources.downloads import Downloads, decoded
from obelisk.cli.sources.fetched import Fetched, Held, nothing_held, verified
from obelisk.cli.sources.references import OciReference

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
LAYERS: Final = ("application/wasm", "application/vnd.wasm.content.layer.v1+wasm")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")
CHALLENGE: Final = re.compile(r'(?<!\w)(\w++)="([^"]*+)"')


class _Layer(msgspec.Struct, frozen=True, kw_only=True):
    digest: str
    size: int
    media_type: str = msgspec.field(name="mediaType")


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    layers: list[_Layer] = []
    manifests: list[_Layer] = []


class _Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a token server answers: one of the two is set."""

    token: str = ""
    access_token: str = ""


def pull(reference: OciReference, downloads: Downloads, held: Held = nothing_held) -> Fetched:
    """The component of an artifact; its layer is not fetched if it is `held`.

    CommandError: source_invalid (no artifact with one WebAssembly layer), digest_mismatch, and those of `Downloads`.
    """
    registry = _Registry(reference, downloads)
    tag = reference.digest or reference.tag
    origin = f"oci://{reference.registry}/{reference.repository}" + (f"@{tag}" if reference.digest else f":{tag}")
    layer = registry.layer(tag, reference.digest, origin)
    content = held(layer.digest)
    if content is None:
        content = registry.get(f"/blobs/{layer.digest}", origin)
    return Fetched(
        name=reference.repository.rpartition("/")[2],
        content=verified(content, layer.digest, f"the layer of {origin}"),
        origin=origin,
    )


class _Registry:
    """One repository; asks for a token when it is told to, once."""

    def __init__(self, reference: OciReference, downloads: Downloads) -> None:
        self._reference, self._downloads = reference, downloads
        self._authorization: dict[str, str] = {}

    def layer(self, tag: str, digest: str, origin: str, *, is_inner: bool = False) -> _Layer:
        """The descriptor of the component; of an index, the one in its only manifest."""
        content = self.get(f"/manifests/{tag}", origin)
        manifest = _convert(verified(content, digest, origin), origin)
        if len(manifest.manifests) == 1 and not is_inner:
            inner = _digest(manifest.manifests[0], origin).digest
            return self.layer(inner, inner, origin, is_inner=True)
        found = [layer for layer in manifest.layers if layer.media_type in LAYERS]
        if len(found) != 1:
            kinds = ", ".join(sorted({layer.media_type for layer in manifest.layers})) or "nothing"
            raise CommandError(
                "source_invalid",
                f"{origin}: expected one layer of type {LAYERS[0]}, found {len(found)} (the artifact has {kinds})",
            )
        return _digest(found[0], origin)

    def get(self, path: str, origin: str) -> bytes:
        """What stands at a path of the repository, with a token if it takes one."""
        url = self._reference.url + path
        answer = self._downloads.get(url, origin, headers=self._headers(), also=(401,))
        if answer.status == 401:
            self._authorization = self._authorize(answer.headers.get("www-authenticate", ""), origin)
            answer = self._downloads.get(url, origin, headers=self._headers())
        return answer.content

    def _headers(self) -> dict[str, str]:
        return {"Accept": f"{MANIFEST}, {INDEX}, */*;q=0.5", **self._authorization}

    def _authorize(self, challenge: str, origin: str) -> dict[str, str]:
        """The header that answers a challenge: of a bearer token that the named realm gives, or of the user itself."""
        known = credentials(self._reference.registry)
        basic = {"Authorization": f"Basic {known}"} if known else {}
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and basic:
            return basic
        if scheme.lower() != "bearer":
            raise self._denied(origin)
        told: dict[str, str] = {name.lower(): value for name, value in CHALLENGE.findall(rest)}
        realm = told.pop("realm", "")
        if urlsplit(realm).scheme != urlsplit(self._reference.url).scheme:
            raise CommandError("source_refused", f"{origin}: tokens would come from {realm or 'nowhere'}")
        query = urlencode([(name, told[name]) for name in ("service", "scope") if name in told])
        answer = self._downloads.json(f"{realm}?{query}", f"a token for {origin}", headers=basic)
        try:
            token = msgspec.convert(answer, _Token)
        except msgspec.ValidationError:
            raise self._denied(origin) from None
        return {"Authorization": f"Bearer {token.token or token.access_token}"}

    def _denied(self, origin: str) -> CommandError:
        hint = f"log in with `docker login {self._reference.registry}`"
        return CommandError("source_refused", f"{origin}: {self._reference.registry} wants to know who asks", hint=hint)


def credentials(registry: str) -> str:
    """What ``docker login`` keeps for a registry (base64 of ``user:password``), or ``""``."""
    folder = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    try:
        config: Any = msgspec.json.decode((Path(folder) / "config.json").read_bytes())
        known = config["auths"][registry]["auth"]
        base64.b64decode(known, validate=True)
    except (OSError, msgspec.DecodeError, KeyError, TypeError, binascii.Error):
        return ""
    return str(known)


def _convert(content: bytes, origin: str) -> _Manifest:
    value: Mapping[str, Any] = decoded(content, origin)
    try:
        return msgspec.convert(value, _Manifest)
    except msgspec.ValidationError as error:
        raise CommandError("source_invalid", f"{origin}: not the manifest of an artifact: {error}") from None


def _digest(layer: _Layer, origin: str) -> _Layer:
    if _DIGEST.match(layer.digest) is None:
        raise CommandError("source_invalid", f"{origin}: the manifest has a digest of an unknown kind: {layer.digest}")
    return layer
