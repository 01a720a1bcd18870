"""``obelisk new``: a project that builds and runs at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from obelisk.cli import console
from obelisk.cli.errors import CommandError

_LABEL: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*\Z")
_LANGUAGES: Final = ("python", "js", "c", "rust")


@click.command("new")
@click.argument("name")
@click.option("--lang", "language", type=click.Choice(_LANGUAGES), required=True, help="What it is written in.")
@click.option("--native", is_flag=True, help="The activity is plain Python outside the engine (a worker).")
@click.option("--into", type=click.Path(path_type=Path), help="The project's folder. Default: NAME, here.")
@console.json_option
def new(name: str, language: str, native: bool, into: Path | None, as_json: bool) -> None:
    """Begin a project NAME: an activity and a workflow, their WIT, obelisk.toml, README.

    In Python also the package that the code imports, for editors and type checkers.
    """
    from obelisk.codegen.emit.project import native_project, project

    if native and language != "python":
        hint = "activities in other languages: see docs/workers.md"
        raise CommandError("usage", f"--native makes a worker in Python, not in {language}", hint=hint)
    if _LABEL.match(name) is None:
        raise CommandError("config_invalid", f'"{name}": a name is words in lower case joined by dashes, as my-app')
    folder = into or Path(name)
    if folder.is_dir() and any(folder.iterdir()):
        raise CommandError("config_invalid", f"{folder} is not empty", hint="name another folder with --into")
    files = native_project(name) if native else project(name, language)
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError("config_invalid", f"{error.filename or folder}: {error.strerror}") from None
    if language == "python":
        from obelisk.cli.generating import shell as generating

        generating.run(
            [folder / "wit"], folder / "generated", only={"wit", "guest"}
        )  # what editors look for in the code
    if as_json:
        console.value({"folder": str(folder), "files": sorted(files)})
        return
    for path in sorted(files):
        console.say(f"{folder}/{path}")
    here = "" if folder == Path() else f"cd {folder} && "
    console.note(f"next: {here}obelisk build && obelisk server run")
