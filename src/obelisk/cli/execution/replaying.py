"""``obelisk execution replay``, ``fork``: look at the log of a workflow with a build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from obelisk.cli import completing, console
from obelisk.cli.connection.choosing import server_options
from obelisk.cli.connection.client import Client, execution_path
from obelisk.cli.execution.steering import refusal
from obelisk.cli.exit_status import ExitStatus


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--build", help="A digest, or the name of a deployed component. Default: the build that is deployed.")
@server_options
@console.json_option
def replay(client: Client, execution_id: str, build: str | None, as_json: bool) -> int:
    """Verify a workflow's log against a build; nothing is written.

    Exit status 0 when the build asks for what is on record, 11 when it asks for something else: both are shown.
    """
    answer = client.post(f"{execution_path(execution_id)}/replay", b"", {}, query={"build": build}, timeout_s=600)
    if answer.status >= 400:
        raise refusal(answer, execution_id)
    verdict: Mapping[str, Any] = answer.value
    if as_json:
        console.value(verdict)
    elif verdict["ok"]:
        console.say("ok")
        console.note(f"{verdict['digest']} replays the log")
    else:
        console.say("diverged" if verdict["divergence"] else "failed")
        console.note(f"{verdict['digest']}: {verdict['reason']}")
        if verdict["divergence"]:
            console.table(("", "history event"), _divergence(verdict["divergence"]))
    return ExitStatus.OK if verdict["ok"] else ExitStatus.FAILED


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--at", "version", type=click.IntRange(min=1), required=True, help="How many events the new one takes.")
@click.option("--build", help="A digest, or a component's name: only if this build, a deployed one, replays them.")
@server_options
@console.json_option
def fork(client: Client, execution_id: str, version: int, build: str | None, as_json: bool) -> None:
    """Begin a new execution with the first events of another, and print its id.

    It goes on from there at once. What its children had answered is taken along; what had not been answered is asked
    for anew. `obelisk execution events` shows the versions.
    """
    wanted = {"version": version, "build": build}
    answer = client.post(f"{execution_path(execution_id)}/fork", b"", {}, query=wanted)
    if answer.status >= 400:
        raise refusal(answer, execution_id)
    forked = str(answer.value["execution_id"])
    if as_json:
        console.value(answer.value)
        return
    console.say(forked)
    console.note(f"watch it with `obelisk execution follow {forked}`")


def _divergence(divergence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the log has and what the build asked for; null is an end."""
    expected = console.cell(divergence["expected"]) or "(the log ends here)"
    actual = console.cell(divergence["actual"]) or "(the workflow returned)"
    return [("index", str(divergence["index"])), ("on record", expected), ("asked for", actual)]
