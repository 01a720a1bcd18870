"""``obelisk component``: deploy components from anywhere, show what is deployed, take it out again.

Commands work on the database of a configuration; with ``--url`` (or OBELISK_URL) on a running server.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from obelisk.cli import console
from obelisk.cli.component import settings as component_settings
from obelisk.cli.component.deployments import Deployments, OnDatabase, OnServer, find
from obelisk.cli.connection.choosing import connect
from obelisk.cli.errors import CommandError
from obelisk.cli.exit_status import ExitStatus
from obelisk.cli.progress import ProgressLine
from obelisk.cli.settings import config_option, read_config
from obelisk.gateway.views import components as component_views
from obelisk.runtime.deployment.reading import Source
from obelisk.runtime.errors import ImportRefused, ObeliskError
from obelisk.runtime.wiring.config import check_settings, is_component_name

Command = TypeVar("Command", bound=Callable[..., Any])

component = click.Group("component", help="Deploy components, show and remove them.")


def _place_options(command: Command) -> Command:
    """``--config``, ``--url`` and ``--token`` for a command; it gets `deployments`."""

    @functools.wraps(command)
    def placed(**options: Any) -> Any:
        url, token, config_path = (options.pop(name) for name in ("url", "token", "config_path"))
        if url is None:
            return command(deployments=OnDatabase(read_config(config_path)), **options)
        client = connect(url=url, token=token, direct=False, config_path=config_path)
        return command(deployments=OnServer(client), **options)

    url = click.option(
        "--url",
        envvar="OBELISK_URL",
        show_envvar=True,
        help="Work on this server instead of the database file.",
    )
    token = click.option("--token", envvar="OBELISK_TOKEN", show_envvar=True, help="A token of the server.")
    result: Any = url(token(config_option(placed)))
    chosen: Command = result
    return chosen


@component.command()
@click.argument("references", metavar="REFERENCE…", nargs=-1, required=True)
@click.option("--name", help="The component's name. Default: the file's, without its ending.")
@click.option(
    "--kind", type=click.Choice(["workflow", "activity", "external", "stub"]), help="Default: what its imports make it."
)
@click.option("--external", is_flag=True, help="As --kind external: WIT whose functions workers run.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting, as max_retries=3; repeatable.")
@click.option("--reset", is_flag=True, help="Begin with the default settings instead of those that are deployed.")
@_place_options
@console.json_option
def add(
    references: tuple[str, ...],
    name: str | None,
    kind: str | None,
    external: bool,
    settings: tuple[str, ...],
    reset: bool,
    deployments: Deployments,
    as_json: bool,
) -> None:
    """Deploy the components of REFERENCE, replacing those of the same names.

    \b
    fibo.wasm                         a file, binary or text
    build/  my-project/               a folder: its .wasm files, or what its obelisk.toml deploys
    wit/payments  payments.wit        WIT alone, with --external, or with --kind stub
    https://example.org/fibo.wasm     a file on the web
    oci://registry.example/fibo:1.0   an artifact of a registry
    github:owner/repo@v1#fibo.wasm    an asset of a release

    With @sha256:… after it, only with that digest. All imports must be answered by what is deployed, or deployed
    together with it.

    A component that is deployed keeps its settings, but for those of --set and --kind; --reset begins with the
    defaults. A project's obelisk.toml has all settings of its components. What changes is printed.
    """
    if external and kind not in (None, "external"):
        raise CommandError("config_invalid", f"--external and --kind {kind} exclude each other: give one of them")
    kind = "external" if external else kind
    given = component_settings.given(settings) | ({"kind": kind} if kind else {})
    check_settings(given, where="--set")
    progress = ProgressLine()
    try:
        before = {item.name: item for item in deployments.all()}
        settled = component_settings.Settled(given=given, deployed={} if reset else before)
        sources = _sources(references, name, settled, progress, deployments)
        shown = deployments.add(sources, progress)
    except ObeliskError as error:
        if error.code != ImportRefused.code:
            raise
        hint = "deploy what exports these first, or together with it"
        raise CommandError(error.code, error.message, hint=hint, **error.fields) from None
    finally:
        progress.clear()
    if as_json:
        console.value(shown[0] if len(shown) == 1 else component_views.Components(items=shown))
        return
    for item in shown:
        console.say(f"{item.kind} {item.name} {item.digest}")
        for line in (*component_settings.changes(before.get(item.name), item), *component_settings.others(item)):
            console.say(f"  {line}")
        for ffqn in item.functions:
            console.say(f"  {ffqn}")
        if item.check is not None and item.check.misfits:
            console.note(f"{item.name} {component_settings.summed_up(item.check)}: those will be paused")
    following = "; serve it with `obelisk server run`" if isinstance(deployments, OnDatabase) else ""
    console.note(f"deployed in {deployments.place}{following}")


@component.command()
@click.argument("reference")
@click.option("--name", help="The component that it would replace. Default: the file's, without its ending.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Replay at most so many."
)
@_place_options
@console.json_option
def check(reference: str, name: str | None, limit: int, deployments: Deployments, as_json: bool) -> int:
    """Check which executions in flight the build REFERENCE fits, without deploying it.

    Their histories are replayed with it, the newest first; nothing is written. Exit status 0 when it fits all that were
    replayed, 11 when it does not fit some: they are listed. REFERENCE is as for `obelisk component add`.
    """
    progress = ProgressLine()
    try:
        settled = component_settings.Settled(given={}, deployed={})
        sources = _sources((reference,), name, settled, progress, deployments)
        found = [deployments.check(source, limit, progress) for source in sources]
    finally:
        progress.clear()
    if as_json:
        console.value(found[0] if len(found) == 1 else {"items": found})
    else:
        for one in found:
            for misfit in one.misfits:
                console.say(f"{misfit.execution_id} {misfit.ffqn}: {misfit.reason}")
            console.note(f"{one.digest} {component_settings.summed_up(one)}")
    return ExitStatus.FAILED if any(one.misfits for one in found) else ExitStatus.OK


@component.command(name="list")
@_place_options
@console.json_option
def list_(deployments: Deployments, as_json: bool) -> None:
    """List what is deployed."""
    items = deployments.all()
    if as_json:
        console.value(component_views.Components(items=items))
    elif items:
        rows = [
            (item.name, item.kind, item.digest[:19], component_settings.in_flight(item), " ".join(item.exports))
            for item in items
        ]
        console.table(("name", "kind", "digest", "in flight", "exports"), rows)
        for item in items:
            if item.fault is not None:
                console.note(f"{item.name} cannot be run, and its executions wait: {item.fault}")
    else:
        console.note(f"nothing is deployed in {deployments.place}; try `obelisk component add PATH`")


@component.command()
@click.argument("name")
@_place_options
@console.json_option
def show(name: str, deployments: Deployments, as_json: bool) -> None:
    """Show one component: digest, settings, functions, imports, WIT."""
    found = find(deployments, name)
    if found.fault is not None:
        console.note(f"{name} cannot be run, and its executions wait: {found.fault}")
    wit = deployments.wit(name) if found.exports or found.fault is None else ""
    if as_json:
        console.value({**msgspec.to_builtins(found), "wit": wit})
        return
    console.say(f"{found.kind} {found.name}\n{found.digest}")
    _section("functions", found.functions)
    _section("imports", found.imports)
    _section("settings that are not the default", component_settings.changed(found.settings))
    console.say(f"\n{wit}", nl=False)


@component.command()
@click.argument("name")
@_place_options
def wit(name: str, deployments: Deployments) -> None:
    """Print the WIT of one component."""
    console.say(deployments.wit(name), nl=False)


@component.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also while executions of its functions have not finished.")
@_place_options
@console.json_option
def remove(name: str, force: bool, deployments: Deployments, as_json: bool) -> None:
    """Take a component out of what is deployed.

    Refused while executions of its functions have not finished (with --force they wait for another component that
    exports them), and while other components import what it exports. Its binary stays, for replays.
    """
    removed = deployments.remove(name, force=force)
    if as_json:
        console.value(removed)
        return
    console.say(f"removed {removed.name} {removed.digest}")
    if name in deployments.configured:
        console.note("the configuration file names it: it is deployed again when a server starts")


def _sources(
    references: Sequence[str],
    name: str | None,
    settled: component_settings.Settled,
    progress: ProgressLine,
    deployments: Deployments,
) -> Sequence[Source]:
    """The components of the references, under the names they get. CommandError."""
    # Imported here, so that other commands start without an HTTP client.
    from obelisk.cli.sources import fetching
    from obelisk.cli.sources import references as kinds

    fetched = fetching.fetch([kinds.parse(text) for text in references], progress.say, deployments.held)
    if name is not None and len(fetched) != 1:
        raise CommandError("config_invalid", f"--name is for one component; these are {len(fetched)}")
    sources = [
        Source(name=name or found.name, content=found.content, settings=settled.of(name or found.name, found.settings))
        for found in fetched
    ]
    for source in sources:
        if not is_component_name(source.name):
            raise CommandError(
                "config_invalid", f'"{source.name}" is no name for a component', hint="give one with --name"
            )
    names = [source.name for source in sources]
    twice = sorted({repeated for repeated in names if names.count(repeated) > 1})
    if twice:
        raise CommandError("config_invalid", f"two components would have the name {twice[0]}: add them one by one")
    return sources


def _section(title: str, lines: Sequence[str]) -> None:
    if lines:
        console.say(f"\n{title}")
        for line in lines:
            console.say(f"  {line}")
