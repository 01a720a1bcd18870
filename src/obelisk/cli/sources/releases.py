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
from obelisk.cli.sources.fetched import Fetched, verified
from obelisk.cli.sources.references import GithubReference

API: Final = "https://api.github.com"


class _Asset(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    url: str
    digest: str | None = None


class _Release(msgspec.Struct, frozen=True, kw_only=True):
    assets: list[_Asset]


def fetch(reference: GithubReference, downloads: Downloads) -> Fetched:
    """The named asset, or the only component of the release; verified also by the digest that GitHub has of it.

    CommandError: source_not_found naming the assets there are, digest_mismatch, and those of `Downloads`.
    """
    api = os.environ.get("OBELISK_GITHUB_API") or API
    token = os.environ.get("GITHUB_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    repository = f"github:{reference.owner}/{reference.repository}@{reference.tag}"
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
    answer = downloads.get(asset.url, origin, headers={**headers, "Accept": "application/octet-stream"})
    content = verified(verified(answer.content, reference.digest, origin), asset.digest or "", origin)
    return Fetched(name=asset.name.rpartition(".")[0] or asset.name, content=content, origin=origin)


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
