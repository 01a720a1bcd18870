"""The shell of `obelisk gen`: reads WIT, runs the compiler, compares and writes the tree, tells what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from obelisk.cli import at_hand
from obelisk.cli.generating import tree as generated_tree
from obelisk.cli.generating.tree import Changes
from obelisk.cli.wit import read_binary
from obelisk.codegen import extensions
from obelisk.codegen.binary.decoder import ROOT
from obelisk.codegen.diagnostics import Diagnostic, render, to_json
from obelisk.codegen.emit.endpoints import LeftOut
from obelisk.codegen.emit.models import ModelsFailed
from obelisk.codegen.emit.package import USUAL_PARTS, Part, completed, part_of
from obelisk.codegen.emit.publishing import distribution, is_distribution_name
from obelisk.codegen.model.items import Resolution, WorldInterface
from obelisk.codegen.pipeline import generate
from obelisk.codegen.resolve.load import load

_BOUND: Final = ("resource-function", "resource-handle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did. `changes` None: nothing was generated, `failure` or the diagnostics say why."""

    out: Path
    check: bool
    diagnostics: tuple[Diagnostic, ...]
    changes: Changes | None = None
    left_out: tuple[LeftOut, ...] = ()
    failure: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the exit status is 0."""
        return self.changes is not None and not (self.check and self.changes.any_needed)

    @property
    def messages(self) -> str:
        """Diagnostics, functions left out and the failure, for people."""
        reasons: dict[str, list[str]] = {}
        for left in self.left_out:
            what = "of HTTP" if left.code in _BOUND else "of HTTP and bindings"
            reasons.setdefault(f"left out {what}: {left.reason}", []).append(f"  {left.ffqn}\n")
        lines = [f"note: {why}\n{''.join(names)}" for why, names in reasons.items()]
        failure = f"error: {self.failure}\n" if self.failure else ""
        return render(self.diagnostics) + "".join(lines) + failure

    def summary(self) -> str:
        """What changed, or with --check is to be changed."""
        changes = self.changes
        if changes is None:
            return ""
        words = ("missing", "stale", "extra") if self.check else ("added", "updated", "removed")
        groups = (changes.missing, changes.stale, changes.extra)
        lines = [f"{word:8} {path}\n" for word, paths in zip(words, groups, strict=True) for path in paths]
        counts = [f"{len(paths)} {word}" for word, paths in zip(words, groups, strict=True) if paths]
        fresh = "up to date" if self.check else "unchanged"
        return "".join(lines) + f"{self.out}: {', '.join([*counts, f'{len(changes.fresh)} {fresh}'])}\n"

    def to_json(self) -> dict[str, object]:
        """The outcome for programs."""
        changes = self.changes or Changes(missing=(), stale=(), extra=(), fresh=())
        return {
            "ok": self.is_good,
            "out": str(self.out),
            "check": self.check,
            "diagnostics": [to_json(diagnostic) for diagnostic in self.diagnostics],
            "failure": self.failure,
            "missing": list(changes.missing),
            "stale": list(changes.stale),
            "extra": list(changes.extra),
            "fresh": len(changes.fresh),
            "left_out": [{"function": left.ffqn, "code": left.code, "reason": left.reason} for left in self.left_out],
        }


def run(
    paths: Sequence[Path],
    out: Path,
    *,
    only: Set[str] = frozenset(),
    check: bool = False,
    features: frozenset[str] = frozenset(),
    all_features: bool = False,
    package: str = "",
    say: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Generate `only` these parts (none: all but models) from the WIT in `paths` into `out`; with `check` compare only.

    `package` is the name of a distribution to make of the tree, with ``pyproject.toml``, ``README.md``, ``py.typed``.
    A path may be a component: then the packages of what it exports are generated whole, as far as it tells. `say` is
    told what is going on.
    """
    if package and not is_distribution_name(package):
        failure = (
            f"--package {package}: expected letters, digits, `.`, `-` and `_`, with a letter or digit at both ends"
        )
        return Outcome(out=out, check=check, diagnostics=(), failure=failure)
    say("reading WIT")
    loaded = load(paths, features=features, all_features=all_features, read_binary=read_binary)
    if loaded.resolution is None:
        return Outcome(out=out, check=check, diagnostics=loaded.diagnostics)
    parts = completed({Part(name) for name in only}) if only else USUAL_PARTS
    resolution = _with_exports(loaded.resolution)
    try:
        generated = generate(
            resolution,
            at_hand.engine_types(),
            parts,
            lambda name: say(f"generating {name}"),
            at_hand.offered() if Part.GUEST in parts else (),
        )
    except ModelsFailed as error:
        return Outcome(out=out, check=check, diagnostics=loaded.diagnostics, failure=str(error))
    say("comparing files")
    files = {**generated.files, **_distribution(package, generated.files, resolution)}
    try:
        changes = generated_tree.compare(out, files, lambda path: part_of(path) in parts)
        if not check:
            generated_tree.apply(out, files, changes)
    except OSError as error:
        failure = f"{error.filename or out}: {error.strerror or error}"
        return Outcome(out=out, check=check, diagnostics=loaded.diagnostics, failure=failure)
    return Outcome(out=out, check=check, diagnostics=loaded.diagnostics, changes=changes, left_out=generated.left_out)


def _distribution(name: str, files: Mapping[str, str], resolution: Resolution) -> dict[str, str]:
    """What makes the files a distribution of that name; nothing without one."""
    if not name:
        return {}
    packages = [(f"{main.namespace}:{main.name}", main.version) for main in resolution.main]
    stamp = f"{generated_tree.STAMP}{', '.join(package for package, _ in packages)}. Do not edit."
    return distribution(files, name, packages, stamp)


def _with_exports(resolution: Resolution) -> Resolution:
    """The packages that a component's own world exports count as the input's own."""
    world = resolution.world(ROOT)
    if world is None:
        return resolution
    exported = {item.interface.name.package for item in world.exports if isinstance(item, WorldInterface)}
    more = {name for name in exported - set(resolution.main) if extensions.is_extended(name)}
    return replace(resolution, main=(*resolution.main, *sorted(more)))
