"""The calls of the resource `wasi:http/types.fields`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from obelisk.runtime.host.wasi.calls.call import Call, err, ok
from obelisk.runtime.host.wasi.guests import WasiGuest
from obelisk.runtime.host.wasi.http.fields import Fields, HeaderRefused
from obelisk.runtime.ports.guest import JsonValue


def _new_fields(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(Fields(guest.memory))


def _from_list(guest: WasiGuest, args: list[Any]) -> JsonValue:
    fields = Fields(guest.memory)
    try:
        for name, value in args[0]:
            fields.append(name, base64.b64decode(value))
    except HeaderRefused as refused:
        return err(refused.case)
    return ok(guest.table.add(fields))


def _get(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return [_text(value) for value in guest.table.get(args[0], Fields).get(args[1])]


def _has(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return bool(guest.table.get(args[0], Fields).get(args[1]))


def _changing(change: Callable[[Fields, list[Any]], None]) -> Callable[[Any, list[Any]], JsonValue]:
    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue:
        try:
            change(guest.table.get(args[0], Fields), args)
        except HeaderRefused as refused:
            return err(refused.case)
        return ok()

    return handler


def _delete(fields: Fields, args: list[Any]) -> None:
    fields.delete(args[1])


def _append(fields: Fields, args: list[Any]) -> None:
    fields.append(args[1], base64.b64decode(args[2]))


def _set(fields: Fields, args: list[Any]) -> None:
    fields.set(args[1], [base64.b64decode(value) for value in args[2]])


def _entries(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return [[name, _text(value)] for name, value in guest.table.get(args[0], Fields).entries()]


def _clone(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.table.get(args[0], Fields).clone())


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


FIELD_CALLS: Final[Mapping[str, Call]] = {
    "[constructor]fields": Call("() -> fields", _new_fields),
    "[static]fields.from-list": Call("(list<tuple<string, list<u8>>>) -> result<fields, header-error>", _from_list),
    "[method]fields.get": Call("(borrow<fields>, string) -> list<list<u8>>", _get),
    "[method]fields.has": Call("(borrow<fields>, string) -> bool", _has),
    "[method]fields.set": Call("(borrow<fields>, string, list<list<u8>>) -> result<_, header-error>", _changing(_set)),
    "[method]fields.delete": Call("(borrow<fields>, string) -> result<_, header-error>", _changing(_delete)),
    "[method]fields.append": Call("(borrow<fields>, string, list<u8>) -> result<_, header-error>", _changing(_append)),
    "[method]fields.entries": Call("(borrow<fields>) -> list<tuple<string, list<u8>>>", _entries),
    "[method]fields.clone": Call("(borrow<fields>) -> fields", _clone),
}
"""What this module offers."""
