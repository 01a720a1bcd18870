"""A gateway over a real `Api` and a `MemoryStore`; its functions are Python, finished through the log as always."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast
from urllib.parse import urlencode

import httpx
import msgspec
import uvloop
from starlette.applications import Starlette

from obelisk.codegen.model.items import Function, Interface, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.signatures import shape_of
from obelisk.codegen.model.types import (
    Case,
    EnumType,
    Field,
    FlagsType,
    Label,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    TypeDef,
    VariantType,
)
from obelisk.gateway.app import create_app
from obelisk.gateway.auth.access import OPEN, Access
from obelisk.gateway.server import Server, bind, url_of
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.catalog.description import Description
from obelisk.runtime.catalog.registry import Component, DeployedFunction, Registry
from obelisk.runtime.catalog.settings import REJECT, ComponentKind, ComponentSettings
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.host.guests import WasmtimeHost
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import (
    Event,
    Failed,
    FailureKind,
    Finished,
    Locked,
    Outcome,
    Response,
    Returned,
)
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.observe.metrics import Family
from obelisk.runtime.ports.completions import Completions, commit
from obelisk.runtime.ports.store import Append, Create, Respond, Write
from obelisk.runtime.store.memory.store import MemoryStore
from obelisk.runtime.usecases.admission import PendingLimit
from obelisk.runtime.usecases.api import Api
from obelisk.runtime.wiring.clock import SystemClock, SystemEntropy
from obelisk.runtime.workers.stubs import Decision

SHOP = InterfaceName.parse("demo:shop/cart@1.2.0")
PLAIN = InterfaceName.parse("demo:plain/tools")
U64 = Primitive.U64
STRING = Primitive.STRING

Answer = TypeVar("Answer")
Behaviour: TypeAlias = Callable[[list[Any]], object]
"""Gets the canonical parameters; gives the canonical result, a `Failed`, or `NEVER`."""
NEVER = object()


def _named(name: str, body: RecordType | VariantType | EnumType | FlagsType, docs: str = "") -> TypeDef:
    return TypeDef(name=name, owner=SHOP, body=body, docs=docs)


SIZE = _named("size", EnumType((Label("small"), Label("very-large"))))
EXTRAS = _named("extras", FlagsType((Label("gift-wrap"), Label("express"))))
ITEM = _named(
    "item",
    RecordType(
        (
            Field("item-name", STRING, docs="What it is."),
            Field("price", Primitive.F64),
            Field("size", SIZE),
            Field("extras", EXTRAS),
            Field("note", OptionType(STRING)),
            Field("tags", MapType(STRING, ListType(Primitive.S16))),
            Field("place", TupleType((Primitive.CHAR, Primitive.BOOL))),
        )
    ),
    "What is reserved.",
)
SHORTAGE = _named("shortage", VariantType((Case("sold-out", None), Case("only-left", Primitive.U32))))


def _function(name: str, result: object = None, **params: object) -> Function:
    declared = tuple(Param(key.replace("_", "-"), cast("Primitive", type_)) for key, type_ in params.items())
    return Function(name=name, params=declared, result=cast("Primitive | None", result), docs=f"Does {name}.")


def _reserve(params: list[Any]) -> object:
    (item,) = params
    if item["item_name"] == "gone":
        return {"err": "sold_out"}
    return {"err": {"only_left": 3}} if item["item_name"] == "few" else {"ok": item}


def _failed(kind: FailureKind) -> Failed:
    return Failed(kind=kind, error_id="Err_1", reason=f"it was {kind.value}", detail="secret backtrace")


FUNCTIONS: Sequence[tuple[Function, Behaviour]] = (
    (_function("add", U64, a=U64, the_other=U64), lambda p: (p[0] + p[1]) % 2**64),
    (_function("reserve", ResultType(ITEM, SHORTAGE), item=ITEM), _reserve),
    (_function("ping"), lambda _: None),
    (
        _function("check", ResultType(None, None), good=Primitive.BOOL),
        lambda p: {"ok": None} if p[0] else {"err": None},
    ),
    (_function("maybe", OptionType(STRING), text=OptionType(STRING)), lambda p: p[0]),
    (_function("nothing-or-text", ResultType(OptionType(STRING), STRING)), lambda _: {"ok": None}),
    (_function("blob", ListType(Primitive.U8), data=ListType(Primitive.U8)), lambda p: p[0]),
    (_function("never", U64), lambda _: NEVER),
    (_function("trap"), lambda _: _failed(FailureKind.TRAPPED)),
    (_function("late"), lambda _: _failed(FailureKind.TIMED_OUT)),
    (_function("flow", STRING, items=StreamType(STRING)), lambda _: NEVER),
)
WITHOUT_FAILURES = ("add", "reserve", "ping", "check", "maybe", "nothing-or-text", "blob")


def component(
    names: Sequence[str] = (),
    *,
    interface: InterfaceName = SHOP,
    name: str = "shop",
    kind: ComponentKind = ComponentKind.ACTIVITY,
    cancellable: bool = True,
    max_value_bytes: int = 4 << 20,
) -> Component:
    """A component with those of `FUNCTIONS`, or all."""
    functions = tuple(function for function, _ in FUNCTIONS if not names or function.name in names)
    exported = Interface(name=interface, functions=functions, docs="A shop.", types=(SIZE, EXTRAS, ITEM, SHORTAGE))
    description = Description(digest="sha256:" + "ab" * 32, exports=(exported,), imports=(), plain_imports=())
    settings = ComponentSettings(cancellable=cancellable, max_value_bytes=max_value_bytes)
    return Component(name=name, kind=kind, settings=settings, description=description)


def returned(value: object, shape: str) -> Returned:
    """The outcome of a function that returned."""
    return Returned(value=msgspec.Raw(msgspec.json.encode(value)), shape=shape)


@dataclass(slots=True, kw_only=True)
class InstantExecutor:
    """Runs every execution as soon as it is durable, and keeps its result for later when `held`."""

    store: MemoryStore
    completions: Completions
    held: list[Callable[[], None]] | None = None
    launched: list[str] = field(default_factory=list[str])
    workers: None = None

    def reserve(self, function: DeployedFunction) -> Locked | None:
        if function.kind is ComponentKind.STUB:
            return None
        digest = function.component.digest
        return Locked(executor="Exr_1", run="Run_1", digest=digest)

    def begin(self, new: Create) -> None:
        return

    def launch(self, new: Create) -> None:
        execution_id, created, state = new.execution_id, new.created, new.state
        self.launched.append(execution_id)
        name = created.ffqn.rpartition(".")[2]
        function, behaviour = next(pair for pair in FUNCTIONS if pair[0].name == name)
        value = behaviour(msgspec.json.decode(created.params))
        if value is NEVER:
            return
        outcome = value if isinstance(value, Failed) else returned(value, shape_of(function.result))

        def finish() -> None:
            self.finish(execution_id, state, outcome)

        if self.held is None:
            finish()
        else:
            self.held.append(finish)

    def finish(self, execution_id: str, state: ExecutionState, outcome: Outcome) -> None:
        event = Finished(outcome=outcome)
        after = fold.apply(state, event)
        append = Append(
            execution_id=execution_id, version=state.version, events=(event,), state=after, at_us=SystemClock().now_us()
        )

        def committed(error: ObeliskError | None) -> None:
            assert error is None
            self.completions.finished(execution_id, outcome)

        self.store.enqueue((append,), committed)

    def withdraw(self, new: Create) -> None:
        return

    def is_running(self, execution_id: str) -> bool:
        return False

    def wake(self) -> None:
        return

    def intervened(self, executions: Sequence[str]) -> None:
        return

    def answered(self, execution_id: str, response: Response) -> None:
        return

    def concluded(self, execution_id: str, outcome: Outcome, respond: Respond | None) -> None:
        self.completions.finished(execution_id, outcome)

    def supplied(self, decision: Decision) -> None:
        assert decision.outcome is not None
        self.completions.finished(decision.execution_id, decision.outcome)

    def gauges(self) -> Sequence[Family]:
        return ()

    async def flush_lines(self) -> None:
        return

    def ended(self, execution_id: str, outcome: Outcome) -> None:
        self.completions.finished(execution_id, outcome)


@dataclass(slots=True, kw_only=True)
class World:
    """An application and what is behind it."""

    app: Starlette
    api: Api
    store: MemoryStore
    executor: InstantExecutor
    deployment: Deployment

    async def append(self, execution_id: str, *events: Event) -> None:
        """Events behind a log, whatever the executor does."""
        state = await self.store.state(execution_id)
        assert state is not None
        version = state.version
        for event in events:
            state = fold.apply(state, event)
        await self.write(Append(execution_id=execution_id, version=version, events=events, state=state, at_us=1))

    async def write(self, write: Write) -> None:
        """One write, committed."""
        await commit(self.store, (write,))

    def client(self) -> Http:
        """An HTTP client that speaks to the application without a network; to be used as a context manager."""
        return Http(self.app)


class Http:
    """A blocking HTTP client over an application, all requests on one event loop that rests between them."""

    def __init__(self, app: Starlette) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(transport=transport, base_url="http://obelisk")

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def run(self, awaitable: Coroutine[object, object, Answer]) -> Answer:
        """Await something on the loop of the requests."""
        return self._runner.run(awaitable)

    def get(self, path: str, **params: str | int) -> httpx.Response:
        """GET with query parameters."""
        return self.request("GET", path + (f"?{urlencode(params)}" if params else ""))

    def post(
        self,
        path: str,
        params: object = None,
        *,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Sequence[tuple[str, str | bytes]] = (),
    ) -> httpx.Response:
        """POST with JSON parameters, or with `content` as it is."""
        if content is None and params is not None:
            content, headers = msgspec.json.encode(params), (("Content-Type", "application/json"), *headers)
        return self.request("POST", path, content=content, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Sequence[tuple[str, str | bytes]] = (),
    ) -> httpx.Response:
        """Any request."""
        raw = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
        return self._runner.run(self._client.request(method, path, content=content, headers=raw))


def world(
    *components: Component,
    max_pending: int = 1000,
    placed: bool = True,
    settings: GatewaySettings | None = None,
    access: Access = OPEN,
) -> World:
    """A world with these components, or with `component()`; needs no event loop. `placed` False: nothing ever runs."""
    store, completions, clock = MemoryStore(), Completions(), SystemClock()
    deployment = Deployment(store=store, host=WasmtimeHost(None), clock=clock, changed=lambda registry, prepared: None)
    deployment.registry = Registry(components or (component(),))
    executor = InstantExecutor(store=store, completions=completions)
    api = Api(
        store=store,
        deployment=deployment,
        clock=clock,
        entropy=SystemEntropy(),
        completions=completions,
        placement=executor if placed else None,
        pending=PendingLimit(most=max_pending, when_full=REJECT),
    )
    app = create_app(api, settings or GatewaySettings(), access)
    return World(app=app, api=api, store=store, executor=executor, deployment=deployment)


new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
"""The loop that applications are served on: asyncio's, or uvloop's, which is that of `obelisk executor serve`."""
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@contextmanager
def served(app: Starlette) -> Generator[str]:
    """The application on a port of its own, in a thread of its own; its URL."""
    bound = bind("127.0.0.1", 0)
    server = Server(app, bound)
    loop = new_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()))
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.started(), loop).result(10)
        yield url_of(bound)
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(120)
        loop.close()
