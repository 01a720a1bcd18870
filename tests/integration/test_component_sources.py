"""Components from everywhere: the web, an OCI registry, releases; each checked, each refusal saying what is wrong."""

from __future__ import annotations

import functools
import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from obelisk.cli.errors import CommandError
from obelisk.cli.sources import downloads, fetching, references
from obelisk.cli.sources.fetched import Fetched
from source_server import USER, SourceServer, digest_of, served

WASM = b"\0asm\r\0\1\0 as good as any"
OTHER = b"\0asm\r\0\1\0 another"
WRONG = "sha256:" + "0" * 64


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SourceServer]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    with served() as source:
        monkeypatch.setenv("OBELISK_GITHUB_API", source.url)
        yield source


def fetch(text: str, said: list[str] | None = None) -> Fetched:
    lines = list[str]() if said is None else said
    (found,) = fetching.fetch([references.parse(text)], lines.append)
    return found


def fetch_held(text: str) -> Fetched:
    """As where `WASM` was deployed before."""
    (found,) = fetching.fetch([references.parse(text)], lambda _: None, {digest_of(WASM): WASM}.get)
    return found


def refused(text: str, code: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        fetch(text)
    assert caught.value.code == code, caught.value.message
    return caught.value


# --- the web --------------------------------------------------------------------------------------------------------
def test_a_file_of_the_web(server: SourceServer) -> None:
    url = server.file("/of/fibo.wasm", WASM)
    moved = server.file("/old.wasm", b"", 301, Location="/of/fibo.wasm")
    said: list[str] = []
    found = fetch(f"{url}?signature=secret", said)
    assert (found.name, found.content, found.origin) == ("fibo", WASM, url)
    assert said[-1].startswith(f"downloading {url}: 0.0 of 0.0 MB")
    assert fetch(f"{url}@{digest_of(WASM)}").content == WASM
    assert fetch(moved).content == WASM


def test_what_is_pinned_and_there_is_not_fetched(server: SourceServer) -> None:
    pin = digest_of(WASM)
    assert fetch_held(f"{server.url}/gone.wasm@{pin}") == Fetched(
        name="gone", content=WASM, origin=f"{server.url}/gone.wasm"
    )
    assert fetch_held(f"github:ada/gone@v1#fibo.wasm@{pin}") == Fetched(
        name="fibo", content=WASM, origin="github:ada/gone@v1#fibo.wasm"
    )
    assert server.asked == []
    url = server.file("/changed.wasm", OTHER)
    assert fetch_held(url).content == OTHER, "without a pin it is fetched"
    manifest = server.artifact("team/fibo", "1", WASM)
    server.asked.clear()
    assert fetch_held(f"oci://{server.host}/team/fibo@{manifest}").content == WASM
    server.release("ada/engine", "v1", {"engine.wasm": WASM})
    assert fetch_held(f"github:ada/engine@v1@{pin}").content == WASM
    assert not [path for path, _ in server.asked if "blobs" in path or "assets" in path]


def test_a_file_that_is_not_what_was_pinned(server: SourceServer) -> None:
    error = refused(server.file("/fibo.wasm", WASM) + "@" + WRONG, "digest_mismatch")
    assert (error.fields["expected"], error.fields["found"]) == (WRONG, digest_of(WASM))


def test_a_file_of_the_web_that_cannot_be_had(server: SourceServer) -> None:
    assert "has no such thing (404)" in refused(f"{server.url}/nothing.wasm", "source_not_found").message
    assert "answered 403" in refused(server.file("/mine.wasm", b"", 403), "source_refused").message
    assert "answered 502" in refused(server.file("/ill.wasm", b"", 502), "source_unreachable").message
    short = refused(server.file("/cut.wasm", WASM, Content_Length="1000"), "source_unreachable")
    assert "cut.wasm" in short.message
    around = server.file("/around.wasm", b"", 302, Location="/around.wasm")
    assert "redirects" in refused(around, "source_unreachable").message
    with served() as gone:
        url = f"{gone.url}/fibo.wasm"
    error = refused(url, "source_unreachable")
    assert "cannot be reached: " in error.message
    assert "online" in error.hint


def test_a_file_may_be_too_large(server: SourceServer) -> None:
    url = server.file("/large.wasm", b"x" * 2_000_001)
    with downloads.Downloads(lambda text: None) as client:
        with pytest.raises(CommandError, match=r"large\.wasm is larger than 2 MB"):
            client.get(url, "large.wasm", limit=2_000_000)
        assert len(client.get(url, "large.wasm", limit=2_000_001).content) == 2_000_001


# --- OCI ------------------------------------------------------------------------------------------------------------
def test_an_artifact(server: SourceServer) -> None:
    manifest = server.artifact("team/fibo", "1.2", WASM)
    found = fetch(f"oci://{server.host}/team/fibo:1.2")
    assert (found.name, found.content) == ("fibo", WASM)
    assert [path for path, _ in server.asked if path == "/token"] == ["/token"], "one token for both requests"
    assert fetch(f"oci://{server.host}/team/fibo@{manifest}").content == WASM
    assert fetch(f"oci://{server.host}/team/fibo:1.2@{manifest}").content == WASM
    server.artifact("fibo", "latest", OTHER, media_type="application/vnd.wasm.content.layer.v1+wasm")
    assert fetch(f"oci://{server.host}/fibo").content == OTHER
    server.index("multi", "latest", [server.artifact("multi", "inner", WASM)])
    assert fetch(f"oci://{server.host}/multi").content == WASM


def test_an_artifact_that_was_changed(server: SourceServer) -> None:
    manifest = server.artifact("fibo", "1", WASM)
    server.file(f"/v2/fibo/blobs/{digest_of(WASM)}", OTHER)
    assert "the layer of" in refused(f"oci://{server.host}/fibo:1", "digest_mismatch").message
    server.file(f"/v2/fibo/manifests/{manifest}", b"{}")
    refused(f"oci://{server.host}/fibo@{manifest}", "digest_mismatch")


def test_an_artifact_without_one_component(server: SourceServer) -> None:
    server.artifact("image", "1", WASM, media_type="application/vnd.oci.image.layer.v1.tar+gzip")
    assert "tar+gzip" in refused(f"oci://{server.host}/image:1", "source_invalid").message
    server.artifact("two", "1", WASM, layers=2)
    assert "found 2" in refused(f"oci://{server.host}/two:1", "source_invalid").message
    server.manifest("odd", "1", "text/plain", b"[1]")
    refused(f"oci://{server.host}/odd:1", "source_invalid")
    server.manifest("html", "1", "text/html", b"<html>")
    assert "not JSON" in refused(f"oci://{server.host}/html:1", "source_invalid").message
    inner = server.index("deep", "a", [server.index("deep", "b", [server.artifact("deep", "c", WASM)])])
    refused(f"oci://{server.host}/deep@{inner}", "source_invalid")
    refused(f"oci://{server.host}/none:1", "source_not_found")
    layer = {"mediaType": "application/wasm", "digest": "md5:1", "size": 1}
    server.manifest("md5", "1", "text/plain", json.dumps({"layers": [layer]}).encode())
    assert "unknown kind: md5:1" in refused(f"oci://{server.host}/md5:1", "source_invalid").message


def test_a_private_artifact(server: SourceServer, tmp_path: Path) -> None:
    server.artifact("team/secret", "1", WASM)
    server.private.add("team/secret")
    assert "answered 403" in refused(f"oci://{server.host}/team/secret:1", "source_refused").message
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": USER}}}))
    assert fetch(f"oci://{server.host}/team/secret:1").content == WASM


# --- releases -------------------------------------------------------------------------------------------------------
def test_an_asset_of_a_release(server: SourceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.release("ada/engine", "v1.0", {"engine.wasm": WASM, "notes.txt": b"new"})
    found = fetch("github:ada/engine@v1.0")
    assert (found.name, found.content, found.origin) == ("engine", WASM, "github:ada/engine@v1.0#engine.wasm")
    assert fetch("github:ada/engine@v1.0#notes.txt").content == b"new"
    assert fetch(f"github:ada/engine@v1.0@{digest_of(WASM)}").content == WASM
    refused(f"github:ada/engine@v1.0@{WRONG}", "digest_mismatch")
    monkeypatch.setenv("GITHUB_TOKEN", "token")
    server.asked.clear()
    fetch("github:ada/engine@v1.0")
    assert server.asked[0][1] == "Bearer token"


def test_a_release_without_the_asset(server: SourceServer) -> None:
    server.release("ada/engine", "v2", {"a.wasm": WASM, "b.wasm": OTHER}, b=WRONG)
    error = refused("github:ada/engine@v2", "source_invalid")
    assert "a.wasm, b.wasm" in error.message
    assert error.hint == "name one: github:ada/engine@v2#a.wasm"
    assert "a.wasm, b.wasm" in refused("github:ada/engine@v2#c.wasm", "source_not_found").message
    refused("github:ada/engine@v2#b.wasm", "digest_mismatch")
    refused("github:ada/engine@v3", "source_not_found")
    server.file("/repos/ada/odd/releases/tags/v1", b"[]")
    refused("github:ada/odd@v1", "source_invalid")


# --- compression ----------------------------------------------------------------------------------------------------
@functools.cache
def squeezed(times: int, size: int = 64_000_000) -> bytes:
    """Zeroes, compressed over and over."""
    content = bytes(size)
    for _ in range(times):
        content = gzip.compress(content, 9)
    return content


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip"])
def test_what_is_compressed_is_refused_and_not_unpacked(server: SourceServer, coding: str) -> None:
    bomb = squeezed(2)
    url = server.file("/bomb.wasm", bomb, Content_Encoding=coding)
    with downloads.Downloads(lambda text: None) as client:
        tracemalloc.start()
        try:
            with pytest.raises(CommandError, match="compressed") as caught:
                client.get(url, "bomb.wasm")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert caught.value.code == "source_invalid"
    assert peak < 4_000_000, "of 64 MB that it would become"


@pytest.mark.parametrize("status", [301, 401, 404, 502])
def test_bodies_of_redirects_and_refusals_are_not_read(server: SourceServer, status: int) -> None:
    bomb = squeezed(1)
    there = server.file("/there.wasm", WASM)
    url = server.file("/bomb.wasm", bomb, status, Content_Encoding="gzip", Location=there)
    with downloads.Downloads(lambda text: None) as client:
        tracemalloc.start()
        try:
            if status == 301:
                assert client.get(url, "bomb.wasm").content == WASM
            elif status == 401:
                assert client.get(url, "bomb.wasm", also=(401,)).content == b""
            else:
                with pytest.raises(CommandError, match=str(status)):
                    client.get(url, "bomb.wasm")
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
        finally:
            tracemalloc.stop()


def test_no_compression_is_asked_for(server: SourceServer) -> None:
    url = server.file("/fibo.wasm", WASM, Content_Encoding="identity")
    assert fetch(url).content == WASM
    assert server.codings == ["identity"]
