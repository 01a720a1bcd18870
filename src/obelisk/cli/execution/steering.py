"""``obelisk execution cancel``, ``pause``, ``unpause``, ``retry``, ``stub``, ``upgrade``: steer executions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

from obelisk.cli import completing, console
from obelisk.cli.connection.choosing import server_options
from obelisk.cli.connection.client import Answer, Client, execution_path, problem_error
from obelisk.cli.errors import CommandError
from obelisk.cli.execution.calls import json_argument

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
    "retry": {
        "done": "the next attempt is made now",
        "already": "no attempt is awaited: it runs, waits for others, or is due",
        "cancelling": "it is being cancelled; nothing was changed",
        "finished": "it had finished before; nothing was changed",
    },
    "upgrade": {
        "done": "it goes on with the build that is deployed",
        "already": "its log was made with the build that is deployed; nothing was changed",
        "cancelling": "it is being cancelled; nothing was changed",
        "finished": "it had finished before; `obelisk execution fork` begins another one with its log",
    },
    "stub": {"done": "it has its result", "already": "it had this result before"},
}
_HINTS: Final[Mapping[str, str]] = {
    "not_cancellable": "its component has `cancellable = false`; `obelisk execution pause {id}` stops it",
    "not_a_stub": 'only functions of a component with `kind = "stub"` get their results so',
    "result_conflict": "`obelisk execution result {id}` shows how it ended",
    "not_replayable": "only logs of deployed workflows are replayed, with builds that `obelisk component add` brought",
    "incompatible": "`obelisk execution replay {id}` shows where they part",
    "fork_invalid": "`obelisk execution events {id}` shows the versions",
}


def _steering(verb: str, text: str) -> click.Command:
    """The command `verb`, which takes an execution and nothing else, and whose help is `text`."""

    @click.command(name=verb, help=text)
    @click.argument("execution_id", shell_complete=completing.executions)
    @server_options
    @console.json_option
    def command(client: Client, execution_id: str, as_json: bool) -> None:
        _steer(verb, execution_id, client.post(f"{execution_path(execution_id)}/{verb}", b"", {}), as_json)

    return command


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@server_options
@console.json_option
def cancel(client: Client, execution_id: str, as_json: bool) -> None:
    """Cancel an execution with all its children, or a delay (Delay_…)."""
    what = "cancel a delay" if execution_id.startswith("Delay_") else "cancel"
    _steer(what, execution_id, client.post(f"{execution_path(execution_id)}/cancel", b"", {}), as_json)


pause = _steering("pause", "Stop an execution until it is unpaused; its children go on.")
unpause = _steering("unpause", "Let a paused execution go on.")
retry = _steering("retry", "Make the next attempt now, instead of at its instant.")


@click.command(context_settings={"ignore_unknown_options": True})  # a negative number is no option
@click.argument("execution_id", shell_complete=completing.executions)
@click.argument("result")
@server_options
@console.json_option
def stub(client: Client, execution_id: str, result: str, as_json: bool) -> None:
    """Give the RESULT of a stub, a function without code.

    RESULT is JSON of the function's result type, or @FILE with it, or - for stdin.

    \b
    obelisk execution stub E_… '{"ok": 55}'
    """
    answer = client.put(f"{execution_path(execution_id)}/stub", json_argument(result))
    _steer("stub", execution_id, answer, as_json)


upgrade = _steering(
    "upgrade",
    "Let a workflow go on with the build that is deployed, if that replays its log; a paused one goes on, too.",
)


def refusal(answer: Answer, execution_id: str) -> CommandError:
    """The error of a refused intervention, with what to try next."""
    hint = _HINTS.get(str(answer.value.get("code")), "")
    return problem_error(answer.value, hint=hint.format(id=execution_id))


def _steer(what: str, execution_id: str, answer: Answer, as_json: bool) -> None:
    """Print what an intervention did; CommandError of what was refused."""
    if answer.status >= 400:
        raise refusal(answer, execution_id)
    if as_json:
        console.value(answer.value)
        return
    effect = str(answer.value["effect"])
    console.say(effect)
    said = _EFFECTS[what].get(effect, "")
    if said:
        console.note(said.format(id=execution_id))
