"""What the HTTP client for guests makes of its arguments and of what is wrong, natively."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def http(engine: Any) -> Any:
    return engine.load("obelisk_guest.http")


@pytest.fixture
def sent(engine: Any, http: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Requests as they leave; each is answered with 200."""
    seen: list[Any] = []
    exchanges = engine.load("obelisk_guest.exchanges")

    def send(exchange: Any, headers: Any, body: Any, timeouts_s: Any) -> Any:
        seen.append((exchange, dict(headers), body, timeouts_s))
        return exchanges.Head(status=200, headers=[("X-A", b"1"), ("x-a", b"2")], chunks=iter([b'{"a"', b":1}"]))

    monkeypatch.setattr(exchanges.Exchange, "send", send)
    return seen


def test_a_request_is_put_together(http: Any, sent: list[Any]) -> None:
    answer = http.post(
        "https://api.example.com:8443/a b/%2f?x=\u00e9",
        params={"q": "a&b"},
        headers={"X-Key": "k"},
        json={"n": "\u00e9"},
        timeout=2.5,
    )
    ((exchange, headers, body, timeouts),) = sent
    assert (exchange.method, exchange.scheme, exchange.authority) == ("POST", "https", "api.example.com:8443")
    assert exchange.path == "/a%20b/%2f?x=%C3%A9&q=a%26b"
    assert body == '{"n":"\u00e9"}'.encode()
    assert headers == {
        "x-key": b"k",
        "content-type": b"application/json",
        "content-length": str(len(body)).encode(),
    }
    assert timeouts == (2.5, 2.5, 2.5)
    assert (answer.status, answer.json(), answer.headers["X-a"], answer.headers.all("x-A")) == (
        200,
        {"a": 1},
        "1, 2",
        ["1", "2"],
    )
    assert (list(answer.headers), len(answer.headers), answer.raise_for_status()) == (["x-a"], 1, answer)


def test_each_method_is_sent_as_it_is_called(http: Any, sent: list[Any]) -> None:
    for name in ("get", "head", "delete", "put", "patch", "post"):
        getattr(http, name)("http://h")
    assert [exchange.method for exchange, *_ in sent] == ["GET", "HEAD", "DELETE", "PUT", "PATCH", "POST"]
    assert {exchange.path for exchange, *_ in sent} == {"/"}
    assert {body for _, _, body, _ in sent} == {None}
    http.put("http://h/", content="\u00e9")
    assert (sent[-1][2], sent[-1][1]) == ("\u00e9".encode(), {"content-length": b"2"})


@pytest.mark.parametrize("url", ["ftp://h/", "/path", "https://", "https://h:99999/", "http://[::1/", "http://u:p@h/"])
def test_a_url_that_is_none_is_told(http: Any, url: str) -> None:
    with pytest.raises(http.InvalidRequest) as raised:
        http.get(url)
    assert isinstance(raised.value, ValueError)
    assert "u:p" not in str(raised.value)


def test_a_request_has_one_body(http: Any) -> None:
    with pytest.raises(ValueError, match="either json or content"):
        http.post("http://h/", json=1, content=b"x")
    with pytest.raises(ValueError, match="JSON compliant"):
        http.post("http://h/", json=float("nan"))


def test_a_bad_status_says_what_the_server_said(http: Any) -> None:
    answer = http.Response(
        method="GET", url="http://h/", status=503, headers=http.Headers([]), content=b"closed\xff today\n"
    )
    assert not answer.is_success
    with pytest.raises(http.StatusError, match="status 503: closed\ufffd today") as raised:
        answer.raise_for_status()
    assert (raised.value.status, raised.value.content) == (503, b"closed\xff today\n")


def test_text_has_the_charset_of_its_type(http: Any) -> None:
    headers = http.Headers([("Content-Type", 'text/plain; charset="latin-1"')])
    answer = http.Response(method="GET", url="u", status=200, headers=headers, content=b"\xe9")
    assert answer.text == "\u00e9"
    with pytest.raises(UnicodeDecodeError):
        _ = http.Response(method="GET", url="u", status=200, headers=http.Headers([]), content=b"\xe9").text


def test_every_error_code_has_a_name(engine: Any, http: Any) -> None:
    types = engine.load("wit_world.imports.wasi_http_types")
    failure = engine.load("obelisk_guest.http_errors").failure
    names: dict[str, Any] = types.__dict__
    cases = [name for name in names if name.startswith("ErrorCode_")]
    found: dict[str, set[str]] = {}
    for name in cases:
        made = getattr(types, name)
        error = failure(made() if not made.__annotations__ else made("x"), method="GET", url="http://h/")
        found.setdefault(type(error).__name__, set()).add(error.code)
        assert str(error).startswith("GET http://h/")
    assert found["NotAllowed"] == {"HttpRequestDenied", "DestinationIpProhibited"}
    assert found["RequestTimedOut"] == {
        *("DnsTimeout", "ConnectionTimeout", "ConnectionReadTimeout", "ConnectionWriteTimeout", "HttpResponseTimeout")
    }
    assert {"ConnectionRefused", "DnsError", "TlsCertificateError", "DestinationNotFound"} <= found["Unreachable"]
    assert "HttpResponseBodySize" in found["HttpError"]
    assert str(failure(types.ErrorCode_InternalError("lost"), method="GET", url="u")) == "GET u: internal error (lost)"


def test_a_host_that_is_not_allowed_says_what_has_to_name_it(engine: Any) -> None:
    types = engine.load("wit_world.imports.wasi_http_types")
    failure = engine.load("obelisk_guest.http_errors").failure
    assert str(failure(types.ErrorCode_HttpRequestDenied(), method="GET", url="https://api.example.com/x")) == (
        "GET https://api.example.com/x is not allowed: both [[component.NAME.http.allow]] and [[http.allow]] of "
        "obelisk.toml have to name it; the execution's log says which does not"
    )
