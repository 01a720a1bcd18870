"""`obelisk gen`: from WIT to Python types, bindings, clients, validators, OpenAPI, extension WIT; more if asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from obelisk.cli import console
from obelisk.cli.exit_status import ExitStatus
from obelisk.cli.progress import ProgressLine

PARTS = (
    "types",
    "bindings",
    "forms",
    "validators",
    "openapi",
    "models",
    "client",
    "worker",
    "wit",
    "typescript",
    "guest",
)


@click.command("gen")
@click.argument("paths", metavar="[WIT_DIR…]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--wit", "folders", metavar="WIT_DIR", multiple=True, type=click.Path(path_type=Path), help="One more.")
@click.option(
    "--component",
    "components",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A component (binary or text) to take the WIT from.",
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where the tree goes.")
@click.option(
    "--only",
    metavar="PART,…",
    default="",
    help=f"Only these parts of it: {', '.join(PARTS)}. Without it all but models, worker, typescript and guest.",
)
@click.option(
    "--package",
    metavar="NAME",
    default="",
    help="Also make the tree a distribution of that name, to build and to publish.",
)
@click.option("--check", is_flag=True, help="Write nothing; list what is not as it should be, and fail if anything is.")
@click.option("--watch", is_flag=True, help="Go on: generate again whenever an input file changes.")
@click.option("--features", metavar="NAME,…", default="", help="Gated features to include.")
@click.option("--all-features", is_flag=True, help="Include all gated features.")
@console.json_option
@click.pass_context
def gen(context: click.Context, /, **options: Any) -> None:
    """Generate code for the packages in WIT_DIR (a .wit file, a package's folder, or a folder of packages).

    The packages themselves are generated whole, those they use as far as they are needed; of a component the packages
    it exports. Clients and workers bring bindings along, and these bring types. Made only if they are named: models
    (Pydantic; they need the extra `models`), worker (classes to implement functions outside the engine), typescript
    (types and clients in TypeScript, and what these share in the folder `obelisk`) and guest (what components in Python
    import, in the folder `guest`). Exit status: 0 done (with --check:
    all is as it should be), 1 bad WIT or, with --check, stale files.
    """
    wanted = _wanted(options)
    if not options["watch"]:
        context.exit(ExitStatus.OK if _generate(wanted, as_json=options["as_json"]) else ExitStatus.INPUT)
    from obelisk.cli.generating import watching

    for _ in watching.changes(wanted.paths):
        _generate(wanted, as_json=options["as_json"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The options, checked."""

    paths: tuple[Path, ...]
    out: Path
    only: frozenset[str]
    check: bool
    features: frozenset[str]
    all_features: bool
    package: str


def _wanted(options: Mapping[str, Any]) -> _Wanted:
    selected = _words(options["only"])
    unknown = sorted(selected - set(PARTS))
    if unknown:
        raise click.BadParameter(
            f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", param_hint="--only"
        )
    paths = (*options["paths"], *options["folders"], *options["components"])
    if not paths:
        raise click.UsageError("name a WIT_DIR, or a component with --component")
    if options["watch"] and options["check"]:
        raise click.UsageError("--watch writes, --check does not: give one of them")
    return _Wanted(
        paths=paths,
        out=options["out"],
        only=selected,
        check=options["check"],
        features=_words(options["features"]),
        all_features=options["all_features"],
        package=options["package"],
    )


def _generate(wanted: _Wanted, *, as_json: bool) -> bool:
    """Generate once and tell what happened; whether all is well."""
    # Imported here, so that other commands start without the compiler.
    from obelisk.cli.generating import shell as generating

    progress = ProgressLine()
    try:
        outcome = generating.run(
            wanted.paths,
            wanted.out,
            only=wanted.only,
            check=wanted.check,
            features=wanted.features,
            all_features=wanted.all_features,
            package=wanted.package,
            say=progress.say,
        )
    finally:
        progress.clear()
    if as_json:
        console.value(outcome.to_json())
    else:
        console.say(outcome.messages, nl=False, err=True)
        console.say(outcome.summary(), nl=False)
    return outcome.is_good


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
