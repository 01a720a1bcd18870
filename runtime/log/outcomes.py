"""How an execution ended: in one word, and how to read what it returned. Pure."""

from __future__ import annotations

import msgspec

from obelisk.codegen.model import signatures
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Failed, Outcome

_OK, _ERR = "ok", "err"


def result_kind(outcome: Outcome) -> str:
    """``ok``, ``err`` (a ``result`` that is one) or the failure's kind."""
    if isinstance(outcome, Failed):
        return outcome.kind.value
    may_be_err = signatures.is_result(outcome.shape) if outcome.shape else True
    text = bytes(outcome.value).lstrip() if may_be_err else b""
    if not text.startswith(b'{"err"'):
        return _OK
    return _ERR if len(msgspec.json.decode(text, type=dict[str, msgspec.Raw])) == 1 else _OK


def case_of(value: msgspec.Raw, shape: str) -> tuple[str, msgspec.Raw | None]:
    """``ok`` or ``err``, and the payload of a recorded result of a known shape, None where there is none.

    What is no ``result`` is ``ok``. CorruptLog when the value is not of that shape.
    """
    if not signatures.is_result(shape):
        return _OK, None if shape == signatures.NOTHING else value
    try:
        ((case, payload),) = msgspec.json.decode(value, type=dict[str, msgspec.Raw]).items()
        absent = shape[(_OK, _ERR).index(case)] == signatures.ABSENT
    except (msgspec.DecodeError, ValueError):
        raise CorruptLog(f"a recorded result is not of its shape {shape}", reason="not of its shape") from None
    return case, None if absent else payload
