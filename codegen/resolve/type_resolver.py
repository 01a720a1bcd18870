"""Type expressions to types of the model, in the scope of one interface or world.

Every fault is reported once; what cannot be resolved becomes `POISON`, about which nothing more is said. Codes:
``unknown-type``, ``not-a-type``, ``excluded-by-feature``, ``not-a-resource``, ``invalid-map-key``, ``empty-type``,
``too-many-flags``, ``duplicate-name``, ``type-too-large``. Source: WIT.md "Types", "Items: type", "Handles".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.model import types as model
from obelisk.codegen.model.names import sameness
from obelisk.codegen.resolve.facts import FactTable
from obelisk.codegen.resolve.scopes import POISON, Entry, EntryKind, Scope, report_duplicate
from obelisk.codegen.source import Span
from obelisk.codegen.syntax import ast

MAX_FLAGS: Final = 32
MAP_KEYS: Final = frozenset(model.Primitive) - {
    model.Primitive.F32,
    model.Primitive.F64,
    model.Primitive.ERROR_CONTEXT,
}
_RENAMED: Final = {
    "float32": "f32",
    "float64": "f64",
    "int": "s32",
    "uint": "u32",
    "i8": "s8",
    "i16": "s16",
    "i32": "s32",
    "i64": "s64",
    "float": "f32",
    "double": "f64",
    "str": "string",
    "boolean": "bool",
    "bytes": "list<u8>",
    "unit": "tuple<>",
}
_MEMBER_WORDS: Final = {"record": "field", "variant": "case", "enum": "case", "flags": "flag"}


@dataclass(slots=True, kw_only=True)
class TypeResolver:
    """Resolves in `scope`. While `lenient`, an item is being read that its own gate leaves out: what it refers to may
    be left out too."""

    scope: Scope
    facts: FactTable
    collector: Collector
    lenient: bool = False

    def type(self, expression: ast.TypeExpr) -> model.Type:
        """The type that `expression` means as a part or in a function: a resource's name is an owned handle."""
        match expression:
            case ast.PrimitiveExpr(primitive):
                return primitive
            case ast.NamedExpr(name):
                typedef = self.named(name)
                is_resource = typedef is not POISON and self.facts.of(typedef).is_resource
                return model.OwnType(typedef) if is_resource else typedef
            case ast.ListExpr(element, length):
                inside = self.type(element)
                return model.ListType(inside) if length is None else model.FixedListType(inside, length)
            case ast.OptionExpr(payload):
                return model.OptionType(self.type(payload))
            case ast.ResultExpr(ok, err):
                return model.ResultType(self.optional(ok), self.optional(err))
            case ast.TupleExpr(items):
                return self._tuple(expression, items)
            case ast.MapExpr():
                return self._map(expression)
            case ast.StreamExpr(item):
                return model.StreamType(self.optional(item))
            case ast.FutureExpr(item):
                return model.FutureType(self.optional(item))
            case ast.HandleExpr(kind, name):
                resource = self.resource(name)
                return model.OwnType(resource) if kind == "own" else model.BorrowType(resource)

    def optional(self, expression: ast.TypeExpr | None) -> model.Type | None:
        """The type of a part that may be missing."""
        return None if expression is None else self.type(expression)

    def _tuple(self, expression: ast.TupleExpr, items: tuple[ast.TypeExpr, ...]) -> model.Type:
        if not items:
            self.collector.error("empty-type", expression.span, "a tuple needs at least one type")
        return model.TupleType(tuple(self.type(item) for item in items))

    def _map(self, expression: ast.MapExpr) -> model.Type:
        key = self.type(expression.key)
        if key is not POISON and key not in MAP_KEYS:
            # The keyword's place, not the key's: what is wrong is the map.
            hint = "a key is bool, an integer type, char or string"
            self.collector.error(
                "invalid-map-key", expression.span, "the key of a map cannot be of this type", hint=hint
            )
        return model.MapType(key, self.type(expression.value))

    # --- names --------------------------------------------------------------------------------------------------------
    def named(self, name: ast.Name) -> model.TypeDef:
        """The definition that `name` refers to, or POISON."""
        entry = self.scope.entries.get(name.text)
        if entry is None:
            self._unknown(name)
            return POISON
        match entry.kind:
            case EntryKind.TYPE:
                return entry.typedef
            case EntryKind.FUNCTION:
                self.collector.error("not-a-type", name.span, f"`{name.text}` is a function, not a type")
            case EntryKind.EXCLUDED:
                if not self.lenient:
                    report_excluded(self.collector, name, entry)
            case EntryKind.POISONED:
                pass
        return POISON

    def _unknown(self, name: ast.Name) -> None:
        if self.scope.broken:
            return
        renamed = _RENAMED.get(name.text)
        types = (n for n, e in self.scope.entries.items() if e.kind is not EntryKind.FUNCTION)
        hint = f"WIT calls it `{renamed}`" if renamed else self.collector.did_you_mean(name.text, types)
        self.collector.error("unknown-type", name.span, f"there is no type `{name.text}` here", hint=hint)

    def resource(self, name: ast.Name) -> model.TypeDef:
        """The resource that `name` refers to, itself or through aliases, or POISON."""
        typedef = self.named(name)
        if typedef is not POISON and not self.facts.of(typedef).is_resource:
            message = f"`{name.text}` is not a resource, so there are no handles to it"
            self.collector.error("not-a-resource", name.span, message)
            return POISON
        return typedef

    # --- declarations -------------------------------------------------------------------------------------------------
    def body(self, declaration: ast.TypeDeclaration) -> model.Type:
        """The body of the definition that `declaration` makes."""
        match declaration.body:
            case ast.Resource():
                return model.ResourceType()
            case ast.Alias(target=ast.NamedExpr(name)):
                return self.named(name)
            case ast.Alias(target=target):
                return self.type(target)
            case ast.Composite() as composite:
                return self._composite(declaration.name, composite)
            case ast.Faulty():
                return POISON

    def _composite(self, name: ast.Name, composite: ast.Composite) -> model.Type:
        members = composite.members
        self._check_members(name, composite)
        match composite.kind:
            case "record":
                return model.RecordType(
                    tuple(model.Field(m.name.text, self.type(m.type), m.docs) for m in members if m.type is not None)
                )
            case "variant":
                return model.VariantType(tuple(model.Case(m.name.text, self.optional(m.type), m.docs) for m in members))
            case "enum":
                return model.EnumType(tuple(model.Label(m.name.text, m.docs) for m in members))
            case "flags":
                return model.FlagsType(tuple(model.Label(m.name.text, m.docs) for m in members))

    def _check_members(self, name: ast.Name, composite: ast.Composite) -> None:
        word = _MEMBER_WORDS[composite.kind]
        if not composite.members:
            self.collector.error(
                "empty-type", name.span, f"the {composite.kind} `{name.text}` needs at least one {word}"
            )
        check_unique(self.collector, [member.name for member in composite.members])
        if composite.kind == "flags" and len(composite.members) > MAX_FLAGS:
            message = f"there are at most {MAX_FLAGS} flags, and `{name.text}` has {len(composite.members)}"
            self.collector.error("too-many-flags", composite.members[MAX_FLAGS].name.span, message)

    def define(self, typedef: model.TypeDef, span: Span) -> None:
        """Keep the facts of a finished definition; the first of several that passes the limits of size is reported."""
        facts = self.facts.record(typedef)
        if facts.is_too_large and not facts.has_large:
            message = f"the type `{typedef.name}` is too large when written out, or nested too deep"
            self.collector.error("type-too-large", span, message)


def check_unique(collector: Collector, names: list[ast.Name]) -> None:
    """Report every name that occurs before, in any spelling (``duplicate-name``)."""
    first: dict[str, ast.Name] = {}
    for name in names:
        earlier = first.setdefault(sameness(name.text), name)
        if earlier is not name:
            report_duplicate(collector, name, earlier.text, earlier.span)


def report_excluded(collector: Collector, name: ast.Name, entry: Entry) -> None:
    """Report the use of a name that its gate leaves out."""
    feature = entry.typedef.stability.feature
    message = f"`{name.text}` is left out, because its feature is not selected"
    hint = f"select the feature `{feature}`, or gate this item with it too" if feature else ""
    collector.error("excluded-by-feature", name.span, message, hint=hint)
