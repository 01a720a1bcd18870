"""Parses type expressions and the statements that declare types (WIT.md "Items: type", "Types", "Handles")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from obelisk.codegen.model.items import FunctionKind
from obelisk.codegen.model.types import Primitive
from obelisk.codegen.source import Span
from obelisk.codegen.syntax import ast, tokens
from obelisk.codegen.syntax.cursor import Cursor, SyntaxFault

MAX_TYPE_DEPTH: Final = 100
MAX_LIST_LENGTH: Final = (1 << 32) - 1
PRIMITIVES: Final = {primitive.value: primitive for primitive in Primitive}
_MEMBERS: Final = frozenset({FunctionKind.METHOD, FunctionKind.STATIC})
TYPE_KEYWORDS: Final = frozenset({"type", "record", "variant", "enum", "flags", "resource"})


class TypeParser(Cursor):
    """The part of the parser that reads types."""

    depth = 0
    broken = False  # whether a fault in the body being read was skipped

    def type(self) -> ast.TypeExpr:
        """A type expression; more than `MAX_TYPE_DEPTH` inside one another are refused."""
        kind, span = self.kind, self.span()
        if self.depth >= MAX_TYPE_DEPTH:
            raise self.fault(
                "nesting-too-deep", span, "types are nested too deep here", f"at most {MAX_TYPE_DEPTH} levels"
            )
        primitive = PRIMITIVES.get(kind)
        if primitive is not None:
            self.advance()
            return ast.PrimitiveExpr(primitive, span)
        if kind in (tokens.ID, tokens.EXPLICIT_ID):
            return ast.NamedExpr(self.name())
        self.depth += 1
        try:
            return self._constructed(kind, span)
        finally:
            self.depth -= 1

    def _constructed(self, kind: str, span: Span) -> ast.TypeExpr:
        match kind:
            case "list":
                return self._list(span)
            case "option":
                return ast.OptionExpr(self._argument(), span)
            case "result":
                return self._result(span)
            case "tuple":
                self.advance()
                self.expect("<")
                return ast.TupleExpr(self.listed(">", self.type), span)
            case "map":
                return self._map(span)
            case "stream":
                return ast.StreamExpr(self._optional_argument(), span)
            case "future":
                return ast.FutureExpr(self._optional_argument(), span)
            case "own":
                return self._handle("own")
            case "borrow":
                return self._handle("borrow")
            case _:
                raise self.unexpected("a type")

    def _argument(self) -> ast.TypeExpr:
        self.advance()
        self.expect("<")
        argument = self.type()
        self.expect(">")
        return argument

    def _optional_argument(self) -> ast.TypeExpr | None:
        if self.kind_at(1) == "<":
            return self._argument()
        self.advance()
        return None

    def _list(self, span: Span) -> ast.TypeExpr:
        self.advance()
        self.expect("<")
        element = self.type()
        length = self._length() if self.eat(",") else None
        self.expect(">")
        return ast.ListExpr(element, length, span)

    def _length(self) -> int:
        if self.kind != tokens.INTEGER:
            raise self.unexpected("the length of the list, an integer")
        span = self.span()
        digits = span.text.lstrip("0")
        if len(digits) > 10 or int(digits or "0") > MAX_LIST_LENGTH:
            raise self.fault("invalid-length", span, f"a list's length is at most {MAX_LIST_LENGTH}")
        self.advance()
        return int(digits or "0")

    def _map(self, span: Span) -> ast.TypeExpr:
        self.advance()
        self.expect("<")
        key = self.type()
        self.expect(",")
        value = self.type()
        self.expect(">")
        return ast.MapExpr(key, value, span)

    def _result(self, span: Span) -> ast.TypeExpr:
        self.advance()
        if not self.eat("<"):
            return ast.ResultExpr(None, None, span)
        ok: ast.TypeExpr | None = None
        err: ast.TypeExpr | None = None
        if self.eat("_"):
            self.expect(",")
            err = self.type()
        else:
            ok = self.type()
            err = self.type() if self.eat(",") else None
        self.expect(">")
        return ast.ResultExpr(ok, err, span)

    def _handle(self, kind: Literal["own", "borrow"]) -> ast.TypeExpr:
        self.advance()
        self.expect("<")
        resource = self.name()
        self.expect(">")
        return ast.HandleExpr(kind, resource, resource.span)

    # --- declarations -------------------------------------------------------------------------------------------------
    def type_declaration(self, docs: str, attributes: tuple[ast.Attribute, ...]) -> ast.TypeDeclaration:
        """The statement that begins at one of `TYPE_KEYWORDS`."""
        kind, start = self.kind, self.pos
        self.advance()
        name = self.name()
        body: ast.Composite | ast.Resource | ast.Alias | ast.Faulty
        try:
            body = self._type_body(kind)
        except SyntaxFault:
            self.skip_item(start)
            body = ast.Faulty()
        return ast.TypeDeclaration(name=name, body=body, docs=docs, attributes=attributes)

    def _type_body(self, kind: str) -> ast.Composite | ast.Resource | ast.Alias:
        if kind == "type":
            self.expect("=")
            target = self.type()
            self.expect(";")
            return ast.Alias(target=target)
        if kind == "resource":
            return ast.Resource(functions=self._resource_body())
        self.expect("{")
        match kind:
            case "record":
                return ast.Composite(kind="record", members=self.listed("}", self._field))
            case "variant":
                return ast.Composite(kind="variant", members=self.listed("}", self._case))
            case "enum":
                return ast.Composite(kind="enum", members=self.listed("}", self._label))
            case _:
                return ast.Composite(kind="flags", members=self.listed("}", self._label))

    def _field(self) -> ast.Member:
        docs = self.docs()
        name = self.name()
        self.expect(":")
        return ast.Member(name=name, type=self.type(), docs=docs)

    def _case(self) -> ast.Member:
        docs = self.docs()
        name = self.name()
        payload = None
        if self.eat("("):
            payload = self.type()
            self.expect(")")
        return ast.Member(name=name, type=payload, docs=docs)

    def _label(self) -> ast.Member:
        docs = self.docs()
        return ast.Member(name=self.name(), docs=docs)

    # --- functions ----------------------------------------------------------------------------------------------------
    def _resource_body(self) -> tuple[ast.Function, ...]:
        if not self.eat("{"):
            self.expect(";")
            return ()
        functions: list[ast.Function] = []
        while not self.eat("}"):
            start = self.pos
            try:
                functions.append(self._resource_function())
            except SyntaxFault:
                self.skip_item(start)
            if self.kind == tokens.EOF or self.at_top_level():
                raise self.unexpected("`}`")
        return tuple(functions)

    def _resource_function(self) -> ast.Function:
        docs = self.docs()
        attributes = self.attributes()
        if self.kind == "constructor":
            start = self.pos
            name = ast.Name("constructor", self.span())
            self.advance()
            constructor = ast.Function(name=name, kind=FunctionKind.CONSTRUCTOR, docs=docs, attributes=attributes)
            return self._signature(constructor, start)
        if self.kind not in (tokens.ID, tokens.EXPLICIT_ID):
            raise self.unexpected("`constructor` or an identifier")
        name = self.name()
        start = self.pos
        if not self.eat(":"):
            self.unexpected("`:`")
            self.skip_item(start)
            return ast.Function(name=name, kind=FunctionKind.METHOD, faulty=True)
        kind = FunctionKind.STATIC if self.eat("static") else FunctionKind.METHOD
        return self.function(name, kind, docs, attributes)

    def function(
        self, name: ast.Name, kind: FunctionKind, docs: str, attributes: tuple[ast.Attribute, ...]
    ) -> ast.Function:
        """What follows ``name:``, from ``async`` or ``func`` to the semicolon; the name alone when that is faulty."""
        start = self.pos
        is_async = self.eat("async")
        head = ast.Function(name=name, kind=kind, is_async=is_async, docs=docs, attributes=attributes)
        if self.kind != "func":
            self.unexpected("`func`" if is_async else "`func`, `async` or `static`" if kind in _MEMBERS else "`func`")
            self.skip_item(start)
            return replace(head, faulty=True)
        self.advance()
        return self._signature(head, start)

    def _signature(self, head: ast.Function, start: int) -> ast.Function:
        """Parameters, result and semicolon of a function that begins at token `start`."""
        try:
            self.expect("(")
            params = self.listed(")", self._param)
            result = self.type() if self.eat("->") else None
            self.expect(";")
        except SyntaxFault:
            self.skip_item(start)
            return replace(head, faulty=True)
        return replace(head, params=params, result=result)

    def _param(self) -> ast.Param:
        name = self.name()
        self.expect(":")
        return ast.Param(name, self.type())

    # --- attributes ---------------------------------------------------------------------------------------------------
    def attributes(self) -> tuple[ast.Attribute, ...]:
        """The gates and other attributes before an item."""
        if self.kind != "@":
            return ()
        found: list[ast.Attribute] = []
        while self.eat("@"):
            found.append(self._attribute())
        return tuple(found)

    def _attribute(self) -> ast.Attribute:
        name = self.name()
        span = name.span
        if name.text not in ("since", "unstable", "deprecated", "external-id"):
            known = ["since", "unstable", "deprecated", "external-id"]
            hint = self.collector.did_you_mean(name.text, known)
            raise self.fault("unknown-attribute", span, f"there is no attribute `@{name.text}`", hint)
        self.expect("(")
        attribute: ast.Attribute
        match name.text:
            case "external-id":
                attribute = ast.ExternalId(self.string(), span)
            case "unstable":
                self.word("feature")
                self.expect("=")
                attribute = ast.Unstable(self.name().text, span)
            case gate:
                self.word("version")
                self.expect("=")
                version, _ = self.version()
                attribute = ast.Since(version, span) if gate == "since" else ast.Deprecated(version, span)
        self.expect(")")
        return attribute
