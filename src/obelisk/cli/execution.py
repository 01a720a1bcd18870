"""``obelisk execution``: call functions of a running server, look at executions, and steer them."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from obelisk.cli import console, params
from obelisk.cli.client import Answer, Client, checked, execution_path, problem_error, url_option
from obelisk.cli.errors import CommandError
from obelisk.cli.exit_status import ExitStatus, of_code

_POLL_S: Final = 20
_SLACK_S: Final = 10
_EFFECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "cancel": {
        "done": "cancelled; `obelisk execution result --wait 60 {id}` waits until its children have ended, too",
        "already": "it was cancelled before",
        "finished": "it had finished before; nothing was changed",
    },
    "cancel a delay": {
        "done": "cancelled; the workflow that awaits it gets err",
        "already": "it was cancelled before",
        "finished": "it was over before; nothing was changed",
    },
    "pause": {
        "done": "paused; `obelisk execution unpause {id}` lets it go on",
        "already": "it was paused before",
        "cancelling": "it is being cancelled; nothing was changed",
        "finished": "it had finished before; nothing was changed",
    },
    "unpause": {
        "done": "it goes on",
        "already": "it was not paused",
        "cancelling": "it is being cancelled; nothing was changed",
        "finished": "it had finished before; nothing was changed",
    },
    "stub": {"done": "it has its result", "already": "it had this result before"},
}
_HINTS: Final[Mapping[str, str]] = {
    "execution_not_found": "`obelisk execution list` shows which there are",
    "not_cancellable": "its component has `cancellable = false`; `obelisk execution pause {id}` stops it",
    "not_a_stub": 'only functions of a component with `kind = "stub"` get their results so',
    "result_conflict": "`obelisk execution result {id}` shows how it ended",
}


execution = click.Group("execution", help="Call functions and look at what came of it.")


@execution.command()
@click.argument("function")
@click.argument("parameters", nargs=-1)
@click.option("--wait", "wait_s", type=click.IntRange(min=0), help="Wait at most so many seconds. Default: to the end.")
@click.option("--no-wait", is_flag=True, help="Do not wait: print the execution's id.")
@click.option("--key", help="Idempotency key: the same key is the same execution.")
@url_option
@console.json_option
def run(
    function: str,
    parameters: tuple[str, ...],
    wait_s: int | None,
    no_wait: bool,
    key: str | None,
    url: str,
    as_json: bool,
) -> int:
    """Call FUNCTION (ns:pkg/ifc@version.fn) with PARAMETERS.

    PARAMETERS are one JSON object or array, or @FILE with it, or - for stdin, or NAME=VALUE for each.

    \b
    obelisk execution run demo:fibo/workflow.fiboa n=10 iterations=500
    obelisk execution run demo:fibo/workflow.fiboa '{"n": 10, "iterations": 500}'
    """
    client = Client(url)
    body = _body(client, function, parameters)
    interface, _, name = function.rpartition(".")
    headers = {"Prefer": "respond-async"} | ({"Idempotency-Key": key} if key else {})
    submitted = client.post(f"/v1/functions/{interface}/{name}", body, headers)
    if submitted.status == 404:
        _schema(client, function)
    checked(submitted)
    execution_id = submitted.execution_id
    if not as_json:
        console.note(f"execution {execution_id}")
    if no_wait:
        if as_json:
            console.value({"execution_id": execution_id})
        else:
            click.echo(execution_id)
        return ExitStatus.OK
    return _outcome(_follow(client, execution_id, wait_s), execution_id, as_json)


@execution.command()
@click.argument("execution_id")
@click.option("--wait", "wait_s", type=click.IntRange(min=0), default=0, help="Wait at most so many seconds.")
@url_option
@console.json_option
def result(execution_id: str, wait_s: int, url: str, as_json: bool) -> int:
    """Print the result of an execution."""
    return _outcome(_follow(Client(url), execution_id, wait_s), execution_id, as_json)


@execution.command()
@click.argument("execution_id")
@url_option
@console.json_option
def get(execution_id: str, url: str, as_json: bool) -> None:
    """Show one execution."""
    shown = checked(Client(url).get(execution_path(execution_id)))
    if as_json:
        console.value(shown)
    else:
        console.table(("field", "value"), [(name, _cell(item)) for name, item in shown.items() if item is not None])


@execution.command(name="list")
@click.option("--function", help="Only functions whose name starts so.")
@click.option("--status", help="Only this status, as finished or locked.")
@click.option("--parent", help="Only children of this execution.")
@click.option("--top-level", is_flag=True, help="Only executions that are nobody's child.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")
@click.option("--cursor", help="Where the previous page ended.")
@url_option
@console.json_option
def list_(
    function: str | None,
    status: str | None,
    parent: str | None,
    top_level: bool,
    limit: int,
    cursor: str | None,
    url: str,
    as_json: bool,
) -> None:
    """List executions, newest first."""
    query = {"function": function, "status": status, "parent": parent, "limit": limit, "cursor": cursor}
    page = checked(Client(url).get("/v1/executions", query | ({"top_level": "true"} if top_level else {})))
    if as_json:
        console.value(page)
        return
    columns = ("execution_id", "ffqn", "status", "result_kind", "created_at")
    console.table(columns, [[_cell(item[column]) for column in columns] for item in page["items"]])
    if page["next_cursor"]:
        console.note(f"more: --cursor {page['next_cursor']}")


@execution.command()
@click.argument("execution_id")
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first version wanted.")
@url_option
@console.json_option
def events(execution_id: str, start: int, url: str, as_json: bool) -> None:
    """Print an execution's log, every step of it."""
    _entries(Client(url), f"{execution_path(execution_id)}/events", start, ("version", "event"), as_json)


@execution.command()
@click.argument("execution_id")
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first number wanted.")
@url_option
@console.json_option
def responses(execution_id: str, start: int, url: str, as_json: bool) -> None:
    """Print the responses of an execution's children and delays."""
    _entries(Client(url), f"{execution_path(execution_id)}/responses", start, ("number", "response"), as_json)


@execution.command()
@click.argument("execution_id")
@url_option
@console.json_option
def cancel(execution_id: str, url: str, as_json: bool) -> None:
    """Cancel an execution with all its children, or a delay (Delay_…)."""
    what = "cancel a delay" if execution_id.startswith("Delay_") else "cancel"
    _steer(what, execution_id, Client(url).post(f"{execution_path(execution_id)}/cancel", b"", {}), as_json)


@execution.command()
@click.argument("execution_id")
@url_option
@console.json_option
def pause(execution_id: str, url: str, as_json: bool) -> None:
    """Stop an execution until it is unpaused; its children go on."""
    _steer("pause", execution_id, Client(url).post(f"{execution_path(execution_id)}/pause", b"", {}), as_json)


@execution.command()
@click.argument("execution_id")
@url_option
@console.json_option
def unpause(execution_id: str, url: str, as_json: bool) -> None:
    """Let a paused execution go on."""
    _steer("unpause", execution_id, Client(url).post(f"{execution_path(execution_id)}/unpause", b"", {}), as_json)


@execution.command(context_settings={"ignore_unknown_options": True})  # a negative number is no option
@click.argument("execution_id")
@click.argument("result")
@url_option
@console.json_option
def stub(execution_id: str, result: str, url: str, as_json: bool) -> None:
    """Give the RESULT of a stub, a function without code.

    RESULT is JSON of the function's result type, or @FILE with it, or - for stdin.

    \b
    obelisk execution stub E_… '{"ok": 55}'
    """
    _steer("stub", execution_id, Client(url).put(f"{execution_path(execution_id)}/stub", _json(result)), as_json)


# --- parts ----------------------------------------------------------------------------------------------------------
def _body(client: Client, function: str, arguments: Sequence[str]) -> bytes:
    """The JSON body of a call."""
    if params.is_json(arguments):
        return arguments[0].encode()
    if len(arguments) == 1 and (arguments[0] == "-" or arguments[0].startswith("@")):
        return _json(arguments[0])
    if not arguments:
        return b"{}"
    return params.named(arguments, _schema(client, function))


def _json(argument: str) -> bytes:
    """JSON as it is, from ``@FILE``, or from stdin for ``-``."""
    if argument == "-":
        return sys.stdin.buffer.read()
    if not argument.startswith("@"):
        return argument.encode()
    path = Path(argument[1:])
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError("file_not_found", f"{path}: {error.strerror}") from None


def _steer(what: str, execution_id: str, answer: Answer, as_json: bool) -> None:
    """Print what an intervention did; CommandError of what was refused."""
    if answer.status >= 400:
        hint = _HINTS.get(str(answer.value.get("code")), "")
        raise problem_error(answer.value, hint=hint.format(id=execution_id))
    if as_json:
        console.value(answer.value)
        return
    effect = str(answer.value["effect"])
    click.echo(effect)
    said = _EFFECTS[what].get(effect, "")
    if said:
        console.note(said.format(id=execution_id))


def _schema(client: Client, function: str) -> Mapping[str, Any]:
    """The schema of a deployed function's parameters."""
    deployed = {item["ffqn"]: item for item in checked(client.get("/v1/functions"))["items"]}
    if function not in deployed:
        near = difflib.get_close_matches(function, deployed, n=3) or list(deployed)[:10]
        hint = f"deployed: {', '.join(near)}" if near else "nothing is deployed; try `obelisk component add PATH`"
        raise CommandError("function_not_found", f"no deployed component exports {function}", hint=hint)
    schema: Mapping[str, Any] | None = deployed[function]["params_schema"]
    if schema is None:
        raise CommandError("function_not_served", f"{function} has no endpoint: {deployed[function]['unsupported']}")
    return schema


def _follow(client: Client, execution_id: str, wait_s: int | None) -> Answer:
    """The result's answer: long polls until it is there, or up to `wait_s` seconds."""
    path = f"{execution_path(execution_id)}/result"
    left = wait_s
    while True:
        step = _POLL_S if left is None else min(left, _POLL_S)
        answer = client.get(path, {"wait": step}, timeout_s=step + _SLACK_S)
        left = None if left is None else left - step
        if answer.status != 202 or (left is not None and left <= 0):
            return answer


def _outcome(answer: Answer, execution_id: str, as_json: bool) -> int:
    """Print how an execution ended; the exit status says it too."""
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


def _entries(client: Client, path: str, start: int, columns: tuple[str, str], as_json: bool) -> None:
    """Print a list that comes in slices, to its end."""
    number, record = columns
    items: list[Any] = []
    following: int | None = start
    while following is not None:
        page = checked(client.get(path, {"from": following, "limit": 1000}))
        items += page["items"]
        following = page["next"]
    if as_json:
        console.value(items)
        return
    rows = [(str(item[number]), item["at"], item[record]["type"], _details(item[record])) for item in items]
    console.table((number, "at", record, "details"), rows)


def _details(record: Mapping[str, Any]) -> str:
    """The members of an event in one line, without those that say nothing."""
    shown = {name: item for name, item in record.items() if name != "type" and item not in (None, "")}
    return "  ".join(f"{name}={_cell(item)}" for name, item in shown.items())


def _cell(item: object) -> str:
    if item is None:
        return ""
    return item if isinstance(item, str) else msgspec.json.encode(item).decode()
