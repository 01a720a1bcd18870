"""Finding and reading the configuration file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from obelisk.cli.errors import CommandError

if TYPE_CHECKING:
    from obelisk.runtime.wiring.config import Config

DEFAULT_NAME: Final = "obelisk.toml"
Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """``--config`` for a command; it gets `config_path`."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        help=f"The configuration file. Default: {DEFAULT_NAME} here, if there is one.",
    )(command)


def read_config(path: Path | None) -> Config:
    """The configuration of a file, of ``obelisk.toml`` here, or the defaults. ConfigError; file_not_found."""
    from obelisk.runtime.wiring.config import (
        parse,  # brings the registry along, which the help of a command does not need
    )

    chosen = path or Path(DEFAULT_NAME)
    try:
        text = chosen.read_text(encoding="utf-8")
    except FileNotFoundError:
        if chosen.is_symlink():  # a file that was meant to be there: the defaults would be another server
            message = f"{chosen}: it is a link to {chosen.readlink()}, and there is no such file"
            raise CommandError("file_not_found", message) from None
        if path is None:
            return parse("", file=chosen)
        raise CommandError("file_not_found", f"{path}: there is no such file") from None
    except OSError as error:
        raise CommandError("config_invalid", f"{chosen}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CommandError("config_invalid", f"{chosen}: not UTF-8: byte {error.start}") from None
    return parse(text, file=chosen)
