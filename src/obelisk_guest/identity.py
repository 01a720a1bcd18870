"""Who a workflow is: its execution id, and keys that are made from it."""

from __future__ import annotations

from wit_world.imports import workflow_support


def execution_id() -> str:
    """The id of the execution that runs this, as ``E_01J…``."""
    return workflow_support.execution_id_current().id


def idempotency_key(*parts: object) -> str:
    """A key for what an activity does elsewhere: the same in each attempt and each replay, another in each execution.

    `parts` tell the effects of one execution apart: ``idempotency_key("charge")`` is ``E_01J…/charge``. ValueError for
    a part that is empty or has a slash in it, which could make two keys one.
    """
    texts = [str(part) for part in parts]
    for text in texts:
        if not text or "/" in text:
            raise ValueError(f"a part of a key has at least one character and no slash, got {text!r}")
    return "/".join([execution_id(), *texts])
