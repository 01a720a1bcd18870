"""Feature gates: what `@since`, `@unstable` and `@deprecated` say, and whether an item is in (WIT.md "Feature Gates").

An item gated by `@unstable` is in when its feature is selected; one gated by `@since` always is, but its version must
not be past the package's. Diagnostics: ``duplicate-attribute``, ``conflicting-gates``, ``unreleased-gate``,
``unversioned-gate``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.model.types import UNGATED, Stability
from obelisk.codegen.source import Span
from obelisk.codegen.syntax import ast
from obelisk.codegen.syntax.semver import version_key

Gate = TypeVar("Gate", ast.Since, ast.Unstable, ast.Deprecated, ast.ExternalId)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Which `@unstable` features are selected."""

    names: frozenset[str] = frozenset()
    all_of_them: bool = False

    def selects(self, stability: Stability) -> bool:
        """Whether an item of this stability is in."""
        return not stability.feature or self.all_of_them or stability.feature in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Reads and judges the gates of one package's items."""

    package: PackageName
    features: Features
    collector: Collector

    def includes(self, stability: Stability, span: Span) -> bool:
        """Whether the item at `span` is in; a `@since` that the package's version does not cover is reported."""
        if stability.since:
            self._check_since(stability.since, span)
        return self.features.selects(stability)

    def _check_since(self, since: str, span: Span) -> None:
        package = self.package
        if not package.version:
            message = f"`@since` needs a package with a version, and `{package}` has none"
            self.collector.error("unversioned-gate", span, message, hint=f"declare `package {package}@{since}`")
        elif version_key(since) > version_key(package.version):
            message = f"`@since(version = {since})` is past the version of the package, `{package}`"
            self.collector.error("unreleased-gate", span, message)

    def read(self, attributes: tuple[ast.Attribute, ...]) -> Stability:
        """The stability that `attributes` give an item; contradictions are reported."""
        if not attributes:
            return UNGATED
        since = self._single(attributes, ast.Since)
        unstable = self._single(attributes, ast.Unstable)
        deprecated = self._single(attributes, ast.Deprecated)
        if since and unstable:
            message = "an item has either `@since` or `@unstable`, not both"
            self.collector.error("conflicting-gates", since.span, message)
            since = None
        if deprecated and not since and not unstable:
            message = "`@deprecated` also needs a `@since` or an `@unstable`"
            self.collector.error("conflicting-gates", deprecated.span, message)
            return UNGATED
        return Stability(
            since=since.version if since else "",
            feature=unstable.feature if unstable else "",
            deprecated=deprecated.version if deprecated else "",
        )

    def external_id(self, attributes: tuple[ast.Attribute, ...]) -> str:
        """The text of `@external-id`, or ``""``."""
        found = self._single(attributes, ast.ExternalId) if attributes else None
        return found.text if found else ""

    def _single(self, attributes: tuple[ast.Attribute, ...], kind: type[Gate]) -> Gate | None:
        first: Gate | None = None
        for attribute in attributes:
            if not isinstance(attribute, kind):
                continue
            if first is not None:
                word = attribute.span.text
                self.collector.error("duplicate-attribute", attribute.span, f"`@{word}` is given twice")
            first = first or attribute
        return first
