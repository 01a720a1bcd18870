"""How an execution ended, in one word. Pure."""

from __future__ import annotations

import msgspec

from obelisk.runtime.log.events import Failed, Outcome


def result_kind(outcome: Outcome) -> str:
    """``ok``, ``err`` (the value is an object with the one key ``err``) or the failure's kind."""
    if isinstance(outcome, Failed):
        return outcome.kind.value
    text = bytes(outcome.value).lstrip()
    if not text.startswith(b'{"err"'):
        return "ok"
    return "err" if len(msgspec.json.decode(text, type=dict[str, msgspec.Raw])) == 1 else "ok"
