"""Which gateway a command speaks to, and with which token: options, environment, configuration file, in this order.

| | option | environment | configuration |
|---|---|---|---|
| server | ``--url`` | ``OBELISK_URL`` | ``[client] url``, else where ``[server] listen`` says that it listens |
| token | ``--token`` | ``OBELISK_TOKEN`` | ``[client] token`` |

With ``--direct`` no server is asked: see `direct`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from obelisk.cli.settings import DEFAULT_NAME, config_option, read_config

if TYPE_CHECKING:
    from obelisk.cli.connection.client import Client

DEFAULT_URL: Final = "http://127.0.0.1:8080"
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
Command = TypeVar("Command", bound=Callable[..., Any])


def server_options(command: Command) -> Command:
    """``--url``, ``--token``, ``--direct`` and ``--config`` for a command; it gets `client`, which is closed for it."""

    @functools.wraps(command)
    def connected(**options: Any) -> Any:
        client = connect(
            url=options.pop("url"),
            token=options.pop("token"),
            direct=options.pop("direct"),
            config_path=options.pop("config_path"),
        )
        click.get_current_context().call_on_close(client.close)
        return command(client=client, **options)

    chosen: Any = connected
    for option in reversed(
        (
            click.option("--url", envvar="OBELISK_URL", show_envvar=True, help=f"The server. Default: {DEFAULT_URL}."),
            click.option("--token", envvar="OBELISK_TOKEN", show_envvar=True, help="A token of the server."),
            click.option("--direct", is_flag=True, help="Open the configured database instead of asking a server."),
            config_option,
        )
    ):
        chosen = option(chosen)
    result: Command = chosen
    return result


def connect(*, url: str | None, token: str | None, direct: bool, config_path: Path | None) -> Client:
    """The gateway that was chosen. CommandError, ConfigError; with `direct` StoreError."""
    from obelisk.cli.connection.client import Client, HttpTransport

    if direct:
        from obelisk.cli.connection.direct import Direct

        if url is not None and _was_given("url"):
            raise click.UsageError("--direct asks no server: leave --url out")
        return Client(Direct(read_config(config_path)))
    where = "--url"
    if url is None:
        url, where, configured = _configured(config_path)
        token = token or configured
    return Client(HttpTransport(url, token=token, where=where))


def _was_given(option: str) -> bool:
    """Whether an option stands on the command line; the environment does not count."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source(option) if context is not None else None
    return source is click.core.ParameterSource.COMMANDLINE


def _configured(config_path: Path | None) -> tuple[str, str, str | None]:
    """URL, who says so, and token, of the configuration file or the defaults."""
    if config_path is None and not os.path.lexists(DEFAULT_NAME):
        return DEFAULT_URL, "--url", None
    config = read_config(config_path)
    if config.client.url is not None:
        return config.client.url, "client.url", config.client.token
    host = _LOOPBACK.get(config.host, config.host)
    netloc = f"[{host}]" if ":" in host else host
    return f"http://{netloc}:{config.port}", "server.listen", config.client.token
