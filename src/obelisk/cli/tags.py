"""``--tag KEY=VALUE`` of commands that give tags or look for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def option(text: str) -> Callable[[Command], Command]:
    """The option, any number of times, with that help; a command gets `given_tags`."""
    return click.option("--tag", "given_tags", multiple=True, metavar="KEY=VALUE", callback=_checked, help=text)


def text(given: Sequence[str]) -> str | None:
    """Tags as a header or a query parameter has them, or None without any."""
    return ",".join(given) or None


def _checked(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Each is one tag: a comma would make two of it."""
    from obelisk.runtime import tags  # here, so that help stays quick

    for tag in given:
        if len(tags.parse(tag) or ()) != 1:
            raise click.BadParameter(f'expected {tags.ONE}; found "{tag}"')
    if len(given) > tags.MOST:
        raise click.BadParameter(f"expected at most {tags.MOST} of them")
    return given
