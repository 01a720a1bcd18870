"""``obelisk build``: components from the sources of a project."""

from __future__ import annotations

import os
from pathlib import Path

import click

from obelisk.cli import console
from obelisk.cli.errors import CommandError
from obelisk.cli.progress import ProgressLine
from obelisk.cli.settings import DEFAULT_NAME, read_config


@click.command("build")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--only", "names", metavar="NAME", multiple=True, help="Only this component; repeatable.")
@click.option("--force", is_flag=True, help="Also what is up to date.")
@console.json_option
def build(folder: Path, names: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Build the components of the project in FOLDER.

    The [build.…] tables of its obelisk.toml say what is made from what. Extension WIT is generated along the way, and
    for a [worker.…] that is a Python module the classes that it implements. Tools are fetched when they are first
    needed and kept in the user's cache (or in OBELISK_TOOLS).
    """
    # Imported here, so that `obelisk --help` starts without the compiler.
    from obelisk.cli.building import project, worker_classes

    if not (folder / DEFAULT_NAME).is_file():
        hint = "`obelisk new NAME` makes a project"
        raise CommandError("file_not_found", f"{folder} has no {DEFAULT_NAME}: it is no project", hint=hint)
    config = read_config(folder / DEFAULT_NAME)
    progress = ProgressLine()
    shown: list[dict[str, object]] = []
    try:
        classes = worker_classes.write(config)
        if classes is not None and not as_json:
            out = os.path.relpath(config.folder / worker_classes.OUT)
            console.say(f"{'generated' if classes.any_needed else 'up to date'} {out} (classes of workers)")
        of_workers_alone = classes is not None and not config.builds and not names
        for built in () if of_workers_alone else project.build(config, names, force=force, say=progress.say):
            progress.clear()
            path = os.path.relpath(built.path)
            shown.append({"name": built.name, "path": path, "bytes": built.size, "built": built.is_new})
            if not as_json:
                console.say(f"{'built' if built.is_new else 'up to date'} {path} ({built.size / 1e6:.1f} MB)")
    except OSError as error:
        raise CommandError("build_failed", f"{error.filename or folder}: {error.strerror}") from None
    finally:
        progress.clear()
    if as_json:
        console.value({"items": shown})
