"""Resolves the items of an interface, and those of a world that are like them: uses, types and functions.

Names are declared first, in the order of the text; then uses, then types with dependencies first, then functions. A
definition that its gate leaves out is checked too, but may refer to others that are left out. Source: WIT.md "Item:
`interface`", "Item: `use`", "Item: `resource`", "WIT Functions".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from obelisk.codegen.diagnostics import MAX_RELATED, Collector, Related
from obelisk.codegen.model import types as model
from obelisk.codegen.model.items import Function, FunctionKind, Interface, Param
from obelisk.codegen.model.names import sameness
from obelisk.codegen.resolve.facts import FactTable
from obelisk.codegen.resolve.gates import Gates
from obelisk.codegen.resolve.graph import cycles, topological
from obelisk.codegen.resolve.scopes import POISON, Entry, EntryKind, FileScope, Scope
from obelisk.codegen.resolve.type_resolver import TypeResolver, check_unique, report_excluded
from obelisk.codegen.source import Span
from obelisk.codegen.syntax import ast


@dataclass(slots=True, kw_only=True)
class ItemResolver:
    """Resolves items of one interface or world into `scope`. `written` are its functions, also those left out."""

    scope: Scope
    file: FileScope
    gates: Gates
    facts: FactTable
    collector: Collector
    written: list[Function] = field(default_factory=list[Function])

    def types(self) -> TypeResolver:
        """A resolver of type expressions in this scope."""
        return TypeResolver(scope=self.scope, facts=self.facts, collector=self.collector)

    # --- interfaces ---------------------------------------------------------------------------------------------------
    def interface(self, declaration: ast.Interface) -> Interface:
        """The interface of `declaration`, which becomes the scope's."""
        scope = self.scope
        stability = self.gates.read(declaration.attributes)
        scope.excluded = not self.gates.includes(stability, declaration.name.span)
        self.declare(declaration.items)
        typedefs = self.define_types(declaration.items)
        functions = self.functions(declaration.items)
        scope.interface = Interface(
            name=scope.owner,
            inline_name=scope.owner_item,
            types=tuple(typedefs),
            functions=tuple(functions),
            written=() if len(functions) == len(self.written) else tuple(self.written),
            docs=declaration.docs,
            stability=stability,
        )
        return scope.interface

    def declare(self, items: Iterable[ast.WorldItem | ast.InterfaceItem]) -> None:
        """Enter all names of uses, types and functions into the scope, so that later steps can tell what is missing."""
        for item in items:
            match item:
                case ast.Use(names=names):
                    for renamed in names:
                        local = renamed.local
                        self.scope.declare(local, Entry(EntryKind.POISONED, local.span), self.collector)
                case ast.TypeDeclaration(name=name):
                    self.scope.declare(name, Entry(EntryKind.POISONED, name.span), self.collector)
                case ast.Function(name=name):
                    self.scope.declare(name, Entry(EntryKind.FUNCTION, name.span), self.collector)
                case _:
                    pass

    def _fill(self, name: ast.Name, typedef: model.TypeDef, *, included: bool) -> bool:
        """Give a declared name its meaning; whether the definition is part of the result."""
        declared = self.scope.entries.get(name.text)
        if declared is None or declared.span != name.span:
            return False
        kind = EntryKind.TYPE if included else EntryKind.EXCLUDED
        self.scope.entries[name.text] = Entry(kind, name.span, typedef)
        if included and self.scope.excluded:
            message = f"`{name.text}` is not left out by a feature, but the {self.scope.word} it is in is"
            related = (Related(self.scope.span, f"the {self.scope.word} is here"),) if self.scope.span else ()
            hint = "give it the same gate"
            self.collector.error("excluded-by-feature", name.span, message, hint=hint, related=related)
        return included

    # --- uses ---------------------------------------------------------------------------------------------------------
    def define_types(self, items: Sequence[ast.WorldItem | ast.InterfaceItem]) -> list[model.TypeDef]:
        """Resolve the uses and type declarations; those that are in, each after those it needs, uses first."""
        typedefs: list[model.TypeDef] = []
        for item in items:
            if isinstance(item, ast.Use):
                typedefs += self._use(item)
        declarations = {
            item.name.text: item
            for item in reversed(items)
            if isinstance(item, ast.TypeDeclaration) and self._is_first(item.name)
        }
        # Used names take part in the order, as in the reference: it decides between types that could come next.
        names = [name for name, entry in self.scope.entries.items() if entry.kind is not EntryKind.FUNCTION]
        edges = {name: [n.text for n in references(item)] for name, item in declarations.items()}
        order, cyclic = topological(names, edges)
        for cycle in cycles(cyclic, edges):
            self._report_cycle(cycle, declarations)
        for name in order:
            typedef = self._declaration(declarations[name]) if name in declarations else None
            if typedef is not None:
                typedefs.append(typedef)
        return typedefs

    def _is_first(self, name: ast.Name) -> bool:
        entry = self.scope.entries.get(name.text)
        return entry is not None and entry.span == name.span

    def _use(self, use: ast.Use) -> list[model.TypeDef]:
        stability = self.gates.read(use.attributes)
        external_id = self.gates.external_id(use.attributes)
        span = use.names[0].name.span if use.names else use.path.name.span
        included = self.gates.includes(stability, span)
        target = self.file.interface(use.path, included=included)
        typedefs: list[model.TypeDef] = []
        if target is None:
            return typedefs
        if included and target.excluded and use.names:
            message = f"the interface `{use.path.name.text}` is left out, because its feature is not selected"
            self.collector.error("excluded-by-feature", use.path.name.span, message)
            return typedefs
        for renamed in use.names:
            # What another package has to do with a statement that is left out need not be there.
            if not included and use.path.package and renamed.name.text not in target.entries:
                continue
            used = self._used(renamed.name, target, included=included)
            if used is None:
                continue
            typedef = model.TypeDef(
                name=renamed.local.text,
                owner=self.scope.owner,
                owner_item=self.scope.owner_item,
                body=used,
                external_id=external_id,
                stability=stability,
            )
            self.types().define(typedef, renamed.local.span)
            if self._fill(renamed.local, typedef, included=included):
                typedefs.append(typedef)
        return typedefs

    def _used(self, name: ast.Name, target: Scope, *, included: bool) -> model.TypeDef | None:
        """The definition that `name` means in the interface `target`, or None."""
        entry = target.entries.get(name.text)
        if entry is None:
            if not target.broken:
                hint = self.collector.did_you_mean(name.text, target.entries)
                message = f"there is no type `{name.text}` in interface `{target.owner.name}`"
                self.collector.error("unknown-type", name.span, message, hint=hint)
            return None
        match entry.kind:
            case EntryKind.TYPE:
                return entry.typedef
            case EntryKind.FUNCTION:
                self.collector.error("not-a-type", name.span, f"`{name.text}` is a function, not a type")
            case EntryKind.EXCLUDED:
                if not included:
                    return entry.typedef
                report_excluded(self.collector, name, entry)
            case EntryKind.POISONED:
                pass
        return None

    # --- types --------------------------------------------------------------------------------------------------------
    def _declaration(self, declaration: ast.TypeDeclaration) -> model.TypeDef | None:
        stability = self.gates.read(declaration.attributes)
        included = self.gates.includes(stability, declaration.name.span)
        resolver = self.types()
        resolver.lenient = not included
        body = resolver.body(declaration)
        if body is POISON:
            return None
        typedef = model.TypeDef(
            name=declaration.name.text,
            owner=self.scope.owner,
            owner_item=self.scope.owner_item,
            body=body,
            external_id=self.gates.external_id(declaration.attributes),
            docs=declaration.docs,
            stability=stability,
        )
        resolver.define(typedef, declaration.name.span)
        return typedef if self._fill(declaration.name, typedef, included=included) else None

    def _report_cycle(self, cycle: list[str], declarations: dict[str, ast.TypeDeclaration]) -> None:
        """Report a cycle of types where the first of them refers to the next; the other references are related."""
        related: list[Related] = []
        for name, target in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            span = next(r.span for r in references(declarations[name]) if r.text == target)
            related.append(Related(span, f"`{name}` contains `{target}`"))
        message = f"the type `{related[0].span.text}` contains itself"
        hint = "WIT types cannot be recursive"
        self.collector.error("type-cycle", related[0].span, message, hint=hint, related=related[1:MAX_RELATED])

    # --- functions ----------------------------------------------------------------------------------------------------
    def functions(self, items: Iterable[ast.WorldItem | ast.InterfaceItem]) -> list[Function]:
        """The functions that are in, those of a resource where it is declared."""
        functions: list[Function] = []
        for item in items:
            match item:
                case ast.Function(faulty=False):
                    function = self.function(item)
                    if function is not None and self._is_first(item.name):
                        functions.append(function)
                case ast.TypeDeclaration(body=ast.Resource()):
                    functions += self.resource_functions(item)
                case _:
                    pass
        return functions

    def resource_functions(self, declaration: ast.TypeDeclaration) -> list[Function]:
        """The functions of a resource that are in."""
        if not isinstance(declaration.body, ast.Resource) or not self._is_first(declaration.name):
            return []
        members = declaration.body.functions
        check_unique(self.collector, [f.name for f in members if f.kind is not FunctionKind.CONSTRUCTOR])
        for function in members:
            if sameness(function.name.text) == sameness(declaration.name.text):
                # Component names are compared without `[method]`, and then `r.r` is the same as `r` (Explainer.md).
                message = f"a function of resource `{declaration.name.text}` cannot have the resource's name"
                related = (Related(declaration.name.span, "the resource is declared here"),)
                self.collector.error("duplicate-name", function.name.span, message, related=related)
        constructors = [f for f in members if f.kind is FunctionKind.CONSTRUCTOR]
        for extra in constructors[1:]:
            first = Related(constructors[0].name.span, "first declared here")
            message = "a resource has at most one constructor"
            self.collector.error("duplicate-name", extra.name.span, message, related=(first,))
        functions = (self.function(f, declaration.name.text) for f in members if not f.faulty)
        return [function for function in functions if function is not None]

    def function(self, declaration: ast.Function, resource: str = "") -> Function | None:
        """The function of `declaration`; None when its gate leaves it out."""
        stability = self.gates.read(declaration.attributes)
        included = self.gates.includes(stability, declaration.name.span)
        resolver = self.types()
        resolver.lenient = self.scope.excluded or not included
        owner: model.TypeDef | None = None
        if resource:
            owner = resolver.resource(replace(declaration.name, text=resource))
        params = self._params(declaration, resolver, owner)
        result = self._result(declaration, resolver, owner)
        function = Function(
            name=declaration.name.text,
            params=params,
            result=result,
            kind=declaration.kind,
            resource=resource,
            is_async=declaration.is_async,
            external_id=self.gates.external_id(declaration.attributes),
            docs=declaration.docs,
            stability=stability,
        )
        self._check_result(function, declaration.name.span)
        self.written.append(function)
        return function if included else None

    def _params(
        self, declaration: ast.Function, resolver: TypeResolver, owner: model.TypeDef | None
    ) -> tuple[Param, ...]:
        params = [Param(p.name.text, resolver.type(p.type)) for p in declaration.params]
        names = [p.name for p in declaration.params]
        if declaration.kind is FunctionKind.METHOD and owner is not None:
            params.insert(0, Param("self", model.BorrowType(owner)))
            names.insert(0, replace(declaration.name, text="self"))
        check_unique(self.collector, names)
        return tuple(params)

    def _result(
        self, declaration: ast.Function, resolver: TypeResolver, owner: model.TypeDef | None
    ) -> model.Type | None:
        result = resolver.optional(declaration.result)
        if declaration.kind is not FunctionKind.CONSTRUCTOR or owner is None:
            return result
        if declaration.result is None:
            return model.OwnType(owner)
        if result is not POISON and owner is not POISON:
            self._check_constructor(declaration.result, result, owner)
        return result

    def _check_constructor(self, expression: ast.TypeExpr, result: model.Type | None, owner: model.TypeDef) -> None:
        structure = result.body if isinstance(result, model.TypeDef) else result
        if not isinstance(structure, model.ResultType):
            message = "a constructor that declares a result must return a `result`"
            self.collector.error("invalid-constructor", expression.span, message)
            return
        ok = structure.ok
        if ok is POISON or (isinstance(ok, model.OwnType) and ok.resource is owner):
            return
        span = expression.ok.span if isinstance(expression, ast.ResultExpr) and expression.ok else expression.span
        message = f"the ok side of a constructor's result must be `{owner.name}`"
        self.collector.error("invalid-constructor", span, message)

    def _check_result(self, function: Function, span: Span) -> None:
        if function.result is not None and self.facts.of(function.result).has_borrow:
            message = f"`{function.export_name}` returns a `borrow`, alone or inside another type"
            hint = "return an owned handle: a borrowed one ends with the call"
            self.collector.error("borrow-in-result", span, message, hint=hint)


def references(declaration: ast.TypeDeclaration) -> list[ast.Name]:
    """The names of types that a declaration needs before it; those of a resource's functions do not count."""
    found: list[ast.Name] = []
    match declaration.body:
        case ast.Alias(target=target):
            _collect(target, found)
        case ast.Composite(members=members):
            for member in members:
                _collect(member.type, found)
        case ast.Resource() | ast.Faulty():
            pass
    return found


def _collect(expression: ast.TypeExpr | None, found: list[ast.Name]) -> None:
    match expression:
        case ast.NamedExpr(name):
            found.append(name)
        case ast.HandleExpr(_, name):
            found.append(name)
        case ast.ListExpr(part, _) | ast.OptionExpr(part) | ast.StreamExpr(part) | ast.FutureExpr(part):
            _collect(part, found)
        case ast.ResultExpr(first, second) | ast.MapExpr(first, second):
            _collect(first, found)
            _collect(second, found)
        case ast.TupleExpr(items):
            for item in items:
                _collect(item, found)
        case _:
            pass
