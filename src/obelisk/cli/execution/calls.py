"""``obelisk execution run``, ``submit``, ``result``: call functions, and print how executions ended."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from obelisk.cli import completing, console, progress, tags
from obelisk.cli.connection.choosing import server_options
from obelisk.cli.connection.client import Answer, Client, checked, execution_path, problem_error
from obelisk.cli.errors import CommandError
from obelisk.cli.execution import params
from obelisk.cli.exit_status import ExitStatus, of_code

_POLL_S: Final = 20
_SLACK_S: Final = 10


@click.command()
@click.argument("function", shell_complete=completing.functions)
@click.argument("parameters", nargs=-1)
@click.option("--wait", "wait_s", type=click.IntRange(min=0), help="Wait at most so many seconds. Default: to the end.")
@click.option("--key", help="Idempotency key: the same key is the same execution.")
@tags.option("A tag of the new execution, KEY=VALUE. May be repeated.")
@server_options
@console.json_option
def run(
    client: Client,
    function: str,
    parameters: tuple[str, ...],
    wait_s: int | None,
    key: str | None,
    given_tags: tuple[str, ...],
    as_json: bool,
) -> int:
    """Call FUNCTION (ns:pkg/ifc@version.fn) with PARAMETERS and print what it returns.

    PARAMETERS are one JSON object or array, or @FILE with it, or - for stdin, or NAME=VALUE for each.

    \b
    obelisk execution run demo:fibo/workflow.fiboa n=10 iterations=500 --tag order=7
    obelisk execution run demo:fibo/workflow.fiboa '{"n": 10, "iterations": 500}'
    """
    execution_id = _submitted(client, function, parameters, key, given_tags)
    if not as_json:
        console.note(f"execution {execution_id}")
    return outcome(awaited(client, execution_id, wait_s), execution_id, as_json)


@click.command()
@click.argument("function", shell_complete=completing.functions)
@click.argument("parameters", nargs=-1)
@click.option("--key", help="Idempotency key: the same key is the same execution.")
@tags.option("A tag of the new execution, KEY=VALUE. May be repeated.")
@server_options
@console.json_option
def submit(
    client: Client,
    function: str,
    parameters: tuple[str, ...],
    key: str | None,
    given_tags: tuple[str, ...],
    as_json: bool,
) -> None:
    """Call FUNCTION with PARAMETERS, as `run`, but print the execution's id instead of waiting.

    \b
    obelisk execution follow $(obelisk execution submit demo:fibo/workflow.fiboa n=10 iterations=500)
    """
    execution_id = _submitted(client, function, parameters, key, given_tags)
    if as_json:
        console.value({"execution_id": execution_id})
    else:
        console.say(execution_id)


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--wait", "wait_s", type=click.IntRange(min=0), default=0, help="Wait at most so many seconds.")
@server_options
@console.json_option
def result(client: Client, execution_id: str, wait_s: int, as_json: bool) -> int:
    """Print the result of an execution; the exit status tells how it ended."""
    return outcome(awaited(client, execution_id, wait_s), execution_id, as_json)


# --- parts ----------------------------------------------------------------------------------------------------------
def json_argument(argument: str) -> bytes:
    """JSON as it is, from ``@FILE``, or from stdin for ``-``. CommandError ``file_not_found``."""
    if argument == "-":
        return sys.stdin.buffer.read()
    if not argument.startswith("@"):
        return argument.encode()
    path = Path(argument[1:])
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError("file_not_found", f"{path}: {error.strerror}") from None


def awaited(client: Client, execution_id: str, wait_s: int | None) -> Answer:
    """The result's answer: long polls until it is there, or up to `wait_s` seconds (None: without end)."""
    path = f"{execution_path(execution_id)}/result"
    left = wait_s
    with progress.waiting(f"waiting for {execution_id}"):
        while True:
            step = _POLL_S if left is None else min(left, _POLL_S)
            answer = client.get(path, {"wait": step}, timeout_s=step + _SLACK_S)
            left = None if left is None else left - step
            if answer.status != 202 or (left is not None and left <= 0):
                return answer


def outcome(answer: Answer, execution_id: str, as_json: bool) -> int:
    """Print how an execution ended; the exit status says it too. CommandError of one that failed."""
    code = answer.value["code"] if answer.status >= 400 else ""
    if answer.status < 400 and answer.status != 202:
        console.value({"execution_id": execution_id, "ok": answer.value} if as_json else answer.value)
        return ExitStatus.OK
    if answer.status == 202:
        if as_json:
            console.value({"execution_id": execution_id})
        else:
            console.note(f"still running; look again with `obelisk execution result --wait 60 {execution_id}`")
        return ExitStatus.UNFINISHED
    if code == "returned_err":
        console.value(
            {"execution_id": execution_id, "err": answer.value["error"]} if as_json else answer.value["error"]
        )
        if not as_json:
            console.note("the function returned err")
        return of_code(code)
    hint = f"`obelisk execution events {execution_id}` shows every step" if "kind" in answer.value else ""
    raise problem_error(answer.value, hint=hint)


def _submitted(client: Client, name: str, arguments: Sequence[str], key: str | None, given_tags: Sequence[str]) -> str:
    """The id of the execution that records the call."""
    from obelisk.cli.execution import checking  # the compiler of WIT

    function = _function(client, name)
    body = _body(function, arguments)
    checking.check(client, function, body)
    wanted = {"Prefer": "respond-async", "Idempotency-Key": key, "Obelisk-Tags": tags.text(given_tags)}
    headers = {name: text for name, text in wanted.items() if text}
    submitted = client.post(function["path"], body, headers)
    checked(submitted)
    return submitted.execution_id


def _body(function: Mapping[str, Any], arguments: Sequence[str]) -> bytes:
    """The JSON body of a call."""
    if params.is_json(arguments):
        return arguments[0].encode()
    if len(arguments) == 1 and (arguments[0] == "-" or arguments[0].startswith("@")):
        return json_argument(arguments[0])
    return params.named(arguments, function["params_schema"])


def _function(client: Client, name: str) -> Mapping[str, Any]:
    """A function as the server shows it. CommandError ``function_not_found``, ``function_not_served``."""
    deployed: dict[str, Mapping[str, Any]] = {
        item["ffqn"]: item for item in checked(client.get("/v1/functions"))["items"]
    }
    function = deployed.get(name)
    if function is None:
        near = difflib.get_close_matches(name, deployed, n=3) or list(deployed)[:10]
        hint = f"deployed: {', '.join(near)}" if near else "nothing is deployed; try `obelisk component add PATH`"
        raise CommandError("function_not_found", f"no deployed component exports {name}", hint=hint)
    if function["path"] is None:
        raise CommandError("function_not_served", f"{name} has no endpoint: {function['unsupported']}")
    return function
