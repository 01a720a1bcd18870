"""What `obelisk component add` is given, read into references."""

from __future__ import annotations

from pathlib import Path

import pytest

from obelisk.cli.errors import CommandError
from obelisk.cli.sources.references import (
    FileReference,
    GithubReference,
    OciReference,
    Reference,
    WebReference,
    parse,
)

HEX = "ab" * 32
PIN = f"@sha256:{HEX}"
DIGEST = f"sha256:{HEX}"


def oci(registry: str, repository: str, tag: str, digest: str = "") -> OciReference:
    return OciReference(registry=registry, repository=repository, tag=tag, digest=digest)


def github(tag: str, asset: str = "", digest: str = "") -> GithubReference:
    return GithubReference(owner="ada", repository="engine.wasm", tag=tag, asset=asset, digest=digest)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("fibo.wasm", FileReference(path=Path("fibo.wasm"), digest="")),
        (f"a b/fibo.wasm{PIN}", FileReference(path=Path("a b/fibo.wasm"), digest=DIGEST)),
        ("https://a.example/x.wasm?y=1", WebReference(url="https://a.example/x.wasm?y=1", digest="")),
        (f"http://a.example/x.wasm{PIN}", WebReference(url="http://a.example/x.wasm", digest=DIGEST)),
        ("http://127.0.0.1:9/x.wasm", WebReference(url="http://127.0.0.1:9/x.wasm", digest="")),
        ("oci://ghcr.io/ada/fibo", oci("ghcr.io", "ada/fibo", "latest")),
        ("oci://localhost:5000/ada/fibo:v1.2", oci("localhost:5000", "ada/fibo", "v1.2")),
        (f"oci://ghcr.io/fibo:1{PIN}", oci("ghcr.io", "fibo", "1", DIGEST)),
        (f"oci://ghcr.io/fibo{PIN}", oci("ghcr.io", "fibo", "", DIGEST)),
        ("github:ada/engine.wasm@v1", github("v1")),
        ("github:ada/engine.wasm@release/1.0#a b".replace(" ", "-"), github("release/1.0", "a-b")),
        (f"github:ada/engine.wasm@v1#x.wasm{PIN}", github("v1", "x.wasm", DIGEST)),
    ],
)
def test_good_references(text: str, reference: Reference) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("fibo.wasm@sha256:abc", "64 hexadecimal digits"),
        (f"fibo.wasm@sha256:{HEX.upper()}", "64 hexadecimal digits"),
        ("http://a.example/x.wasm", "without TLS"),
        ("https://ada:secret@a.example/x.wasm", "a user name in it"),
        ("https:///x.wasm", "expected a file"),
        ("ftp://a.example/x.wasm", "expected a file"),
        ("oci://fibo", "expected oci://REGISTRY/REPOSITORY:TAG"),
        ("oci://ghcr.io/Ada/fibo", "expected oci://REGISTRY/REPOSITORY:TAG"),
        ("github:ada/engine", "expected github:OWNER/REPOSITORY@TAG"),
        ("github:engine@v1", "expected github:OWNER/REPOSITORY@TAG"),
    ],
)
def test_bad_references(text: str, part: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(text)
    assert caught.value.code == "source_invalid"
    assert part in caught.value.message
    assert "secret" not in caught.value.message


def test_registries_speak_tls_but_on_this_machine() -> None:
    assert oci("ghcr.io", "ada/fibo", "1").url == "https://ghcr.io/v2/ada/fibo"
    assert oci("localhost:5000", "fibo", "1").url == "http://localhost:5000/v2/fibo"
    assert oci("localhost.example", "fibo", "1").url == "https://localhost.example/v2/fibo"
