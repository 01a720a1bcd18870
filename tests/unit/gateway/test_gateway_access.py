"""Who may ask for what: tokens and scopes, hosts, origins, limits; and the headers that every answer has."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway_world import Http, World, world
from guarded_gateway import GUARDED, KEPT, TOKENS, bearer, made
from obelisk.gateway import app as gateway_app
from obelisk.gateway import entry
from obelisk.gateway.auth import token_file
from obelisk.gateway.auth.access import Access, TokensRequired, access_of, host_name, is_loopback
from obelisk.gateway.auth.tokens import Scope, Tokens
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http.limits import MAX_CLIENTS, Limits
from obelisk.runtime.wiring import config
from obelisk.runtime.wiring.config import ServerConfig
from problems import problem

SHOP = "/v1/functions/demo:shop/cart@1.2.0"


@pytest.fixture
def guarded() -> World:
    return world(access=GUARDED)


@pytest.fixture
def http(guarded: World) -> Iterator[Http]:
    with guarded.client() as client:
        yield client


NEEDS = [
    ("GET", "/livez", Scope.PUBLIC),
    ("GET", "/v1/token", Scope.PUBLIC),
    ("GET", "/readyz", Scope.PUBLIC),
    ("GET", "/docs", Scope.PUBLIC),
    ("GET", "/docs/start.js", Scope.PUBLIC),
    ("GET", "/openapi.json", Scope.READ),
    ("GET", "/v1/functions", Scope.READ),
    ("GET", "/v1/executions", Scope.READ),
    ("GET", "/v1/executions/E_1/result", Scope.READ),
    ("GET", "/v1/executions/E_1/events/follow", Scope.READ),
    ("HEAD", "/v1/components", Scope.READ),
    ("POST", f"{SHOP}/ping", Scope.SUBMIT),
    ("POST", "/v1/executions/E_1/replay", Scope.SUBMIT),
    ("PUT", "/v1/executions/E_1/stub", Scope.SUBMIT),
    ("POST", "/v1/executions/E_1/cancel", Scope.ADMIN),
    ("POST", "/v1/executions/E_1/fork?version=1", Scope.ADMIN),
    ("POST", "/v1/executions/cancel?status=open", Scope.ADMIN),
    ("PUT", "/v1/components/x", Scope.ADMIN),
    ("POST", "/v1/workers/Wrk_1/exchange", Scope.WORK),
]


@pytest.mark.parametrize(("method", "path", "needed"), NEEDS)
def test_every_route_needs_its_scope(http: Http, method: str, path: str, needed: Scope) -> None:
    for held in Scope:
        response = http.request(method, path, headers=bearer(held))
        if held.allows(needed):
            assert response.status_code not in (401, 403), (held, response.text)
        elif held is Scope.PUBLIC:
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == 'Bearer realm="obelisk"'
        else:
            assert response.status_code == 403
            assert f'scope="{needed.word}"' in response.headers["www-authenticate"]
    if method != "HEAD" and needed is not Scope.PUBLIC:
        problem(http.request(method, path), 401, "unauthenticated")


def test_what_changes_something_is_for_administrators_unless_it_says_otherwise(guarded: World) -> None:
    operations = [endpoint.operation for endpoint in gateway_app.endpoints(guarded.app.state.gateway)]
    weaker = {o.id for o in operations if o.method != "GET" and o.needed not in (Scope.ADMIN, Scope.WORK)}
    assert weaker == {"stub-execution", "replay-execution"}
    public = {"live", "ready", "token", "docs", "docs-file", "interface", "interface-file"}
    assert {o.id for o in operations if o.needed is Scope.PUBLIC} == public


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer obk_0",
        b"Bearer \xff",
        b"Basic dXNlcjpwYXNz",
        b"bearer " + made(Scope.READ).secret.encode()[:-1],
        b"Token " + made(Scope.READ).secret.encode(),
    ],
)
def test_what_is_no_token_is_refused_without_being_repeated(
    http: Http, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    response = http.request("GET", "/livez", headers=[("Authorization", value)])
    problem(response, 401, "unauthenticated")
    said = value.partition(b" ")[2].decode("latin-1")
    assert not said or (said not in response.text and said not in caplog.text)


def test_a_scheme_is_read_in_any_case_and_a_token_that_expired_is_none(guarded: World, http: Http) -> None:
    secret = TOKENS[Scope.READ].secret
    assert http.request("GET", "/v1/executions", headers=[("authorization", f"bEARER  {secret}")]).status_code == 200
    problem(
        http.request("GET", "/livez", headers=[("Authorization", f"Bearer {secret}"), ("Authorization", "x")]),
        400,
        "bad_request",
    )
    late = world(access=replace(GUARDED, tokens=lambda: Tokens((made(Scope.READ, expires_at_us=1).token,))))
    with late.client() as client:
        problem(client.request("GET", "/v1/executions", headers=bearer(Scope.READ)), 401, "unauthenticated")


def test_the_document_says_what_is_needed(http: Http) -> None:
    document = http.request("GET", "/openapi.json", headers=bearer(Scope.READ)).json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/livez"]["get"]["security"] == []
    assert "401" not in document["paths"]["/livez"]["get"]["responses"]
    call = document["paths"][f"{SHOP}/ping"]["post"]
    assert (call["security"], "401" in call["responses"]) == ([{"bearer": ["submit"]}], True)
    cancel = document["paths"]["/v1/executions/cancel"]["post"]
    assert (cancel["security"], "401" in cancel["responses"]) == ([{"bearer": ["admin"]}], True)
    with world().client() as anybody:
        document = anybody.get("/openapi.json").json()
        assert "securitySchemes" not in document["components"]
        assert not any("security" in o for path in document["paths"].values() for o in path.values())


# --- where a server may listen --------------------------------------------------------------------------------------
def server(**settings: Any) -> ServerConfig:
    return ServerConfig(**settings)


def nobody() -> Tokens:
    return Tokens()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "api.example.com"])
def test_an_address_that_others_reach_needs_tokens(host: str) -> None:
    with pytest.raises(TokensRequired, match="no tokens to keep them out"):
        access_of(server(), host, tokens=nobody)
    assert access_of(server(), host, tokens=lambda: KEPT).required
    assert access_of(server(auth="required"), host, tokens=nobody).required


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_the_loopback_is_open_until_there_are_tokens(host: str) -> None:
    assert is_loopback(host)
    assert not access_of(server(), host, tokens=nobody).required
    assert access_of(server(), host, tokens=lambda: KEPT).required


def test_a_server_without_tokens_gets_one_for_itself(tmp_path: Path) -> None:
    text = '[server]\nlisten = "0.0.0.0:1"\nauth = "required"\n'
    admitted = entry.admission(config.parse(text, file=tmp_path / "obelisk.toml"))
    scope, token = admitted.access.identify(f"Bearer {admitted.secret}", 1)
    assert (scope, bool(token)) == (Scope.ADMIN, True)
    assert not list(tmp_path.iterdir())
    assert entry.admission(config.parse(text, file=tmp_path / "obelisk.toml")).secret != admitted.secret
    token_file.write(tmp_path / ".obelisk/tokens.json", KEPT)
    again = entry.admission(config.parse(text, file=tmp_path / "obelisk.toml"))
    assert again.secret == ""
    assert again.access.identify(f"Bearer {TOKENS[Scope.READ].secret}", 1)[0] is Scope.READ
    with pytest.raises(Refusal):
        again.access.identify(f"Bearer {admitted.secret}", 1)


# --- hosts and origins ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8080", "localhost"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("a.b:", "a.b"),
        ("a:b", None),
        ("[::1]evil.example", None),
        ("[::1]:80evil.example", None),
        ("[::1", None),
        ("[::1]]", None),
        ("localhost evil.example", None),
        ("localhost@evil.example", None),
        ("localhost/evil.example", None),
        ("localhost:80:80", None),
        ("localh\xf6st", None),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(host: str, name: str | None) -> None:
    assert host_name(host) == name


def ask(access: Access, *headers: tuple[str, str], method: str = "GET", path: str = "/livez") -> httpx.Response:
    with world(access=access).client() as client:
        return client.request(method, path, headers=headers)


def test_a_server_of_the_loopback_answers_to_no_other_name() -> None:
    access = access_of(server(hosts=["Obelisk.test"]), "127.0.0.1", tokens=nobody)
    for host in ("localhost", "127.0.0.1:8080", "[::1]:9", "obelisk.test:1", "OBELISK.TEST"):
        assert ask(access, ("Host", host)).status_code == 200
    for host in ("evil.test", "localhost.evil.test", "127.0.0.1.evil.test:8080", "127.0.0.2", ""):
        told = problem(ask(access, ("Host", host)), 403, "host_not_allowed")
        assert "[server] hosts" in str(told["detail"])
    for host in ("localhost:x", "[::1]evil.test", "[::1"):
        problem(ask(access, ("Host", host)), 400, "bad_request")
        problem(ask(Access(), ("Host", host)), 400, "bad_request")
    problem(ask(access, ("Host", "localhost"), ("Host", "evil.test")), 400, "bad_request")


def test_a_server_of_the_network_answers_to_its_names_if_it_has_some() -> None:
    anything = access_of(server(), "0.0.0.0", tokens=lambda: KEPT)
    assert ask(anything, ("Host", "whatever.test")).status_code == 200
    named = access_of(server(hosts=["api.test"]), "0.0.0.0", tokens=lambda: KEPT)
    assert ask(named, ("Host", "api.test")).status_code == 200
    problem(ask(named, ("Host", "whatever.test")), 403, "host_not_allowed")


def test_pages_of_other_origins_are_refused() -> None:
    access = access_of(server(), "127.0.0.1", tokens=nobody)
    same = ask(access, ("Host", "localhost:8080"), ("Origin", "http://localhost:8080"))
    assert same.status_code == 200
    assert "access-control-allow-origin" not in same.headers
    strange = ("http://[", "http://]", "//localhost:8080", "ftp://localhost:8080", "http://localhost:8080/", "[", "://")
    others = ("https://evil.test", "http://localhost:1", "null", "", "http://localhost:8080.evil.test")
    for origin in (*others, *strange):
        for method, path in (("GET", "/livez"), ("POST", f"{SHOP}/ping"), ("OPTIONS", f"{SHOP}/ping")):
            refused = ask(access, ("Host", "localhost:8080"), ("Origin", origin), method=method, path=path)
            problem(refused, 403, "origin_not_allowed")
            assert "access-control-allow-origin" not in refused.headers


def test_pages_of_allowed_origins_may_ask_and_read() -> None:
    access = access_of(server(cors_origins=["https://App.test/"]), "127.0.0.1", tokens=nobody)
    own = (("Host", "localhost"), ("Origin", "https://app.test"))
    answer = ask(access, *own)
    assert answer.headers["access-control-allow-origin"] == "https://app.test"
    assert "Obelisk-Execution-Id" in answer.headers["access-control-expose-headers"]
    assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    asked = (*own, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "prefer"))
    preflight = ask(access, *asked, method="OPTIONS", path=f"{SHOP}/ping")
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "Prefer" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-allow-origin"] == "https://app.test"
    refused = ask(access, *own, path="/v1/nope")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, "https://app.test")
    everybody = access_of(server(cors_origins=["*"]), "127.0.0.1", tokens=nobody)
    assert ask(everybody, ("Host", "localhost"), ("Origin", "https://any.test")).status_code == 200


def test_a_preflight_needs_no_token() -> None:
    access = replace(GUARDED, origins=frozenset({"https://app.test"}))
    asked = (("Origin", "https://app.test"), ("Access-Control-Request-Method", "POST"))
    assert ask(access, *asked, method="OPTIONS", path=f"{SHOP}/ping").status_code == 204


# --- answers --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/livez", "/v1/nope", "/openapi.json", f"{SHOP}/add", "/docs"])
def test_every_answer_has_the_headers_that_keep_browsers_safe(path: str) -> None:
    headers = ask(Access(), path=path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert ("script-src" in headers["content-security-policy"]) == (path == "/docs")
    assert headers["cache-control"] == "no-store"


def test_a_bug_is_told_by_its_id_alone(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = world()

    async def broken(_: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(shop.api, "list", broken)
    with shop.client() as client:
        response = client.get("/v1/executions")
    told = problem(response, 500, "internal")
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert f"internal error {told['error_id']}" in caplog.text
    assert "the secret reason" in caplog.text


def test_large_answers_are_compressed_for_those_who_ask() -> None:
    small = ask(Access(), ("Accept-Encoding", "gzip"))
    assert "content-encoding" not in small.headers
    large = ask(Access(), ("Accept-Encoding", "gzip"), path="/openapi.json")
    assert large.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in large.headers["vary"].lower()
    plain = ask(Access(), ("Accept-Encoding", "identity"), path="/openapi.json")
    assert "content-encoding" not in plain.headers
    assert plain.content == large.content
    assert int(large.headers["content-length"]) < len(large.content) / 4


# --- limits ---------------------------------------------------------------------------------------------------------
def test_requests_under_way_are_bounded_for_each_client() -> None:
    limits = Limits(max_in_flight=2, max_rate=0, clock=lambda: 0.0)
    limits.enter("a")
    limits.enter("a")
    with pytest.raises(Refusal, match="more than 2") as refused:
        limits.enter("a")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    limits.enter("b")
    limits.leave("a")
    limits.enter("a")


def test_the_rate_of_requests_is_bounded_for_each_client() -> None:
    now = [0.0]
    limits = Limits(max_in_flight=9, max_rate=2, clock=lambda: now[0])
    taken: list[str] = []
    for step in range(12):
        now[0] = step / 4
        try:
            limits.enter("a")
        except Refusal as refusal:
            taken.append(refusal.headers["Retry-After"])
        else:
            limits.leave("a")
            taken.append("")
    assert taken.count("") == 7, "two at once, then two a second"
    assert set(taken) == {"", "1"}
    limits.enter("b")
    slow = Limits(max_in_flight=9, max_rate=0.1, clock=lambda: 0.0)
    slow.enter("a")
    with pytest.raises(Refusal) as refused:
        slow.enter("a")
    assert refused.value.headers["Retry-After"] == "10"


def test_what_is_kept_of_clients_is_bounded() -> None:
    limits = Limits(max_in_flight=1, max_rate=0, clock=lambda: 0.0)
    limits.enter("busy")
    for number in range(2 * MAX_CLIENTS):
        limits.enter(str(number))
        limits.leave(str(number))
    assert len(limits._clients) <= MAX_CLIENTS  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(Refusal):
        limits.enter("busy")


def test_a_client_that_asks_too_much_hears_it_and_goes_on_later(guarded: World) -> None:
    narrow = world(access=replace(GUARDED, max_in_flight=1))
    slow = [*bearer(Scope.SUBMIT), ("Prefer", "wait=1")]

    async def both() -> list[int]:
        transport = httpx.ASGITransport(app=narrow.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://obelisk") as client:
            first = asyncio.ensure_future(client.post(f"{SHOP}/never", headers=dict(slow)))  # type: ignore[arg-type]
            while not narrow.store.database.executions:  # until the first is under way
                await asyncio.sleep(0.005)
            second = await client.post(f"{SHOP}/ping", headers=dict(slow))  # type: ignore[arg-type]
            other = await client.get("/v1/executions", headers=dict(bearer(Scope.READ)))  # type: ignore[arg-type]
            done = await first
            third = await client.post(f"{SHOP}/ping", headers=dict(slow))  # type: ignore[arg-type]
            problem(second, 429, "too_many_requests")
            assert second.headers["retry-after"] == "1"
            return [answer.status_code for answer in (done, other, third)]

    with narrow.client() as client:
        assert client.run(both()) == [202, 200, 204]


def test_options_says_which_methods_there_are(http: Http) -> None:
    for path, allowed in itertools.chain(
        [("/v1/executions", "GET, HEAD, OPTIONS"), (f"{SHOP}/ping", "OPTIONS, POST")],
        [("/v1/executions/E_1/stub", "OPTIONS, PUT")],
    ):
        answer = http.request("OPTIONS", path)
        assert (answer.status_code, answer.headers["allow"]) == (204, allowed)
