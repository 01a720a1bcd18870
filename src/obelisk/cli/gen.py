"""`obelisk gen`: from WIT to Python types, bindings, clients, validators, OpenAPI, models and extension WIT."""

from __future__ import annotations

from pathlib import Path

import click

from obelisk.cli import console
from obelisk.cli.exit_status import ExitStatus

PARTS = ("types", "bindings", "validators", "openapi", "models", "client", "wit")


@click.command("gen")
@click.argument("paths", metavar="WIT_DIR…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where the tree goes.")
@click.option("--only", metavar="PART,…", default="", help=f"Only these parts of it: {', '.join(PARTS)}.")
@click.option("--check", is_flag=True, help="Write nothing; list what is not as it should be, and fail if anything is.")
@click.option("--features", metavar="NAME,…", default="", help="Gated features to include.")
@click.option("--all-features", is_flag=True, help="Include all gated features.")
@console.json_option
@click.pass_context
def gen(
    context: click.Context,
    paths: tuple[Path, ...],
    out: Path,
    only: str,
    check: bool,
    features: str,
    all_features: bool,
    as_json: bool,
) -> None:
    """Generate code for the packages in WIT_DIR (a .wit file, a package's folder, or a folder of packages).

    The packages themselves are generated whole, those they use as far as they are needed. Clients bring bindings
    along, and these bring types. Exit status: 0 done (with --check: all is as it should be), 1 bad WIT or, with
    --check, stale files.
    """
    selected = _words(only)
    unknown = sorted(selected - set(PARTS))
    if unknown:
        raise click.BadParameter(
            f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", param_hint="--only"
        )
    # Imported here, so that other commands start without the compiler.
    from obelisk.cli import generating

    outcome = generating.run(
        paths, out, only=selected, check=check, features=frozenset(_words(features)), all_features=all_features
    )
    if as_json:
        console.value(outcome.to_json())
    else:
        click.echo(outcome.messages, nl=False, err=True)
        click.echo(outcome.summary(), nl=False)
    context.exit(ExitStatus.OK if outcome.is_good else ExitStatus.INPUT)


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}
