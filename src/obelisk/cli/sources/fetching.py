"""From references to components, wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from obelisk.cli.sources import folders, registries, releases
from obelisk.cli.sources.downloads import Downloads
from obelisk.cli.sources.fetched import Fetched, Held, nothing_held, verified
from obelisk.cli.sources.references import (
    FileReference,
    GithubReference,
    OciReference,
    Reference,
    WebReference,
)


def fetch(references: Sequence[Reference], say: Callable[[str], None], held: Held = nothing_held) -> Sequence[Fetched]:
    """All components of the references, in order; `say` is told what is going on. CommandError for what goes wrong.

    What is pinned and `held` is not fetched: of an artifact of a registry, the layer that its manifest names.
    """
    found: list[Fetched] = []
    with Downloads(say) as downloads:
        for reference in references:
            match reference:
                case FileReference():
                    found += folders.read(reference)
                case WebReference():
                    found.append(_web(reference, downloads, held))
                case OciReference():
                    found.append(registries.pull(reference, downloads, held))
                case GithubReference():
                    found.append(releases.fetch(reference, downloads, held))
    return found


def _web(reference: WebReference, downloads: Downloads, held: Held) -> Fetched:
    parts = urlsplit(reference.url)
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
    content = held(reference.digest) if reference.digest else None
    if content is None:
        content = downloads.get(reference.url, shown).content
    name = PurePosixPath(parts.path).stem or parts.hostname or ""
    return Fetched(name=name, content=verified(content, reference.digest, shown), origin=shown)
