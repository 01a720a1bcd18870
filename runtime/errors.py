"""Exceptions for callers of the runtime. Guest failures are events in the log and never appear here.

Every exception has a stable `code` (snake_case); the gateway maps codes to HTTP statuses and the command line to exit
statuses, each in one table. `fields` holds what a caller may want to read, JSON-ready.
"""

from __future__ import annotations

from typing import ClassVar


class ObeliskError(Exception):
    """Root of all exceptions raised on purpose; `message` is for people, `code` and `fields` for programs."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class ConfigError(ObeliskError):
    """The configuration file or an option is wrong; `fields["key"]` names the place."""

    code = "config_invalid"


class ComponentError(ObeliskError):
    """A file is not a usable component: not wasm, a core module, or types that cannot be read."""

    code = "component_invalid"


class ComponentNotFound(ObeliskError):
    """No component of that name is deployed; `fields["component"]`."""

    code = "component_not_found"


class ComponentInUse(ObeliskError):
    """Something needs the component; `fields["component"]`, and ``imports`` of others or the count ``executions``."""

    code = "component_in_use"


class WorkerNotFound(ObeliskError):
    """A worker is not registered, or its lease has run out; `fields["worker"]`."""

    code = "worker_not_found"


class ImportRefused(ObeliskError):
    """A component imports what this runtime does not offer; `fields["imports"]` lists them."""

    code = "import_unknown"


class FunctionNotFound(ObeliskError):
    """No deployed component exports the function; `fields["ffqn"]`."""

    code = "function_not_found"


class ParamsInvalid(ObeliskError):
    """Parameters do not typecheck; `problems` has every place. Nothing was logged."""

    code = "params_invalid"

    def __init__(self, message: str, problems: tuple[object, ...], **fields: object) -> None:
        super().__init__(message, **fields)
        self.problems = problems


class ValueTooLarge(ObeliskError):
    """Parameters or a result are larger than the component's `max_value_bytes`; nothing was logged."""

    code = "value_too_large"


class ExecutionNotFound(ObeliskError):
    """No execution has that id; `fields["execution_id"]`."""

    code = "execution_not_found"


class NotCancellable(ObeliskError):
    """The component of the function does not let its executions be cancelled; `fields["execution_id"]`, ``ffqn``."""

    code = "not_cancellable"


class NotAStub(ObeliskError):
    """The execution is of a function with code: its result cannot be given; `fields["execution_id"]`, ``ffqn``."""

    code = "not_a_stub"


class ResultInvalid(ParamsInvalid):
    """A stub's result does not typecheck; `problems` has every place. Nothing was logged."""

    code = "result_invalid"


class ResultConflict(ObeliskError):
    """The stub has another result, has failed, or is being cancelled; `fields["execution_id"]`."""

    code = "result_conflict"


class NotReplayable(ObeliskError):
    """Nothing to replay the execution with: no workflow's, or no such build; `fields["execution_id"]`, ``digest``."""

    code = "not_replayable"


class Incompatible(ObeliskError):
    """A build asks for something else than the log has; `fields["digest"]`, ``reason`` and perhaps ``index``."""

    code = "incompatible"


class ForkInvalid(ObeliskError):
    """The log has no such version; `fields["execution_id"]`, ``version``."""

    code = "fork_invalid"


class IdempotencyConflict(ObeliskError):
    """The idempotency key was used for another call; `fields["execution_id"]` has the first."""

    code = "idempotency_conflict"


class QueueFull(ObeliskError):
    """Too many executions wait; `fields["retry_after_s"]` says when to try again."""

    code = "queue_full"


class NoRoom(ObeliskError):
    """The process is near the end of its memory maps or of its address space: no other guest can start in it now."""

    code = "no_room"


class Unsupported(ObeliskError):
    """Known, and refused by this version."""

    code = "unsupported"


class StoreError(ObeliskError):
    """The store cannot work: corrupt, locked by another program, of a newer version, or out of space."""

    code = "store_unavailable"


class Conflict(ObeliskError):
    """A transaction lost: another writer appended to the execution first (fencing). Nothing of it was written."""

    code = "conflict"


class CursorInvalid(ObeliskError):
    """The cursor of a listing is none that this store gave out."""

    code = "cursor_invalid"
