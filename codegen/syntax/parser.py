"""Parses a WIT file into its syntax tree, going on after errors (WIT.md "Top-level items" to "Item: `use`").

`parse` never raises and takes time linear in the text. A fault ends the item it is in; the body around it is marked
`broken`, so that the resolver does not report names as missing that only the fault hides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeVar

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.model.items import FunctionKind
from obelisk.codegen.model.names import PackageName, is_label
from obelisk.codegen.source import SourceFile, Span
from obelisk.codegen.syntax import ast, lexer, tokens
from obelisk.codegen.syntax.cursor import SyntaxFault
from obelisk.codegen.syntax.type_parser import TYPE_KEYWORDS, TypeParser

MAX_PACKAGE_DEPTH: Final = 100

Item = TypeVar("Item")


def parse(file: SourceFile, collector: Collector) -> ast.File:
    """The syntax tree of `file`; faults go to `collector`."""
    return _Parser(lexer.tokenize(file, collector), collector).file_tree()


class _Parser(TypeParser):
    """The whole parser."""

    def file_tree(self) -> ast.File:
        """Everything up to the end of the file."""
        header = self._file_header()
        items: list[ast.TopLevelItem] = []
        while self.kind != tokens.EOF and not self.collector.is_full:
            start = self.pos
            try:
                items.append(self._top_level_item(0))
            except SyntaxFault:
                self.broken = True
                self._skip_top_level(start)
        return ast.File(source=self.file, header=header, items=tuple(items), broken=self.broken)

    def _skip_top_level(self, start: int) -> None:
        self.skip_item(start)
        self.skip_braces()

    # --- packages -----------------------------------------------------------------------------------------------------
    def _file_header(self) -> ast.PackageHeader | None:
        """``package ns:name;`` at the start; a nested package there is an item, not the header."""
        start = self.pos
        if self.kind != "package":
            return None
        try:
            header = self._package_name()
            if self.kind_at(0) != "{":
                self.expect(";")
                return header
        except SyntaxFault:
            self.broken = True
            self.skip_item(start)
            return None
        self.pos = start
        return None

    def _package_name(self) -> ast.PackageHeader:
        docs, comments = self.docs(), self.stream.comments.get(self.pos)
        docs_span = Span(self.file, comments[0][0], comments[-1][1]) if comments else None
        self.expect("package")
        namespace = self._package_label()
        self.expect(":")
        name = self._package_label()
        span = namespace.span.to(name.span)
        version = ""
        if self.eat("@"):
            version, version_span = self.version()
            span = span.to(version_span)
        package = PackageName(namespace.text, name.text, version)
        return ast.PackageHeader(name=package, span=span, docs=docs, docs_span=docs_span)

    def _package_label(self) -> ast.Name:
        """A part of a package's name, which is in lower case: components cannot carry another (``invalid-name``)."""
        name = self.name()
        if is_label(name.text) and name.text != name.text.lower():
            hint = f"write `{name.text.lower()}`"
            self.collector.error("invalid-name", name.span, f"`{name.text}` is not in lower case", hint=hint)
        return name

    def _nested_package(self, attributes: tuple[ast.Attribute, ...], depth: int) -> ast.NestedPackage:
        span = self.span()
        if attributes:
            self.collector.error("misplaced-attribute", span, "a nested package cannot have attributes")
        if depth >= MAX_PACKAGE_DEPTH:
            self.advance()
            raise self.fault("nesting-too-deep", span, "packages are nested too deep here")
        header = self._package_name()
        self.expect("{")
        items, broken = self._body(lambda: self._top_level_item(depth + 1), nested=True)
        return ast.NestedPackage(header=header, items=items, broken=broken)

    def _body(self, item: Callable[[], Item], *, nested: bool = False) -> tuple[tuple[Item, ...], bool]:
        """The items up to the closing brace, and whether any had a fault."""
        outer, self.broken = self.broken, False
        items: list[Item] = []
        while not self.eat("}"):
            if self.kind == tokens.EOF or (self.at_top_level() and not nested):
                self.broken = True
                self.collector.error(
                    "unexpected-token", self.span(), f"expected `}}`, found {tokens.describe(self.kind)}"
                )
                break
            start = self.pos
            try:
                items.append(item())
            except SyntaxFault:
                self.broken = True
                self.skip_item(start)
        broken, self.broken = self.broken, outer or self.broken
        return tuple(items), broken

    def _top_level_item(self, depth: int) -> ast.TopLevelItem:
        docs = self.docs()
        attributes = self.attributes()
        match self.kind:
            case "interface":
                self.advance()
                return self._interface(self.name(), docs, attributes)
            case "world":
                return self._world(docs, attributes)
            case "use":
                return self._top_level_use(attributes)
            case "package":
                return self._nested_package(attributes, depth)
            case _:
                raise self.unexpected("`world`, `interface`, `use` or `package`")

    def _top_level_use(self, attributes: tuple[ast.Attribute, ...]) -> ast.TopLevelUse:
        span = self.span()
        self.advance()
        if attributes:
            self.collector.error("misplaced-attribute", span, "a top-level `use` cannot have attributes")
        path = self._use_path()
        alias = self.name() if self.eat("as") else None
        self.expect(";")
        return ast.TopLevelUse(path=path, alias=alias, attributes=attributes)

    def _use_path(self) -> ast.UsePath:
        first = self.name()
        if not self.eat(":"):
            return ast.UsePath(None, first)
        package = self.name()
        self.expect("/")
        name = self.name()
        version = self.version()[0] if self.eat("@") else ""
        span = first.span.to(package.span)
        return ast.UsePath(ast.PackageRef(PackageName(first.text, package.text, version), span), name)

    # --- interfaces ---------------------------------------------------------------------------------------------------
    def _interface(self, name: ast.Name, docs: str, attributes: tuple[ast.Attribute, ...]) -> ast.Interface:
        """The body of an interface; one without its brace is faulty, its name still known."""
        start = self.pos
        if not self.eat("{"):
            self.unexpected("`{`")
            self.skip_item(start)
            return ast.Interface(name=name, docs=docs, attributes=attributes, broken=True)
        items, broken = self._body(self._interface_item)
        return ast.Interface(name=name, items=items, docs=docs, attributes=attributes, broken=broken)

    def _interface_item(self) -> ast.InterfaceItem:
        docs = self.docs()
        attributes = self.attributes()
        kind = self.kind
        if kind in TYPE_KEYWORDS:
            return self.type_declaration(docs, attributes)
        if kind in (tokens.ID, tokens.EXPLICIT_ID):
            name = self.name()
            start = self.pos
            if self.eat(":"):
                return self.function(name, FunctionKind.FREE, docs, attributes)
            self.unexpected("`:`")
            self.skip_item(start)
            return ast.Function(name=name, faulty=True)
        if kind == "use":
            return self._use(attributes)
        hint = f"write `%{kind}` to use a keyword as a name" if self.kind_at(1) == ":" else ""
        raise self.unexpected("a type declaration, a function or `use`", hint)

    def _use(self, attributes: tuple[ast.Attribute, ...]) -> ast.Use:
        self.advance()
        path = self._use_path()
        self.expect(".")
        self.expect("{")
        names = self.listed("}", self._used_name)
        self.expect(";")
        return ast.Use(path=path, names=names, attributes=attributes)

    def _used_name(self) -> ast.Renamed:
        name = self.name()
        return ast.Renamed(name, self.name() if self.eat("as") else None)

    # --- worlds -------------------------------------------------------------------------------------------------------
    def _world(self, docs: str, attributes: tuple[ast.Attribute, ...]) -> ast.World:
        self.advance()
        name = self.name()
        start = self.pos
        if not self.eat("{"):
            self.unexpected("`{`")
            self.skip_item(start)
            return ast.World(name=name, docs=docs, attributes=attributes, broken=True)
        items, broken = self._body(self._world_item)
        return ast.World(name=name, items=items, docs=docs, attributes=attributes, broken=broken)

    def _world_item(self) -> ast.WorldItem:
        docs = self.docs()
        attributes = self.attributes()
        match self.kind:
            case "import":
                return self._extern("import", docs, attributes)
            case "export":
                return self._extern("export", docs, attributes)
            case "use":
                return self._use(attributes)
            case "include":
                return self._include(attributes)
            case kind if kind in TYPE_KEYWORDS:
                return self.type_declaration(docs, attributes)
            case _:
                raise self.unexpected("`import`, `export`, `include`, `use` or a type declaration")

    def _extern(
        self, direction: Literal["import", "export"], docs: str, attributes: tuple[ast.Attribute, ...]
    ) -> ast.Extern:
        self.advance()
        item: ast.Interface | ast.Function | ast.ExternPath
        label: ast.Name | None = None
        # `a:b/c` is a path; `a: …` labels a function, an inline interface or a path.
        if self.kind_at(1) == ":" and self.kind_at(3) != "/":
            label = self.name()
            self.advance()
            if self.kind in ("func", "async"):
                return ast.Extern(direction=direction, item=self.function(label, FunctionKind.FREE, docs, attributes))
            if self.eat("interface"):
                return ast.Extern(direction=direction, item=self._interface(label, docs, attributes))
        item = ast.ExternPath(path=self._use_path(), label=label, docs=docs, attributes=attributes)
        self.expect(";")
        return ast.Extern(direction=direction, item=item)

    def _include(self, attributes: tuple[ast.Attribute, ...]) -> ast.Include:
        self.advance()
        path = self._use_path()
        renames: tuple[ast.Renamed, ...] = ()
        if self.eat("with"):
            self.expect("{")
            renames = self.listed("}", self._include_name)
            self.eat(";")
        else:
            self.expect(";")
        return ast.Include(path=path, renames=renames, attributes=attributes)

    def _include_name(self) -> ast.Renamed:
        name = self.name()
        self.expect("as")
        return ast.Renamed(name, self.name())
