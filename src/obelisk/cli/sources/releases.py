"""A component among the assets of a release on GitHub. ``OBELISK_GITHUB_API`` names another server's API.

``GITHUB_TOKEN`` is sent along if it is set: to the API for private repositories and for more requests an hour.
"""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from obelisk.cli.errors import CommandError
from obelisk.cli.sources.downloads import Downloads
from obelisk.cli.sources.fetched import Fetched, Held, nothing_held, verified
from obelisk.cli.sources.references import GithubReference

API: Final = "https://api.github.com"


class _Asset(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    url: str
    digest: str | None = None


class _Release(msgspec.Struct, frozen=True, kw_only=True):
    assets: list[_Asset]


def fetch(reference: GithubReference, downloads: Downloads, held: Held = nothing_held) -> Fetched:
    """The named asset, or the only component of the release; verified also by the digest that GitHub has of it.

    Nothing is asked for an asset that is named, pinned and `held`; nothing is fetched of one whose digest is held.

    CommandError: source_not_found naming the assets there are, digest_mismatch, and those of `Downloads`.
    """
    repository = f"github:{reference.owner}/{reference.repository}@{reference.tag}"
    content = held(reference.digest) if reference.asset and reference.digest else None
    if content is not None:
        return _fetched(reference.asset, content, repository)
    api = os.environ.get("OBELISK_GITHUB_API") or API
    token = os.environ.get("GITHUB_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    tag = quote(reference.tag, safe="")
    url = f"{api}/repos/{reference.owner}/{reference.repository}/releases/tags/{tag}"
    told = downloads.json(url, repository, headers={**headers, "Accept": "application/vnd.github+json"})
    try:
        release = msgspec.convert(told, _Release)
    except msgspec.ValidationError as error:
        raise CommandError("source_invalid", f"{repository}: not a release: {error}") from None
    asset = _choose(release.assets, reference.asset, repository)
    if urlsplit(asset.url).netloc != urlsplit(api).netloc:
        headers = {}
    origin = f"{repository}#{asset.name}"
    content = held(reference.digest or asset.digest or "")
    if content is None:
        content = downloads.get(asset.url, origin, headers={**headers, "Accept": "application/octet-stream"}).content
    return _fetched(
        asset.name, verified(verified(content, reference.digest, origin), asset.digest or "", origin), repository
    )


def _fetched(asset: str, content: bytes, repository: str) -> Fetched:
    return Fetched(name=asset.rpartition(".")[0] or asset, content=content, origin=f"{repository}#{asset}")


def _choose(assets: list[_Asset], name: str, repository: str) -> _Asset:
    if name:
        found = [asset for asset in assets if asset.name == name]
    else:
        found = [asset for asset in assets if asset.name.endswith(".wasm")]
    if len(found) == 1:
        return found[0]
    names = ", ".join(asset.name for asset in assets) or "none"
    if name or not found:
        wanted = name or "file that ends in .wasm"
        raise CommandError("source_not_found", f"{repository} has no asset {wanted}; its assets: {names}")
    raise CommandError(
        "source_invalid",
        f"{repository} has several components: {names}",
        hint=f"name one: {repository}#{found[0].name}",
    )
