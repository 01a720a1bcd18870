"""Functions that are deployed without code: their results come from outside."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from obelisk.codegen.model.items import Function, Interface, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.signatures import signature
from obelisk.codegen.model.types import Primitive, ResultType
from obelisk.runtime.catalog.description import Description
from obelisk.runtime.catalog.linking import Extension, ExtensionCall, link
from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.catalog.settings import ComponentKind, ComponentSettings
from obelisk.runtime.errors import ExecutionNotFound, ImportRefused, NotAStub, ResultConflict, ResultInvalid
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import Create
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.usecases.effects import Effect
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime
from obelisk.runtime.workers.stubs import decide

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
WIT = "package demo:approval; interface approval { approve: func(amount: u32) -> result<string, string>; }"
APPROVE = "demo:approval/approval.approve"
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[OpenRuntime, None]:
    """A runtime with a stub from a WIT package in binary form, and an activity."""
    (folder / "approval.wit").write_text(WIT)
    tool, binary = Path(sys.executable).parent / "wasm-tools", folder / "approval.wasm"
    subprocess.run([tool, "component", "wit", "--wasm", folder / "approval.wit", "-o", binary], check=True)
    text = (
        f'[component.approval]\npath = "{binary}"\nkind = "stub"\n[component.activity]\npath = "{FIBO}/activity.wat"\n'
    )
    async with open_runtime(configuration.parse(text, file=folder / "obelisk.toml"), execute=True) as runtime:
        yield runtime


def test_a_result_from_outside_ends_the_execution_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            api = runtime.api
            execution_id = (await api.submit(Submission(ffqn=APPROVE, params={"amount": 5}))).execution_id
            assert await api.wait(execution_id, 0.3) is None
            with pytest.raises(ResultInvalid) as refused:
                await api.stub(execution_id, {"ok": 5})
            assert len(refused.value.problems) == 1
            assert (await api.stub(execution_id, {"ok": "yes"})).effect is Effect.DONE
            outcome = await api.wait(execution_id, 5)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":"yes"}'
            assert (await api.stub(execution_id, {"ok": "yes"})).effect is Effect.ALREADY
            with pytest.raises(ResultConflict):
                await api.stub(execution_id, {"err": "no"})
            kinds = [type(e.event) for e in await api.events(execution_id)]
            assert kinds == [log.Created, log.Finished]

    run(work())


def test_a_paused_stub_takes_its_result_and_a_cancelled_one_does_not(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            api = runtime.api
            paused, cancelled = [
                (await api.submit(Submission(ffqn=APPROVE, params={"amount": n}))).execution_id for n in (1, 2)
            ]
            await api.pause(paused)
            assert (await api.stub(paused, {"err": "no"})).effect is Effect.DONE
            await api.cancel(cancelled)
            with pytest.raises(ResultConflict):
                await api.stub(cancelled, {"ok": "yes"})

    run(work())


def test_only_stubs_take_results(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 5}))
            with pytest.raises(NotAStub):
                await runtime.api.stub(submitted.execution_id, {"ok": 5})
            with pytest.raises(ExecutionNotFound):
                await runtime.api.stub(f"E_01J{0:023}", {"ok": "yes"})

    run(work())


def component(
    name: str, kind: ComponentKind, exports: tuple[Interface, ...], imports: tuple[Interface, ...]
) -> Component:
    description = Description(digest=f"sha256:{name}", exports=exports, imports=imports, plain_imports=())
    return Component(name=name, kind=kind, settings=ComponentSettings(), description=description)


@pytest.mark.parametrize("kind", [ComponentKind.STUB, ComponentKind.ACTIVITY])
def test_workflows_set_the_results_of_stubs_alone(kind: ComponentKind) -> None:
    result = ResultType(Primitive.STRING, Primitive.STRING)
    approve = Function(name="approve", params=(Param("amount", Primitive.U32),), result=result)
    exported = Interface(name=InterfaceName.parse("demo:approval/approval"), functions=(approve,))
    stub = Function(name="approve-stub", params=(Param("execution-id", Primitive.STRING), Param("result", result)))
    imported = Interface(name=InterfaceName.parse("demo:approval-obelisk-stub/approval"), functions=(stub,))
    workflow = component("flow", ComponentKind.WORKFLOW, (), (imported,))
    registry = Registry((workflow, component("approval", kind, (exported,), ())))
    if kind is ComponentKind.STUB:
        (found,) = link(workflow, registry)
        assert found.target == ExtensionCall(registry.function(APPROVE), Extension.STUB)
    else:
        with pytest.raises(ImportRefused, match="has code for it"):
            link(workflow, registry)


def test_a_result_of_another_type_than_the_parent_asked_for_is_refused(tmp_path: Path) -> None:
    """The stub was asked for as one that gives a string; by now its function gives `result<string, string>`."""

    async def work() -> None:
        async with opened(tmp_path) as runtime:
            parent = f"E_01J{0:023}"
            child = f"{parent}.g:1_1"
            assert runtime.executor is not None
            store = runtime.executor.store
            for name, created in (
                (parent, log.Created(ffqn="a:b/c.flow", params=msgspec.Raw(b"[]"), scheduled_at_us=0)),
                (
                    child,
                    log.Created(
                        ffqn=APPROVE,
                        params=msgspec.Raw(b"[5]"),
                        scheduled_at_us=0,
                        parent=parent,
                        signature=signature([Primitive.U32], Primitive.STRING),
                    ),
                ),
            ):
                state = fold.start(created)
                create = Create(execution_id=name, created=created, locked=None, state=state, at_us=1)
                await commit(store, (create,))
            with pytest.raises(ResultInvalid, match="another type than the parent asked for"):
                await runtime.api.stub(child, {"ok": "yes"})
            decision = await decide(store, runtime.api.registry, child, "", {"ok": "yes"}, 1)
            assert (decision.error, decision.writes) == ("type_check_error", ())

    run(work())
