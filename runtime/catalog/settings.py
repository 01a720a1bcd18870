"""The kinds of components and their settings, with bounds and defaults. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from obelisk.runtime.catalog.retry import RetryPolicy
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.ports.access import MAX_RESPONSE_BYTES, Access, ComponentHttp
from obelisk.runtime.ports.claims import is_label
from obelisk.runtime.ports.guest import DEFAULT_LIMITS, HOST_BYTES, Limits


class ComponentKind(enum.Enum):
    """What a component is run as. An external one is WIT alone, whose functions workers outside the engine run; of a
    stub, too, only the interface counts: its code, if it has any, is never run."""

    __hash__ = object.__hash__  # by identity, as they are compared: places are counted by kind, and this is no Python
    WORKFLOW = "workflow"
    ACTIVITY = "activity"
    EXTERNAL = "external"
    STUB = "stub"


RUNNABLE = (ComponentKind.WORKFLOW, ComponentKind.ACTIVITY)
"""The kinds that executors run; executions of stubs wait for a result from outside."""
ATTEMPTED = (ComponentKind.ACTIVITY, ComponentKind.EXTERNAL)
"""The kinds whose executions are attempts that may be tried again."""
CODELESS = (ComponentKind.EXTERNAL, ComponentKind.STUB)
"""The kinds of which nothing runs in the engine: WIT is enough for them."""

REPLAY, AUTO, MANUAL, PIN = UPGRADES = ("replay", "auto", "manual", "pin")
REJECT, EVICT_OLDEST = WHEN_FULL = ("reject", "evict-oldest")
KINDS = tuple(kind.value for kind in ComponentKind)
_DECADE_MS = 315_360_000_000
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "max_retries": (0, 1_000_000),
    "initial_backoff_ms": (0, _DECADE_MS),
    "max_backoff_ms": (0, _DECADE_MS),
    "attempt_timeout_ms": (1, _DECADE_MS),
    "total_timeout_ms": (0, _DECADE_MS),
    "max_concurrent": (0, 1_000_000),
    "max_pending": (0, 1_000_000_000),
    "max_memory_bytes": (1 << 16, 4 << 30),
    "max_host_bytes": (1 << 16, 4 << 30),
    "max_table_elements": (0, 1 << 27),
    "max_instances": (1, 10_000),
    "max_stack_bytes": (64 << 10, 64 << 20),
    "fuel": (0, (1 << 63) - 1),
    "max_compute_ms": (1, 86_400_000),
    "max_output_bytes": (0, 1 << 30),
    "max_history_events": (1, 10_000_000),
    "max_history_bytes": (1 << 10, 4 << 30),
    # The store takes rows up to 1 GB, and a text inside an event's JSON may have six times its bytes.
    "max_value_bytes": (1 << 10, 1 << 27),
}
"""The least and the most of a component's settings that are integers, both included."""


class ComponentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one component, as in the configuration file; durations in milliseconds.

    `kind` empty means: a workflow when it imports `obelisk:workflow` or another component's functions, else an
    activity. `attempt_timeout_ms` bounds one attempt of an activity, `total_timeout_ms` all of them, from the instant
    for which the execution was scheduled, also while none runs: it waits for an executor or is paused (0: no bound); it
    counts as it was when an execution was created.
    `cancellable` false keeps a workflow from being cancelled: the workflow that closes its join set waits for it.
    `upgrade` says what becomes of a workflow's executions that were logged with another build: "replay" goes on with
    this one; "auto" too, and records the upgrade once the log was replayed whole; "manual" pauses all; "pin" goes on
    with that build. What diverges is paused in any case.

    Limits of a guest, each a failure of the execution that says which one: `max_memory_bytes` of a linear memory,
    `max_host_bytes` that the server keeps for it (handles, HTTP requests and headers, data on its way),
    `max_table_elements` of a table, `max_instances` that the component is made of, `max_stack_bytes` of its calls,
    `fuel` (instructions; 0: none are counted), `max_compute_ms` of processor time that a workflow computes between two
    steps, `max_output_bytes` that one attempt of an activity, or a workflow, may log and write to its standard streams,
    `max_value_bytes` of a value as JSON: of a result, of a stub's result, of the parameters of a submission (both are
    refused, by HTTP with status 413), of a child or of what is scheduled.

    A workflow is paused when its history has `max_history_events`, or values of `max_history_bytes` with the responses
    to it: it goes on with higher bounds when it is unpaused.

    `hot` false unloads a workflow when it waits and replays it when its answer is there, but for work that is under way
    (`[executor] linger_ms`); true keeps it in memory as long as there is room. `begin_early` false makes an execution
    wait for the commit that creates it before its guest computes anything; what leaves the process waits for it in any
    case. `labels`: only executors that have all of them run the component. `max_concurrent` bounds how many of its
    executions are locked at once, over all executors (0: no bound); a workflow that waits is unloaded then, likewise,
    so that it never keeps the place that its own children wait for.
    `max_pending` bounds how many wait for an executor (0: no bound but the server's); a submission beyond that is
    refused, or with `when_full` "evict-oldest" takes the place of the one that waits the longest.

    `env`, `http`, `secrets` and `directories` are what an activity may reach: see `access`.
    """

    kind: str = ""
    max_retries: int = 5
    initial_backoff_ms: int = 100
    backoff_factor: float = 2.0
    max_backoff_ms: int = 60_000
    attempt_timeout_ms: int = 60_000
    total_timeout_ms: int = 0
    retry_on_err: bool = True
    cancellable: bool = True
    upgrade: str = "replay"
    max_memory_bytes: int = DEFAULT_LIMITS.memory_bytes
    max_host_bytes: int = HOST_BYTES
    max_table_elements: int = DEFAULT_LIMITS.table_elements
    max_instances: int = DEFAULT_LIMITS.instances
    max_stack_bytes: int = DEFAULT_LIMITS.stack_bytes
    fuel: int = 0
    max_compute_ms: int = 60_000
    max_output_bytes: int = 1 << 20
    max_history_events: int = 1_000_000
    max_history_bytes: int = 256 << 20
    max_value_bytes: int = 4 << 20
    hot: bool = True
    begin_early: bool = True
    labels: tuple[str, ...] = ()
    max_concurrent: int = 0
    max_pending: int = 0
    when_full: str = REJECT
    env: dict[str, str] = {}
    http: ComponentHttp = ComponentHttp()
    secrets: dict[str, str] = {}
    directories: dict[str, str] = {}

    @classmethod
    def read(cls, text: str | bytes, where: str, *, stored: bool = False) -> ComponentSettings:
        """Decode and check settings; ConfigError naming the key below `where`.

        `stored`: they were accepted once, perhaps by a version with wider bounds; what lies beyond today's is taken as
        the bound, so that an old database still opens.
        """
        try:
            settings = msgspec.json.decode(text, type=cls)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{where}: {error}", key=where) from None
        if stored:
            nearest = {key: min(max(getattr(settings, key), low), high) for key, (low, high) in BOUNDS.items()}
            most = min(settings.http.max_response_bytes, MAX_RESPONSE_BYTES)
            http = msgspec.structs.replace(settings.http, max_response_bytes=most)
            settings = msgspec.structs.replace(settings, **nearest, http=http)
        if settings.kind not in ("", *KINDS):
            raise ConfigError(f"{where}.kind: expected one of {', '.join(KINDS)}", key=f"{where}.kind")
        for key, (low, high) in BOUNDS.items():
            if not low <= getattr(settings, key) <= high:
                raise ConfigError(f"{where}.{key}: must lie in {low}…{high}", key=f"{where}.{key}")
        if settings.upgrade not in UPGRADES:
            raise ConfigError(f"{where}.upgrade: expected one of {', '.join(UPGRADES)}", key=f"{where}.upgrade")
        if settings.when_full not in WHEN_FULL:
            raise ConfigError(f"{where}.when_full: expected one of {', '.join(WHEN_FULL)}", key=f"{where}.when_full")
        for label in settings.labels:
            if not is_label(label):
                raise ConfigError(f'{where}.labels: "{label}" is no label', key=f"{where}.labels")
        if not settings.cancellable and settings.kind in ("activity", "external"):
            raise ConfigError(f"{where}.cancellable: an activity always is", key=f"{where}.cancellable")
        if not 1.0 <= settings.backoff_factor <= 100.0:
            raise ConfigError(f"{where}.backoff_factor: must lie in 1…100", key=f"{where}.backoff_factor")
        access = settings.access(where)
        access.check(stored=stored)
        if settings.kind == "external" and access.first_key is not None:
            raise ConfigError(f"{access.first_key}: a worker has what its process has", key=access.first_key)
        return settings

    def access(self, where: str) -> Access:
        """What a component with these settings, which stand below the key `where`, may reach."""
        return Access(
            where=where,
            environment=self.env,
            http=self.http,
            secrets=self.secrets,
            directories=self.directories,
        )

    @property
    def limits(self) -> Limits:
        """What a guest may use."""
        return Limits(
            memory_bytes=self.max_memory_bytes,
            table_elements=self.max_table_elements,
            instances=self.max_instances,
            stack_bytes=self.max_stack_bytes,
            fuel=self.fuel or None,
        )

    @property
    def retry(self) -> RetryPolicy:
        """The retry policy these settings stand for."""
        return RetryPolicy(
            max_retries=self.max_retries,
            initial_backoff_us=self.initial_backoff_ms * 1000,
            factor=self.backoff_factor,
            max_backoff_us=self.max_backoff_ms * 1000,
        )
