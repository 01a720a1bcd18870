"""Which requests and addresses a policy allows, and how a guest's words become what is judged."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk.runtime import patterns
from obelisk.runtime.host.wasi.http.messages import HttpFailed, Request, Timeouts
from obelisk.runtime.host.wasi.http.policy import (
    HttpPolicy,
    Rule,
    Target,
    allows,
    allows_address,
    is_public,
    plain_address,
    reaches,
)
from obelisk.runtime.host.wasi.http.targets import host_header, split_authority, target_of


def target(**changes: Any) -> Target:
    known: dict[str, Any] = {
        "method": "GET",
        "scheme": "https",
        "host": "api.example.com",
        "port": 443,
        "path": "/v1/x",
    }
    return Target(**(known | changes))


def request(**changes: Any) -> Request:
    known: dict[str, Any] = {
        "method": "GET",
        "scheme": "https",
        "authority": "example.com",
        "path": "/",
        "headers": (),
        "timeouts": Timeouts(),
        "body": None,
    }
    return Request(**(known | changes))


@pytest.mark.parametrize(
    ("rule", "changes", "allowed"),
    [
        ({}, {}, True),
        ({}, {"host": "example.com"}, False),
        ({}, {"host": "api.example.com.evil.org"}, False),
        ({"host": "*.example.com"}, {}, True),
        ({"host": "*.example.com"}, {"host": "a.b.example.com"}, True),
        ({"host": "*.example.com"}, {"host": "example.com"}, False),
        ({"host": "*.example.com"}, {"host": ".example.com"}, False),
        ({"host": "*.example.com"}, {"host": "badexample.com"}, False),
        ({"host": "*"}, {"host": "anything"}, True),
        ({}, {"scheme": "http", "port": 80}, False),
        ({"schemes": ("http", "https")}, {"scheme": "http", "port": 80}, True),
        ({"schemes": ()}, {"scheme": "http", "port": 80}, True),
        ({}, {"port": 8443}, False),
        ({"ports": (8443,)}, {"port": 8443}, True),
        ({"ports": (8443,)}, {}, False),
        ({"methods": ("GET", "HEAD")}, {}, True),
        ({"methods": ("GET", "HEAD")}, {"method": "POST"}, False),
        ({"methods": ("GET",)}, {"method": "get"}, False),
        ({"path": patterns.compiled("/v1/.*")}, {}, True),
        ({"path": patterns.compiled("/v1")}, {}, False),
        ({"path": patterns.compiled("/v1/.*")}, {"path": "/v1/../admin"}, False),
        ({"path": patterns.compiled("/v1/.*")}, {"path": "/v1/%2e%2E/admin"}, False),
        ({"path": patterns.compiled("/v1/.*")}, {"path": "/v1/a%2Fb"}, False),
        ({"path": patterns.compiled("/v1/.*")}, {"path": "/v1/a\\b"}, False),
        ({"path": patterns.compiled("/v1/.*")}, {"path": "/v1/..a"}, True),
    ],
)
def test_rules(rule: dict[str, Any], changes: dict[str, Any], allowed: bool) -> None:
    host: dict[str, Any] = {"host": "api.example.com"}
    policy = HttpPolicy((Rule(**(host | rule)),))
    assert policy.allows(target(**changes)) is allowed


def test_every_policy_must_allow_and_none_allows_nothing() -> None:
    yes, no = HttpPolicy((Rule(host="*"),)), HttpPolicy()
    assert allows([yes, yes], target())
    assert not allows([yes, no], target())
    assert not allows([], target())
    public = ipaddress.ip_address("93.184.216.34")
    assert allows_address(reaches([yes], target()), public)
    assert not allows_address(reaches([], target()), public)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
        *(
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "fec0::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ),
        *("2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ],
)
def test_addresses_that_are_not_public(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_public(plain_address(address))
    assert not allows_address(reaches([HttpPolicy((Rule(host="*"),))], target()), address)


@pytest.mark.parametrize("text", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_that_are_public(text: str) -> None:
    assert allows_address(reaches([HttpPolicy()], target()), ipaddress.ip_address(text))


def test_private_addresses_are_reached_when_named() -> None:
    rules = (
        Rule(host="db.internal", networks=(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))),
        Rule(host="127.0.0.1"),
    )
    policy = HttpPolicy(rules)
    for host, text, allowed in [
        ("db.internal", "10.2.3.4", True),
        ("db.internal", "::ffff:10.2.3.4", True),
        ("db.internal", "fd00::1", True),
        ("db.internal", "127.0.0.1", False),
        ("other", "10.2.3.4", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
    ]:
        reach = reaches([policy], target(host=host))
        assert allows_address(reach, ipaddress.ip_address(text)) is allowed, (host, text)


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("example.com", "example.com", None),
        ("EXAMPLE.com.:8080", "example.com", 8080),
        ("1.2.3.4:1", "1.2.3.4", 1),
        ("[::1]:443", "::1", 443),
        ("[0:0::1]", "::1", None),
    ],
)
def test_authorities(authority: str, host: str, port: int | None) -> None:
    assert split_authority(authority) == (host, port)


@pytest.mark.parametrize(
    "authority",
    [
        *("", "user@example.com", "user:pass@example.com", "example.com:", "example.com:0", "example.com:65536"),
        *("example.com/", "example.com#x", "a b", "exa\nmple", "[::1", "[::g]", "[fe80::1%eth0]", "grün.de", "a:b:c"),
    ],
)
def test_wrong_authorities(authority: str) -> None:
    with pytest.raises(HttpFailed) as caught:
        split_authority(authority)
    assert caught.value.code == "HTTP_request_URI_invalid"


def test_what_a_request_asks_for() -> None:
    asked = target_of(request(authority="Example.COM:8443", path="/a/b?x=/../y"))
    assert asked == Target(method="GET", scheme="https", host="example.com", port=8443, path="/a/b")
    assert target_of(request(path="?q")).path == "/"
    assert target_of(request(scheme="http")).port == 80


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "A B"}, "HTTP_request_method_invalid"),
        ({"method": ""}, "HTTP_request_method_invalid"),
        ({"method": "CONNECT"}, "HTTP_request_method_invalid"),
        ({"scheme": "file"}, "HTTP_protocol_error"),
        ({"path": "x"}, "HTTP_request_URI_invalid"),
        ({"path": "/a#b"}, "HTTP_request_URI_invalid"),
        ({"path": "/a\nb"}, "HTTP_request_URI_invalid"),
        ({"path": "/ä"}, "HTTP_request_URI_invalid"),
        ({"path": "/" + "a" * 20_000}, "HTTP_request_URI_too_long"),
    ],
)
def test_wrong_requests(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(HttpFailed) as caught:
        target_of(request(**changes))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("authority", "header"),
    [("Example.com.", "example.com"), ("example.com:443", "example.com"), ("a:8080", "a:8080"), ("[::1]:1", "[::1]:1")],
)
def test_the_host_header_is_the_host_that_was_judged(authority: str, header: str) -> None:
    assert host_header(target_of(request(authority=authority))) == header


@given(st.text(max_size=30))
def test_any_authority_is_split_or_refused(text: str) -> None:
    try:
        host, port = split_authority(text)
    except HttpFailed:
        return
    assert not set(host) & set("@/?# \r\n[]")
    assert port is None or 0 < port < 65_536
