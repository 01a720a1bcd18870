"""Secrets go where they may, and come back as placeholders."""

from __future__ import annotations

import asyncio
import base64
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from obelisk.runtime.host.wasi.http.flows import Outflow
from obelisk.runtime.host.wasi.http.messages import Request, Timeouts
from obelisk.runtime.host.wasi.http.policy import Target
from obelisk.runtime.host.wasi.http.secrets import Secret, filled, misplaced, readable
from obelisk.runtime.ports.guest import HostMemory

PLACE, VALUE = b"secret_0123", b"s3cr&t v\xc3\xa4lue"


def secret(**changes: Any) -> Secret:
    known: dict[str, Any] = {
        "key": "secrets.s",
        "placeholder": PLACE,
        "value": VALUE,
        "hosts": ("*.example.com",),
        "schemes": ("https",),
        "headers": ("authorization",),
        "query": ("key",),
    }
    return Secret(**(known | changes))


def request(path: str = "/", **headers: bytes) -> Request:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(
        method="GET", scheme="https", authority="a", path=path, headers=named, timeouts=Timeouts(), body=None
    )


@pytest.mark.parametrize(
    ("changes", "goes"),
    [
        ({}, True),
        ({"host": "example.com"}, False),
        ({"host": "a.example.com.evil.org"}, False),
        ({"scheme": "http"}, False),
    ],
)
def test_it_goes_to_its_hosts_alone(changes: dict[str, Any], goes: bool) -> None:
    known: dict[str, Any] = {"method": "GET", "scheme": "https", "host": "a.example.com", "port": 443, "path": "/"}
    assert secret().goes_to(Target(**(known | changes))) is goes


def test_headers_that_may_carry_it_get_it() -> None:
    sent = filled(request(Authorization=b"Bearer " + PLACE, x_other=PLACE), [secret()])
    assert sent.headers == (("Authorization", b"Bearer " + VALUE), ("x-other", PLACE))
    assert misplaced(sent, [secret()]) == secret()


def test_basic_credentials_get_it() -> None:
    sent = filled(request(authorization=b"Basic " + base64.b64encode(b"me:" + PLACE)), [secret()])
    assert base64.b64decode(sent.headers[0][1].split()[1]) == b"me:" + VALUE
    for other in (b"Basic %%%", b"Basic " + base64.b64encode(b"me:you"), b"Basic"):
        assert filled(request(authorization=other), [secret()]).headers[0][1] == other


def test_parameters_that_may_carry_it_get_it() -> None:
    place = PLACE.decode()
    sent = filled(request(f"/{place}?key={place}&other={place}&k%65y={place}&key"), [secret()])
    quoted = "s3cr%26t%20v%C3%A4lue"
    assert sent.path == f"/{place}?key={quoted}&other={place}&k%65y={quoted}&key"
    assert misplaced(request("/x?key=y"), [secret()]) is None


def test_it_is_not_shown() -> None:
    assert "s3cr" not in repr(secret())


def test_an_answer_to_what_carries_a_value_is_asked_for_as_it_is() -> None:
    asked = request(authorization=b"Bearer " + PLACE, accept_encoding=b"gzip")
    carrying = readable(asked, filled(asked, [secret()]), [secret()])
    assert carrying.headers == (("authorization", b"Bearer " + VALUE), ("accept-encoding", b"identity"))
    bare = request(accept_encoding=b"gzip")
    assert readable(bare, filled(bare, [secret()]), [secret()]) == bare
    with closing(asyncio.new_event_loop()) as loop:
        with_body = replace(bare, body=Outflow(loop, None, HostMemory()))
    assert readable(with_body, with_body, [secret()]) == with_body
    assert readable(with_body, with_body, [secret(body=True)]).headers == (("accept-encoding", b"identity"),)
