"""Puts interfaces, worlds and packages together from imports and exports.

An `Assembly` is fed the externs of a binary in their order and gives the Resolution: all other packages in topological
order, the main one last. What WIT cannot express becomes a problem; with any, the Resolution is not to be used.
"""

from __future__ import annotations

from collections.abc import Iterable

from obelisk.codegen.binary.entities import Extern, InstanceNode, ResourceNode, Sort, ValueNode
from obelisk.codegen.binary.errors import BinaryError, MalformedBinary
from obelisk.codegen.binary.extern_names import implemented_interface, interface_name, label
from obelisk.codegen.binary.interface_draft import Draft, InterfaceUse, WorldDraft
from obelisk.codegen.binary.package_docs import (
    NO_INTERFACE_DOCS,
    NO_TYPE_DOCS,
    NO_WORLD_DOCS,
    InterfaceDocs,
    PackageDocs,
    function_docs,
    stability,
)
from obelisk.codegen.binary.type_converter import TypeConverter
from obelisk.codegen.model.items import Function, Package, Resolution
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import TypeDef


class Assembly:
    """The packages of one binary; `main` is the one that it defines itself and that `docs` are about."""

    __slots__ = ("_converter", "_docs", "_interfaces", "_main", "_worlds", "problems")

    def __init__(self, main: PackageName, docs: PackageDocs) -> None:
        self.problems: list[BinaryError] = []
        self._main = main
        self._docs = docs
        self._converter = TypeConverter()
        self._interfaces: dict[InterfaceName, Draft] = {}
        self._worlds: list[WorldDraft] = []

    def world(self, name: InterfaceName, externs: Iterable[tuple[bool, Extern]]) -> WorldDraft:
        """Add a world with imports (True) and exports (False)."""
        docs = self._docs.worlds.get(name.name, NO_WORLD_DOCS)
        world = WorldDraft(own=Draft(name=name, docs=InterfaceDocs(types=docs.types)), docs=docs)
        for is_import, extern in externs:
            try:
                item = self._world_item(extern, world, is_import=is_import)
            except MalformedBinary as malformed:
                self.problems.append(malformed.error)
                continue
            if item is not None:
                (world.imports if is_import else world.exports).append(item)
        self._worlds.append(world)
        return world

    def interface(self, extern: Extern) -> None:
        """Add, or complete, the interface that the instance `extern` is; what is no interface becomes a problem."""
        try:
            name = interface_name(extern.name)
            if name is None or not isinstance(extern.entity, InstanceNode):
                raise MalformedBinary("not-in-wit", extern.name.offset, f"{extern.name.text!r} is no interface")
            self._fill(extern.entity, self._named(name))
        except MalformedBinary as malformed:
            self.problems.append(malformed.error)

    def resolution(self) -> Resolution:
        """Everything that was added."""
        packages: dict[PackageName, list[Draft]] = {}
        for name, draft in self._interfaces.items():
            packages.setdefault(name.package, []).append(draft)
        packages.setdefault(self._main, [])
        return Resolution(
            packages=tuple(self._package(name, packages[name]) for name in _ordered(packages, self._main)),
            main=(self._main,),
        )

    def _package(self, name: PackageName, drafts: list[Draft]) -> Package:
        is_main = name == self._main
        worlds = tuple(w.frozen(as_declared=False) for w in self._worlds) if is_main else ()
        docs = (self._docs.docs or "") if is_main else ""
        return Package(name=name, interfaces=tuple(d.frozen() for d in drafts), worlds=worlds, docs=docs)

    def _named(self, name: InterfaceName) -> Draft:
        draft = self._interfaces.get(name)
        if draft is None:
            documented = name.package == self._main
            docs = self._docs.interfaces.get(name.name, NO_INTERFACE_DOCS) if documented else NO_INTERFACE_DOCS
            draft = self._interfaces[name] = Draft(name=name, docs=docs)
        return draft

    def _world_item(
        self, extern: Extern, world: WorldDraft, *, is_import: bool
    ) -> InterfaceUse | Function | TypeDef | None:
        text = extern.name.text
        match extern.sort:
            case Sort.INSTANCE:
                return self._use(extern, world, is_import=is_import)
            case Sort.FUNC:
                table = world.docs.funcs if is_import else {**world.docs.funcs, **world.docs.func_exports}
                return self._converter.function(extern, world.own, function_docs(table, text))
            case Sort.TYPE:
                typedef = self._converter.define(extern, world.own, world.docs.types.get(text, NO_TYPE_DOCS))
                world.own.types[text] = typedef
                self._bind(extern, typedef)
                return typedef
            case Sort.COMPONENT | Sort.CORE | Sort.VALUE:
                return None

    def _use(self, extern: Extern, world: WorldDraft, *, is_import: bool) -> InterfaceUse:
        text, docs = extern.name.text, world.docs
        implemented = implemented_interface(extern.name)
        name = implemented or interface_name(extern.name)
        if name is None:
            inline = docs.interfaces if is_import else {**docs.interfaces, **docs.interface_exports}
            draft = Draft(name=world.own.name, inline_name=text, docs=inline.get(text, NO_INTERFACE_DOCS))
            gates = draft.docs.stability
        else:
            draft = self._named(name)
            gates = (docs.interface_import_stability if is_import else docs.interface_export_stability).get(text, "")
        assert isinstance(extern.entity, InstanceNode)
        return InterfaceUse(
            draft=draft,
            declared=self._fill(extern.entity, draft),
            label=label(extern.name, "an interface") if implemented is not None else "",
            external_id=extern.name.external_id,
            docs=(docs.interface_import_docs if is_import else docs.interface_export_docs).get(text, ""),
            stability=stability(gates),
        )

    def _fill(self, instance: InstanceNode, draft: Draft) -> Draft:
        declared = Draft(name=draft.name, inline_name=draft.inline_name, docs=draft.docs)
        try:
            for extern in instance.exports.values():
                self._add(extern, draft, declared)
        finally:
            self._converter.unshadow()
        return declared

    def _add(self, extern: Extern, draft: Draft, declared: Draft) -> None:
        text = extern.name.text
        match extern.sort:
            case Sort.TYPE:
                typedef = draft.types.get(text)
                if typedef is None:
                    typedef = self._converter.define(extern, draft, draft.docs.types.get(text, NO_TYPE_DOCS))
                    draft.types[text] = typedef
                declared.types[text] = typedef
                self._bind(extern, typedef)
            case Sort.FUNC:
                function = self._converter.function(extern, draft, function_docs(draft.docs.funcs, text))
                declared.functions[text] = draft.functions.setdefault(text, function)
            case _:
                message = f"an interface has no {extern.sort.value} such as {text!r}"
                raise MalformedBinary("not-in-wit", extern.name.offset, message)

    def _bind(self, extern: Extern, typedef: TypeDef) -> None:
        if isinstance(extern.entity, ValueNode | ResourceNode):
            self._converter.bind(extern.entity, typedef)


def _ordered(packages: dict[PackageName, list[Draft]], main: PackageName) -> list[PackageName]:
    """Package names, each after those whose types it uses, `main` last."""
    needs = {
        name: dict.fromkeys(
            typedef.body.owner.package
            for draft in drafts
            for typedef in draft.types.values()
            if isinstance(typedef.body, TypeDef)
        )
        for name, drafts in packages.items()
    }
    order: dict[PackageName, None] = {}
    entered: set[PackageName] = {main}
    for start in packages:
        stack = [] if start in entered else [(start, iter(needs[start]))]
        entered.add(start)
        while stack:
            name, rest = stack[-1]
            following = next((n for n in rest if n not in entered and n in needs), None)
            if following is None:
                order[name] = None
                stack.pop()
            else:
                entered.add(following)
                stack.append((following, iter(needs[following])))
    return [*order, main]
