"""Headers of strangers: none is believed that should not be, and none is a bug."""

from __future__ import annotations

import itertools
from pathlib import Path

import httpx
import pytest

from gateway_world import served, world
from obelisk.gateway.auth.access import Access, among
from obelisk.gateway.http.connections import Connections
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.wiring.config import parse

SHOP = "/v1/functions/demo:shop/cart@1.2.0"
READ = (
    "Host", "Origin", "Authorization", "Access-Control-Request-Method", "Content-Type", "Content-Length",
    "Content-Encoding", "Accept-Encoding", "Expect", "Prefer", "Idempotency-Key", "Obelisk-Tags", "Traceparent",
    "Last-Event-ID", "X-Forwarded-For", "X-Forwarded-Proto", "Connection", "Upgrade", "Range", "Cookie",
)  # fmt: skip
NONSENSE = (
    b"", b"\xff\xfe", b"http://[", b"http://]", b"[", b"[::1", b"[::1]x", b"://", b"a:b:c", b"%", b"%zz", b"\"", b"\\",
    b"=", b",", b";", b"wait=", b"wait=\"", b"-1", b"9" * 400, b"1e9", b"NaN", b"\xc2\xb2", b"Bearer", b"Bearer ",
    b"Bearer obk_", b"Basic =", b"*", b"null", b"gzip;q", b"x" * 8000, b"127.0.0.1:x", b"a=b=c", b"a=b," * 20,
    b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00", b"application/json;", b"application/json; charset=utf-16",
)  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_nonsense_is_refused_and_never_a_bug(name: str) -> None:
    paths = (("GET", "/livez"), ("GET", "/v1/executions"), ("GET", "/docs"), ("POST", f"{SHOP}/ping"))
    with world(access=Access(hosts=frozenset({"localhost"}))).client() as http:
        for value, (method, path) in itertools.product(NONSENSE, paths):
            headers: list[tuple[str, str | bytes]] = [(name, value)]
            if name != "Host":
                headers.append(("Host", "localhost"))
            assert http.request(method, path, headers=headers).status_code < 500, (method, path, value)


# --- X-Forwarded-For ------------------------------------------------------------------------------------------------
def statuses(proxies: tuple[str, ...], *addresses: str) -> list[int]:
    """Of requests that say they come from there, where two a second are allowed for each client."""
    app = world(settings=GatewaySettings(trusted_proxies=proxies), access=Access(max_rate=0.001)).app
    with served(app) as url, httpx.Client(base_url=url) as http:
        return [http.get("/livez", headers={"X-Forwarded-For": address}).status_code for address in addresses]


@pytest.mark.usefixtures("each_loop")
def test_another_address_is_not_believed() -> None:
    assert statuses((), "192.0.2.1", "192.0.2.2", "192.0.2.3") == [200, 429, 429]
    assert statuses(("192.0.2.0/24",), "192.0.2.1", "192.0.2.2") == [200, 429]


@pytest.mark.usefixtures("each_loop")
@pytest.mark.parametrize("proxies", [("127.0.0.1",), ("127.0.0.0/8", "10.0.0.0/8")])
def test_a_trusted_proxy_is_believed(proxies: tuple[str, ...]) -> None:
    assert statuses(proxies, "192.0.2.1", "192.0.2.2", "192.0.2.1") == [200, 200, 429]
    chosen = statuses(proxies, "192.0.2.7, 192.0.2.1", "192.0.2.8, 192.0.2.1")
    assert chosen == [200, 429], "what stands before the address that the proxy saw is the client's own word"


def test_a_trusted_proxy_stands_for_many() -> None:
    class Held:
        def evict(self) -> bool:
            raise AssertionError

    connections = Connections(most=4, is_proxy=among(("10.0.0.0/8",)))
    assert [connections.enter(Held(), "10.1.2.3") for _ in range(4)] == [True] * 4
    assert not among(("10.0.0.0/8",))("192.0.2.1")
    assert not among(("10.0.0.0/8",))("::1")
    assert not among(("10.0.0.0/8",))("")


def test_what_is_no_network_is_refused() -> None:
    for text in ("proxy.example", "10.0.0.1/8", "*"):
        with pytest.raises(ConfigError, match=r"server\.trusted_proxies: expected addresses and networks"):
            parse(f'[server]\ntrusted_proxies = ["{text}"]', file=Path("obelisk.toml"))
