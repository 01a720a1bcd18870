"""Events, responses and outcomes as bytes and back: the format of everything that is stored.

A stored record is a *kind* (a small integer, stable for ever) and a *body* (one JSON object in UTF-8, WIT values inside
it untouched). Kinds are unique within events, within responses and within outcomes; the tables below only ever grow.
Unknown fields of a body are ignored, so that a field with a default may be added without a new schema version.

An event whose body has to change otherwise gets a new kind: the kind is the version of the event. The old kind moves
to `RETIRED`, with the shape it had and an *upcaster* that makes today's event of it: logs are never rewritten, and are
read for ever. `SCHEMA_VERSION` goes up then, and a migration raises the ``log_format`` of databases, so that programs
which do not know the new kind refuse them.

`decode_*` raise `CorruptLog` for an unknown kind and for a body that is not what its kind promises. WIT values are
checked to be well-formed JSON, not to be of any type. `encode_*` trust their argument: a `Raw` must hold JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log import events as log

SCHEMA_VERSION: Final = 1
"""Version of the stored format as a whole; a store refuses a newer one."""

T = TypeVar("T")
Old = TypeVar("Old", bound=msgspec.Struct)


class CorruptLog(ObeliskError):
    """What is stored cannot be what was written; `fields` has ``kind`` and ``reason``."""

    code = "log_corrupt"


EVENT_KINDS: Final[Mapping[type[log.Event], int]] = {
    log.Created: 1,
    log.Locked: 2,
    log.Unlocked: 3,
    log.TemporarilyFailed: 4,
    log.TemporarilyTimedOut: 5,
    log.Paused: 6,
    log.Unpaused: 7,
    log.CancellationRequested: 8,
    log.ComponentUpgraded: 9,
    log.Finished: 10,
    log.Persist: 32,
    log.JoinSetCreate: 33,
    log.JoinSetRequest: 34,
    log.DelayRequest: 35,
    log.JoinNext: 36,
    log.JoinNextTry: 37,
    log.JoinSetClose: 38,
    log.Schedule: 39,
    log.Stub: 40,
}
"""The kind of every event: execution events from 1, history events from 32. Never renumber."""


@dataclass(frozen=True, slots=True)
class Retired(Generic[Old]):
    """An earlier version of an event: the shape of its body, and what it says today."""

    shape: type[Old]
    upcast: Callable[[Old], log.Event]


RETIRED: Final[dict[int, Retired[Any]]] = {}
"""Earlier versions of events by their kinds, which nothing writes any more. None so far. Never remove one."""

RESPONSE_KINDS: Final[Mapping[type[log.Response], int]] = {log.ChildFinished: 1, log.DelayFinished: 2}
"""The kind of every response. Never renumber."""

OUTCOME_KINDS: Final[Mapping[type[log.Outcome], int]] = {log.Returned: 1, log.Failed: 2}
"""The kind of every outcome. Never renumber."""

_encode: Final = msgspec.json.Encoder().encode


def _decoders(kinds: Mapping[type[T], int]) -> dict[int, msgspec.json.Decoder[T]]:
    return {kind: msgspec.json.Decoder(type_) for type_, kind in kinds.items()}


# Decoder's type parameter is invariant while a decoder only ever produces: Any stands for the union of its table.
_EVENTS: Final[dict[int, msgspec.json.Decoder[Any]]] = _decoders(EVENT_KINDS)
_RESPONSES: Final[dict[int, msgspec.json.Decoder[Any]]] = _decoders(RESPONSE_KINDS)
_OUTCOMES: Final[dict[int, msgspec.json.Decoder[Any]]] = _decoders(OUTCOME_KINDS)


def encode_event(event: log.Event) -> tuple[int, bytes]:
    """The kind and the body of an event."""
    return EVENT_KINDS[type(event)], _encode(event)


def decode_event(kind: int, body: bytes) -> log.Event:
    """The event that was encoded; CorruptLog."""
    retired = RETIRED.get(kind)
    if retired is not None:
        return _upcast(retired, kind, body)
    event: log.Event = _decode(_EVENTS, "event", kind, body)
    return event


def _upcast(retired: Retired[Any], kind: int, body: bytes) -> log.Event:
    return retired.upcast(_decode({kind: msgspec.json.Decoder(retired.shape)}, "event", kind, body))


def encode_response(response: log.Response) -> tuple[int, bytes]:
    """The kind and the body of a response."""
    return RESPONSE_KINDS[type(response)], _encode(response)


def decode_response(kind: int, body: bytes) -> log.Response:
    """The response that was encoded; CorruptLog."""
    response: log.Response = _decode(_RESPONSES, "response", kind, body)
    return response


def encode_outcome(outcome: log.Outcome) -> tuple[int, bytes]:
    """The kind and the body of an outcome."""
    return OUTCOME_KINDS[type(outcome)], _encode(outcome)


def decode_outcome(kind: int, body: bytes) -> log.Outcome:
    """The outcome that was encoded; CorruptLog."""
    outcome: log.Outcome = _decode(_OUTCOMES, "outcome", kind, body)
    return outcome


def _decode(decoders: dict[int, msgspec.json.Decoder[Any]], what: str, kind: int, body: bytes) -> Any:
    decoder = decoders.get(kind)
    if decoder is None:
        raise CorruptLog(f"stored {what} of the unknown kind {kind}", kind=kind, reason="unknown kind")
    try:
        if not body.isascii():  # the decoder does not look into raw values, and UTF-8 is cheap to check
            str(body, "utf-8")
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptLog(f"stored {what} of kind {kind}: {error}", kind=kind, reason=str(error)) from None
