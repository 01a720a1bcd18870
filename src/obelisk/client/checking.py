"""Checks before anything is sent: by the validators that the server uses, so that both refuse the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from obelisk.client.errors import InvalidParams
from obelisk.client.operations import Operation
from obelisk.runtime.values import JsonValue, Problem, as_found

_UNFIT: Final = (AttributeError, KeyError, IndexError, TypeError, ValueError)
"""What converting a value of another type than it should be ends in."""


def params(operation: Operation[Any, Any], values: Sequence[object]) -> dict[str, JsonValue]:
    """The JSON object of a function's parameters. InvalidParams names each place that is not of its WIT type."""
    try:
        given = operation.encode(*values)
    except _UNFIT as error:
        raise _refusal(operation, _unfit(operation, values, error)) from error
    return checked(operation, given)


def checked(operation: Operation[Any, Any], given: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The same parameters. InvalidParams when the function's validator refuses them."""
    problems = _problems(operation, given)
    if problems:
        raise _refusal(operation, problems)
    return given


def result(operation: Operation[Any, Any], value: object) -> JsonValue:
    """The JSON form of a result, as one gives it to a stub. InvalidParams when it is not of the function's type."""
    if operation.encode_result is None or operation.checks is None:
        raise TypeError(f"{operation.ffqn}: this client was generated without conversions of results")
    _, check = operation.checks(operation.ffqn)
    try:
        given = operation.encode_result(value)
    except _UNFIT as error:
        problems = check(as_found(value))[1] or (_other(str(error), value),)
        raise _refusal(operation, problems, "result") from error
    problems = check(given)[1]
    if problems:
        raise _refusal(operation, problems, "result")
    return given


def _problems(operation: Operation[Any, Any], given: object) -> tuple[Problem, ...]:
    if operation.checks is None:
        return ()
    check, _ = operation.checks(operation.ffqn)
    return check(given)[1]


def _unfit(operation: Operation[Any, Any], values: Sequence[object], error: Exception) -> tuple[Problem, ...]:
    """Why values have no JSON form: the problems that the checks find in their nearest JSON."""
    named = dict(zip(operation.params, values, strict=True))
    # A dict of texts may be a map with other keys, whose form is a list of pairs: what fits better is meant.
    forms = [{name: as_found(v, pairs=pairs) for name, v in named.items()} for pairs in (False, True)]
    fewest = min((_problems(operation, form) for form in forms), key=len)
    return fewest or (_other(str(error), list(values)),)


def _other(error: str, value: object) -> Problem:
    return Problem(
        pointer="", expected="a value of its WIT type", detail=f"found a Python {type(value).__name__}: {error}"
    )


def _refusal(operation: Operation[Any, Any], problems: Sequence[Problem], what: str = "parameters") -> InvalidParams:
    errors = [_shown(problem) for problem in problems]
    message = f"the {what} of {operation.ffqn} do not typecheck; nothing was sent: {'; '.join(map(str, problems))}"
    return InvalidParams("params_invalid", message, errors=errors)


def _shown(problem: Problem) -> Mapping[str, str]:
    return {"pointer": problem.pointer, "expected": problem.expected, "detail": problem.detail}
