"""Generated bindings for resources that a component implements: they live in an instance that outlasts its calls."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from obelisk.runtime.binding import Component, GuestFailed, Instance
from obelisk.runtime.errors import ImportRefused, Unsupported
from obelisk.runtime.host.errors import AbiError, Stopped
from obelisk.runtime.host.fiber import live_count
from obelisk.runtime.host.wasmtime.ticker import Ticker
from obelisk.runtime.resources import Handles, Resource
from obelisk.runtime.values import Err, Ok

guests = importlib.import_module("guest_components")
SESSIONS = guests.S


class Tools:
    def double(self, n: int) -> int:
        return 2 * n


class Imports:
    """What the server imports: it is told of every session that ends, and may forbid that."""

    tools = Tools()

    def __init__(self) -> None:
        self.ended_at: list[int] = []
        self.raises: BaseException | None = None

    def ended(self, at: int) -> bool:
        self.ended_at.append(at)
        if self.raises is not None:
            raise self.raises
        return at != 13


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(guests.ROOT), str(guests.ROOT / "tests/golden"), *sys.path])


@pytest.fixture(scope="module")
def server_binary(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return guests.build(guests.SERVER, "server", tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def client_binary(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return guests.build(guests.CLIENT, "client", tmp_path_factory.mktemp("client"))


@pytest.fixture
def bindings() -> Any:
    return importlib.import_module("guests.tree.test_guests.bindings.server")


@pytest.fixture
def imports() -> Imports:
    return Imports()


@pytest.fixture
def handles() -> Iterator[Handles]:
    made, before = Handles(), live_count()
    yield made
    assert made.held == 0
    assert live_count() == before


@pytest.fixture
def component(server_binary: bytes, bindings: Any, imports: Imports, handles: Handles) -> Iterator[Component]:
    with Component(server_binary, imports=bindings.server_handlers(imports), handles=handles) as loaded:
        yield loaded


@pytest.fixture
def instance(component: Component) -> Iterator[Instance]:
    with component.instance() as made:
        yield made


@pytest.fixture
def exports(bindings: Any, instance: Instance, handles: Handles) -> Any:
    return bindings.ServerExports(instance, handles)


def test_a_resource_lives_as_long_as_it_is_held(exports: Any, imports: Imports, handles: Handles) -> None:
    with exports.sessions.session(start=4) as session:
        assert session.next() == 5
        assert session.next() == 6
        assert exports.sessions.live() == 1
        assert imports.ended_at == []
    assert imports.ended_at == [6]
    assert exports.sessions.live() == 0
    assert handles.held == 0


def test_methods_static_functions_and_borrows(exports: Any, imports: Imports) -> None:
    sessions = exports.sessions
    a, b = sessions.session(1), sessions.session(20)
    assert a.is_same(a)
    assert not a.is_same(b)
    assert sessions.total([a, b, a]) == 22
    assert a.absorb(b) == 21
    assert imports.ended_at == [20]
    merged = sessions.session__merge(a, sessions.session(300))
    assert merged.next() == 322
    assert sorted(imports.ended_at) == [20, 21, 300]
    assert sessions.live() == 1


def test_resources_inside_of_other_values(exports: Any, imports: Imports) -> None:
    types = importlib.import_module("guests.tree.test_guests.types.sessions")
    first, second, third = exports.sessions.open([1, 2, 3])
    moved = exports.sessions.move(types.Seat(number=7, session=second))
    assert (moved.number, moved.session.next()) == (8, 3)
    back: Ok[Any] = exports.sessions.maybe(third)
    assert back.value.next() == 4
    assert exports.sessions.maybe(None) == Err("")
    assert exports.sessions.live() == 3
    assert first.next() == 2


def test_a_resource_in_the_functions_of_another_interface(exports: Any, imports: Imports) -> None:
    seat = exports.users.seat_of(30)
    assert seat.session.next() == 31
    assert exports.users.finish(seat.session) == 31
    assert imports.ended_at == [31]


def test_plain_functions_and_inline_interfaces(exports: Any, bindings: Any, component: Component) -> None:
    assert exports.twice(21) == 42
    assert exports.extra.quadruple(5) == 20
    assert bindings.ServerExports(component, component.handles).twice(4) == 8


def test_what_is_gone_cannot_be_used(exports: Any) -> None:
    session, other = exports.sessions.session(1), exports.sessions.session(2)
    session.absorb(other)
    for use in (other.next, lambda: session.absorb(other), lambda: exports.sessions.total([session, other])):
        with pytest.raises(Stopped, match="dropped or given away") as gone:
            use()
        assert gone.value.code == "host_stopped"
    with session:
        pass
    session.__exit__()
    with pytest.raises(Stopped, match="dropped or given away"):
        session.next()
    assert exports.sessions.live() == 0


def test_giving_one_away_twice_is_refused_and_leaves_the_instance_usable(exports: Any) -> None:
    session = exports.sessions.session(1)
    with pytest.raises(AbiError, match="given away twice"):
        exports.sessions.session__merge(session, session)
    assert exports.sessions.session(8).next() == 9


def test_a_resource_of_pythons_or_of_another_instance_is_refused(
    exports: Any, bindings: Any, component: Component, handles: Handles
) -> None:
    class Mine(Resource):
        def next(self) -> int:
            return 1

    with pytest.raises(AbiError, match="expected a session that the component made"):
        exports.users.finish(Mine())
    with component.instance() as second:
        foreign = bindings.ServerExports(second, handles).sessions.session(1)
        with pytest.raises(AbiError, match="lives in another instance"):
            exports.sessions.total([foreign])
        assert foreign.next() == 2
    with pytest.raises(Stopped):
        foreign.next()
    foreign.__exit__()


def test_without_an_instance_such_functions_are_refused(component: Component, bindings: Any) -> None:
    exports = bindings.ServerExports(component, component.handles)
    assert exports.sessions.live() == 0
    calls: list[Callable[[], Any]] = [lambda: exports.sessions.session(1), lambda: exports.users.seat_of(1)]
    for call in calls:
        with pytest.raises(Unsupported, match=r"use Component\.instance\(\)") as refused:
            call()
        assert refused.value.code == "unsupported"


def test_an_instance_keeps_its_memory_and_calls_do_not(component: Component, instance: Instance) -> None:
    instance.call(SESSIONS, "[constructor]session", [1])
    assert instance.call(SESSIONS, "live", []) == 0  # nobody took the first one
    with component.handles.call():
        instance.call(SESSIONS, "[constructor]session", [1])
        assert instance.call(SESSIONS, "live", []) == 1
        assert component.call(SESSIONS, "live", []) == 0


def test_a_trap_ends_the_instance(exports: Any, component: Component, bindings: Any) -> None:
    unlucky, other = exports.sessions.session(13), exports.sessions.session(1)
    with pytest.raises(GuestFailed) as failed, unlucky:
        pass
    assert failed.value.fields["reason"] == "trapped"
    with pytest.raises(Stopped, match="ended in a trap"):
        other.next()
    other.__exit__()
    with component.instance() as fresh:
        assert bindings.ServerExports(fresh, component.handles).sessions.session(1).next() == 2


def test_what_an_implementation_raises_comes_out(exports: Any, imports: Imports) -> None:
    imports.raises = ZeroDivisionError("not now")
    session = exports.sessions.session(1)
    with pytest.raises(ZeroDivisionError, match="not now"):
        exports.users.finish(session)
    with pytest.raises(Stopped, match="ended in a trap"):
        exports.sessions.live()


def test_an_instance_cannot_be_entered_twice(exports: Any, imports: Imports, instance: Instance) -> None:
    seen: list[str] = []
    kept = exports.sessions.session(5)

    class Again(Imports):
        def ended(self, at: int) -> bool:
            with pytest.raises(Stopped, match="cannot be entered twice"):
                exports.sessions.live()
            kept.__exit__()  # waits for the end of the call
            seen.append("again")
            return True

    imports.ended = Again().ended  # type: ignore[method-assign]
    with exports.sessions.session(1):
        pass
    assert seen == ["again", "again"]
    assert exports.sessions.live() == 0


def test_threads_take_turns(exports: Any) -> None:
    session, results = exports.sessions.session(0), list[int]()

    def count() -> None:
        results.extend(session.next() for _ in range(50))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(1, 201))


@pytest.fixture
def _interrupts() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """A process that a shell started in the background ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interrupts")
def test_an_interrupt_ends_a_guest_that_spins(exports: Any) -> None:
    timer = threading.Timer(0.05, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        exports.users.spin()
    timer.join()


@pytest.mark.usefixtures("_interrupts")
def test_an_interrupt_before_the_first_tick_ends_it_too(exports: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a loaded machine the first tick may come late."""
    enter = Ticker.enter

    def late(ticker: Ticker, token: int) -> None:
        interrupt = threading.Timer(0.01, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        interrupt.start()

        def after_it() -> None:
            interrupt.join()
            enter(ticker, token)

        threading.Thread(target=after_it).start()

    monkeypatch.setattr(Ticker, "enter", late)
    with pytest.raises(KeyboardInterrupt):
        exports.users.spin()


def test_closing_ends_what_is_still_held(component: Component, bindings: Any, imports: Imports) -> None:
    made = component.instance()
    session = bindings.ServerExports(made, component.handles).sessions.session(1)
    component.close()
    with pytest.raises(Stopped):
        session.next()
    made.close()
    assert imports.ended_at == []


def test_resources_of_one_component_serve_another(
    exports: Any, imports: Imports, client_binary: bytes, handles: Handles
) -> None:
    """The generated caller of an interface is an implementation of it."""
    client = importlib.import_module("guests.tree.test_guests.bindings.client")

    class Served:
        sessions = exports.sessions

    theirs = Handles()
    served = client.client_handlers(Served(), theirs)
    with Component(client_binary, imports=served, handles=theirs) as user:
        assert client.ClientExports(user).run(7) == 109
        assert sorted(imports.ended_at) == [7, 100, 109]
        with user.instance() as lasting:
            assert client.ClientExports(lasting).keep(1) == 2
            assert exports.sessions.live() == 1
            assert theirs.held == 1
        assert exports.sessions.live() == 0
        assert theirs.held == 0


def test_a_python_guest_with_wasi_stays_in_memory() -> None:
    """The interpreter in it starts once; every later call finds it running."""

    class Log:
        def __getattr__(self, level: str) -> Callable[[str], None]:
            return lambda line: None

    bindings = importlib.import_module("generated.obelisk_log.bindings.log")
    served = {("obelisk:log/log@1.0.0", name): handler for name, handler in bindings.log_handlers(Log()).items()}
    caller = importlib.import_module("generated.demo_trip.bindings.activities").ActivitiesCaller
    guest = guests.ROOT / ".cache/examples/trip/activities.wasm"
    cache = guests.ROOT / ".cache/compiled"
    with Component.load(guest, imports=served, cache=cache) as component, component.instance() as instance:
        activities = caller(instance)
        results = [activities.cancel_car(f"CAR-{n}") for n in range(3)]
    unknown = importlib.import_module("generated.demo_trip.types.types").BookingError_UnknownConfirmation
    assert results == [Err(unknown(f"CAR-{n}")) for n in range(3)]


def test_an_import_that_nobody_serves_is_named(server_binary: bytes, bindings: Any, imports: Imports) -> None:
    served = bindings.server_handlers(imports)
    for missing in (("", "ended"), ("tools", "double")):
        with pytest.raises(ImportRefused) as refused:
            Component(server_binary, imports={key: handler for key, handler in served.items() if key != missing})
        assert refused.value.fields["imports"] == [missing[0] or missing[1]]
