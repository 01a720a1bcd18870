"""The host functions of a workflow: one handler per link, each turning a host call into commands for the machine.

Handlers get the `HostCalls` as context. They keep nothing: whatever a guest can observe comes from the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from obelisk.codegen.model.signatures import UNKNOWN, shape_in
from obelisk.runtime.catalog.linking import (
    Callee,
    DirectCall,
    Extension,
    ExtensionCall,
    JoinSetMethod,
    Link,
    LogCall,
    SupportCall,
)
from obelisk.runtime.catalog.registry import Component
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.log.events import ChildFinished, DelayFinished, Returned
from obelisk.runtime.log.lines import LEVELS
from obelisk.runtime.ports.guest import (
    GuestTrap,
    Handler,
    ImportFunction,
    ImportResource,
    JsonValue,
    Pending,
    bound_of_output,
    bound_of_values,
)
from obelisk.runtime.replay.commands import AllProcessed, Answer, AwaitNext, Call, ScheduleExecution, Submit
from obelisk.runtime.workers import answers, sizes
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.nesting import ask_for_child
from obelisk.runtime.workers.scheduling import ask_to_schedule
from obelisk.runtime.workers.support import JUDGES, SUPPORT_HANDLERS

_encode = msgspec.json.encode
PARAMETERS: Final = "parameters"


def imports_of(links: Sequence[Link]) -> tuple[ImportFunction, ...]:
    """The host functions that answer `links` for a workflow."""
    functions: list[ImportFunction] = []
    for link in links:
        handler, waits = _handler(link)
        functions.append(
            ImportFunction(
                interface=str(link.interface),
                function=link.function,
                handler=handler,
                waits=waits,
                bound=bound_of_output if isinstance(link.target, LogCall) else bound_of_values,
                judge=JUDGES.get(link.target.name) if isinstance(link.target, SupportCall) else None,
            )
        )
    return tuple(functions)


def activity_imports_of(links: Sequence[Link]) -> tuple[ImportFunction, ...]:
    """The host functions that answer `links` for an activity: logs."""
    return tuple(
        ImportFunction(
            interface=str(link.interface),
            function=link.function,
            handler=_log(link.target.level),
            waits=False,
            bound=bound_of_output,
        )
        for link in links
        if isinstance(link.target, LogCall)
    )


def resources_of(component: Component) -> tuple[ImportResource, ...]:
    """The host resources a component may import: join sets. Dropping one closes it when the guest returns."""
    if component.kind is not ComponentKind.WORKFLOW:
        return ()
    names = {
        str(i.name)
        for i in component.description.imports
        if (i.name.package.namespace, i.name.package.name, i.name.name) == ("obelisk", "types", "join-set")
    }
    return tuple(ImportResource(interface=name, name="join-set", dropped=_dropped) for name in sorted(names))


def _dropped(calls: HostCalls, handle: int) -> None:
    calls.handles.drop(handle)


def _handler(link: Link) -> tuple[Handler, bool]:
    """The handler of a link and whether it may make the guest wait."""
    match link.target:
        case DirectCall(function):
            return _direct(function), True
        case ExtensionCall(function, Extension.SUBMIT):
            return _submit(function), False
        case ExtensionCall(function, Extension.AWAIT_NEXT):
            return _await_next(function), True
        case ExtensionCall(function, Extension.GET):
            return _get(function), False
        case ExtensionCall(function, Extension.STUB):
            return _stub(function), True
        case ExtensionCall(function, _):
            return _schedule(function), False
        case SupportCall(name):
            return SUPPORT_HANDLERS[name]
        case JoinSetMethod(name):
            return (_join_set_id if name == "id" else _last_id), False
        case LogCall(level):
            return _log(level), False


def _direct(function: Callee) -> Handler:
    signature, ffqn = function.signature, function.ffqn

    def handler(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
        def convert(answer: Answer) -> JsonValue:
            assert isinstance(answer, ChildFinished)
            return _result(calls, signature, answer)

        return ask_for_child(calls, Call(ffqn, sizes.raw(calls, args, PARAMETERS), signature), convert)

    return handler


def _result(calls: HostCalls, signature: str, response: ChildFinished) -> JsonValue:
    """What a typed call sees; `signature` is the function's as the guest knows it, for records that have none.

    ChildFailed.
    """
    if isinstance(response.outcome, Returned):
        return answers.decode(response.outcome.value)
    shape = shape_in(calls.machine.facts.signature_of(response.child) or signature)
    return answers.result_of(shape, response.outcome, response.child)


def _execution_id(answer: Answer) -> JsonValue:
    assert isinstance(answer, str)
    return {"id": answer}


def _submit(function: Callee) -> Handler:
    def handler(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
        params = sizes.raw(calls, args[1:], PARAMETERS)
        command = Submit(calls.handles.find(args[0]), function.ffqn, params, _signature(calls, function))
        return ask_for_child(calls, command, _execution_id)

    return handler


def _signature(calls: HostCalls, function: Callee) -> str:
    """The signature to record with a new request: as the guest knows it, or that of what is deployed."""
    if function.signature or calls.is_replaying:
        return function.signature
    deployed = calls.context.registry.functions.get(function.ffqn)
    return deployed.signature if deployed is not None else UNKNOWN


def _await_next(function: Callee) -> Handler:
    ffqn = function.ffqn

    def handler(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
        def convert(answer: Answer) -> JsonValue:
            if isinstance(answer, AllProcessed):
                return {"err": "all_processed"}
            if isinstance(answer, DelayFinished):
                return answers.mismatch(ffqn, None, answer)
            assert isinstance(answer, ChildFinished)
            return _typed(calls, function, answer)

        return calls.ask(AwaitNext(calls.handles.find(args[0]), ffqn), convert)

    return handler


def _typed(calls: HostCalls, function: Callee, response: ChildFinished) -> JsonValue:
    """The typed result of a response, or the error that it belongs to another function. ChildFailed."""
    actual = calls.machine.facts.function_of(response.child)
    if actual != function.ffqn:
        return answers.mismatch(function.ffqn, actual, response)
    return {"ok": _result(calls, function.signature, response)}


def _get(function: Callee) -> Handler:
    def handler(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
        response = calls.machine.facts.processed_response(answers.id_of(args[0]))
        if not isinstance(response, ChildFinished):
            return {"err": "not_found_in_processed_responses"}
        try:
            return _typed(calls, function, response)
        except answers.ChildFailed as error:
            raise GuestTrap(error.message) from None

    return handler


def _schedule(function: Callee) -> Handler:
    def handler(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
        new = calls.record("execution-id-generate", {"id": f"E_{calls.context.ulid()}"})
        params = sizes.raw(calls, args[1:], PARAMETERS)
        at_us = answers.due_us(args[0], calls.context.now_us())
        schedule = msgspec.Raw(_encode(args[0]))
        signature = _signature(calls, function)
        command = ScheduleExecution(answers.id_of(new), function.ffqn, params, schedule, at_us, signature)
        ask_to_schedule(calls, command, lambda _: None)
        return new

    return handler


def _join_set_id(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    return calls.handles.find(args[0])


def _last_id(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    return answers.response_id(calls.machine.facts.last_response(calls.handles.find(args[0])))


def _stub(function: Callee) -> Handler:
    def handler(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
        result = sizes.raw(calls, args[1] if len(args) == 2 else None, "a result")
        return calls.supply(answers.id_of(args[0]), function.ffqn, result, answers.stub_answer)

    return handler


def _log(level: str) -> Handler:
    number = LEVELS.index(level)

    def handler(calls: HostCalls | ActivityAttempt, args: list[JsonValue]) -> JsonValue:
        calls.output.message(number, cast("str", args[0]))
        return None

    return handler
