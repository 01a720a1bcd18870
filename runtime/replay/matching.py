"""Whether a guest asks for what the log has, and the report when it does not.

The machine turns every command into the event it would append. Such a *wanted* event agrees with a recorded one when
both are of the same type and equal in everything that the guest decides; what the shell proposes (an instant, a random
value, a signature, which response came) does not take part, the recorded one wins. `_ASKED` is that table. JSON texts
that the guest decides are equal when their bytes are, or else when they parse to the same JSON value: another order of
keys or other white space is no divergence, but ``1`` and ``true`` are.

`Cursor` walks the recorded history once, event by event; after a divergence it stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, TypeAlias, TypeGuard, TypeVar, cast

import msgspec

from obelisk.runtime.log import events as log
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.replay.commands import Diverged

_ASKED: Final[Mapping[type[log.HistoryEvent], tuple[tuple[str, ...], tuple[str, ...]]]] = {
    log.Persist: ((), ("request",)),
    log.JoinSetCreate: (("join_set",), ()),
    log.JoinSetRequest: (("join_set", "child", "ffqn"), ("params",)),
    log.DelayRequest: (("join_set", "delay"), ("schedule",)),
    log.JoinNext: (("join_set", "ffqn"), ()),
    log.JoinNextTry: (("join_set",), ()),
    log.JoinSetClose: (("join_set",), ()),
    log.Schedule: (("execution_id", "ffqn"), ("params", "schedule")),
    log.Stub: (("execution_id", "ffqn"), ("result",)),
}
"""What of each event the guest decides: plain fields, and fields of JSON text."""

SHOWN_BYTES: Final = 16_384
"""Of each JSON value in a report."""

E = TypeVar("E", bound=log.HistoryEvent)


_Plain: TypeAlias = Callable[[log.HistoryEvent], object]
_Text: TypeAlias = Callable[[log.HistoryEvent], msgspec.Raw]


def _nothing(_: log.HistoryEvent) -> object:
    return None


def _getter(names: tuple[str, ...]) -> _Plain:
    return attrgetter(*names) if names else _nothing


_GETTERS: Final[Mapping[type[log.HistoryEvent], tuple[_Plain, tuple[_Text, ...]]]] = {
    type_: (_getter(plain), tuple(cast("_Text", attrgetter(name)) for name in raws))
    for type_, (plain, raws) in _ASKED.items()
}
_parse: Final[Callable[[msgspec.Raw], object]] = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class Left(Exception):
    """Unwinds a command that left the history; never leaves the machine, which answers `diverged` instead."""

    def __init__(self, diverged: Diverged) -> None:
        super().__init__()
        self.diverged = diverged


class Cursor:
    """The recorded history of an execution and how much of it the guest has asked for again."""

    __slots__ = ("_execution_id", "_history", "_index", "_length", "diverged", "is_replaying")

    def __init__(self, execution_id: str, history: Sequence[log.HistoryEvent]) -> None:
        self._execution_id = execution_id
        self._history = history
        self._length = len(history)
        self._index = 0
        self.is_replaying = self._length > 0
        """Whether recorded history is left."""
        self.diverged: Diverged | None = None

    def submitted(self) -> dict[str, str]:
        """The children that the recorded history submitted, with their functions, in order."""
        return {event.child: event.ffqn for event in self._history if isinstance(event, log.JoinSetRequest)}

    @property
    def index(self) -> int:
        """How many events have been asked for again."""
        return self._index

    @property
    def next_event(self) -> log.HistoryEvent | None:
        """The recorded event that the guest has to ask for next, None behind the end."""
        return self._history[self._index] if self._index < self._length else None

    def match(self, wanted: E, *, returned: bool = False) -> E | None:
        """The next recorded event if it is what the guest wants (it is used up), None behind the end. Left.

        `returned`: the guest itself asked for nothing, and that is what a divergence shows.
        """
        index = self._index
        if index == self._length:
            return None
        recorded = self._history[index]
        if not agrees(recorded, wanted):
            raise Left(self.diverge(None if returned else wanted))
        self._index = index = index + 1
        self.is_replaying = index < self._length
        return recorded

    def diverge(self, wanted: log.HistoryEvent | None) -> Diverged:
        """The guest wants something else than the next recorded event (None: it returned)."""
        self.diverged = Diverged(divergence(self._index, self._history[self._index], wanted))
        return self.diverged

    def refused(self) -> log.Divergence:
        """The report that the guest could not take what it was answered, by the event used up last if there is one."""
        index = max(self._index - 1, 0)
        return divergence(index, self._history[index] if self._history else None, None)

    def corrupt(self, reason: str) -> CorruptLog:
        """The error that the event used up last contradicts what is before it; `fields` has ``index``, ``reason``."""
        index = self._index - 1
        return CorruptLog(f"history event {index} of {self._execution_id} {reason}", index=index, reason=reason)


def agrees(recorded: log.HistoryEvent, wanted: E) -> TypeGuard[E]:
    """Whether `recorded` is what the guest asks for with `wanted`."""
    if type(recorded) is not type(wanted):
        return False
    plain, raws = _GETTERS[type(recorded)]
    if plain(recorded) != plain(wanted):
        return False
    for get in raws:
        has, asks = get(recorded), get(wanted)
        if has != asks and not same_json(has, asks):
            return False
    return True


def divergence(index: int, recorded: log.HistoryEvent | None, wanted: log.HistoryEvent | None) -> log.Divergence:
    """The report that history event `index` is `recorded` and the guest wanted something else (None: it returned).

    `actual` shows what the guest decides of the event, under the event's field names. The report is recorded with a
    pause or an end, so that values longer than `SHOWN_BYTES` are clipped: the guest's are bounded by nothing else.
    """
    return log.Divergence(
        index=index,
        expected=log.ABSENT if recorded is None else _shown(recorded),
        actual=log.ABSENT if wanted is None else msgspec.Raw(_encode(_asked(wanted))),
    )


def _shown(event: log.HistoryEvent) -> msgspec.Raw:
    encoded = _encode(event)
    if len(encoded) > SHOWN_BYTES:
        encoded = _encode(_clipped(event, event.__struct_fields__))
    return msgspec.Raw(encoded)


def _clipped(event: log.HistoryEvent, names: Iterable[str]) -> dict[str, object]:
    """An event's type and some of its fields; a JSON value that is too long as the text of its beginning."""
    return {"type": str(event.__struct_config__.tag), **{name: _clip(getattr(event, name)) for name in names}}


def _clip(value: object) -> object:
    if not isinstance(value, msgspec.Raw) or len(text := bytes(value)) <= SHOWN_BYTES:
        return value
    return f"{text[:SHOWN_BYTES].decode(errors='ignore')}… ({len(text) - SHOWN_BYTES} more bytes)"


def _asked(wanted: log.HistoryEvent) -> dict[str, object]:
    plain, raws = _ASKED[type(wanted)]
    return _clipped(wanted, (*plain, *raws))


def same_json(a: msgspec.Raw, b: msgspec.Raw) -> bool:
    """Whether two JSON texts stand for the same value. Text that is no JSON is equal to the same bytes only."""
    if a == b:
        return True
    try:
        return _same(_parse(a), _parse(b))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _same(a: object, b: object) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        x, y = cast("list[object]", a), cast("list[object]", b)
        return len(x) == len(y) and all(map(_same, x, y))
    if isinstance(a, dict) and isinstance(b, dict):
        p, q = cast("dict[str, object]", a), cast("dict[str, object]", b)
        return p.keys() == q.keys() and all(_same(value, q[key]) for key, value in p.items())
    return a == b
