"""A world's C bindings: ``world.h`` and ``world.c``. Pure.

Functions that the world imports can be called; those that it exports are declared, as ``exports_…``, for the author to
write. Nothing is ever freed here: an instance lives for one call, and its memory ends with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from obelisk.codegen.emit.c.flattening import CORE, Lifting, Lowering, flat
from obelisk.codegen.emit.c.types import CTypes, Names, Prefixes, Unsupported, c_name, lowered, qualified
from obelisk.codegen.emit.writer import Block, line_comment, render
from obelisk.codegen.model.items import Function, FunctionKind, Interface, World, WorldInterface
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import ResourceType, TypeDef

MAX_FLAT_PARAMS = 16
MAX_FLAT_RESULTS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CFunction:
    """A function in C: its name and its types; `result` is ``void`` without one."""

    name: str
    params: tuple[str, ...]
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CBindings:
    """The texts of the two files, and the functions in them by interface and `Function.export_name`; those that drop a
    handle of a resource by ``[resource-drop]`` and its name."""

    header: str
    source: str
    imports: Mapping[tuple[InterfaceName, str], CFunction]
    exports: Mapping[tuple[InterfaceName, str], CFunction]


def bindings(world: World) -> CBindings:
    """The bindings of a world. Unsupported names what has no form in C."""
    imports, exports = tuple(_interfaces(world.imports)), tuple(_interfaces(world.exports))
    prefixes, names = Prefixes([interface.name for interface in (*imports, *exports)]), Names()
    _written(prefixes, names, imports, exports)
    names.settle()
    writer = _written(prefixes, names, imports, exports)
    return CBindings(
        header=render(
            "c_header.j2",
            world=str(world.name),
            types=writer.types.declarations.text().strip("\n"),
            functions=writer.prototypes.text().strip("\n"),
        ),
        source=render("c_source.j2", world=str(world.name), functions=writer.source.text().strip("\n")),
        imports=writer.imports,
        exports=writer.exports,
    )


def _interfaces(items: Sequence[object]) -> Iterator[Interface]:
    for item in items:
        if not isinstance(item, WorldInterface) or item.interface.inline_name or item.label:
            raise Unsupported("the world has an item that stands in no interface of a package")
        yield item.interface


def _written(prefixes: Prefixes, names: Names, imports: Sequence[Interface], exports: Sequence[Interface]) -> _Writer:
    writer = _Writer(prefixes, names)
    for interface in imports:
        writer.imported(interface)
    for interface in exports:
        writer.exported(interface)
    return writer


class _Writer:
    """Collects declarations and code, interface by interface."""

    def __init__(self, prefixes: Prefixes, names: Names) -> None:
        self._names = names
        self.types = CTypes(prefixes, names)
        self.prototypes = Block()
        self.source = Block()
        self.imports: dict[tuple[InterfaceName, str], CFunction] = {}
        self.exports: dict[tuple[InterfaceName, str], CFunction] = {}
        self._prefixes = prefixes
        self._number = 0

    def imported(self, interface: Interface) -> None:
        """What can be called of an interface."""
        for type_ in interface.types:
            self.types.name(type_)
            if isinstance(type_.body, ResourceType):
                self._dropping(interface, type_)
        for function in interface.functions:
            c_function = self._function(function, self._name(interface, function))
            self.imports[interface.name, function.export_name] = c_function
            self._import(str(interface.name), function, c_function)

    def exported(self, interface: Interface) -> None:
        """What the author writes of an interface."""
        for type_ in interface.types:
            self.types.name(type_)
            if isinstance(type_.body, ResourceType):
                raise Unsupported(
                    f"{interface.name} exports the resource {type_.name}: these bindings only use those of others"
                )
        for function in interface.functions:
            c_function = self._function(function, self._name(interface, function, "exports"))
            self.exports[interface.name, function.export_name] = c_function
            self._export(str(interface.name), function, c_function)

    def _name(self, interface: Interface, function: Function, side: str = "") -> str:
        short, long = _labels(function)
        first = f"{side}_" if side else ""
        return self._names.of(
            (side, interface.name, function.export_name),
            f"{first}{self._prefixes.of(interface.name)}_{short}",
            f"{first}{qualified(interface.name)}__{long}",
        )

    def _function(self, function: Function, name: str) -> CFunction:
        if function.is_async:
            raise Unsupported(f"{function.name} is asynchronous")
        return CFunction(
            name=name,
            params=tuple(self.types.name(param.type) for param in function.params),
            result="void" if function.result is None else self.types.name(function.result),
        )

    def _dropping(self, interface: Interface, resource: TypeDef) -> None:
        function, (short, long) = f"[resource-drop]{resource.name}", self.types.stems(resource)
        name = self._names.of(("", interface.name, function), f"{short}_drop", f"{long}___drop")
        handle = self.types.name(resource)
        self.imports[interface.name, function] = CFunction(name=name, params=(handle,), result="void")
        drop = f"void {name}({handle} handle)"
        self.prototypes.add(f"{drop};")
        core = self._declare_core(str(interface.name), function, "void", ["int32_t"])
        with self.source.under(f"{drop} {{"):
            self.source.add(f"{core}(handle);")
        self.source.add("}", "")

    def _declare_core(self, module: str, name: str, result: str, params: Sequence[str]) -> str:
        """The declaration of an imported core function; its name."""
        self._number += 1
        core = f"wit_import_{self._number}"
        self.source.add(
            f'__attribute__((import_module("{module}"), import_name("{name}")))',
            f"extern {result} {core}({', '.join(params) or 'void'});",
        )
        return core

    def _import(self, interface: str, function: Function, c_function: CFunction) -> None:
        signature = _signature(function, c_function)
        self._prototype(function, signature)
        flat_params = [core for param in function.params for core in flat(param.type)]
        in_memory = len(flat_params) > MAX_FLAT_PARAMS
        results = () if function.result is None else flat(function.result)
        returned = CORE[results[0]] if len(results) == 1 else "void"
        params = ["int32_t"] if in_memory else [CORE[core] for core in flat_params]
        by_pointer = len(results) > MAX_FLAT_RESULTS
        core = self._declare_core(interface, function.export_name, returned, [*params, *["int32_t"] * by_pointer])
        with self.source.under(f"{signature} {{"):
            if in_memory:
                arguments = self._spilled(function)
            else:
                lowering = Lowering(self.source)
                arguments = [
                    expression
                    for param in function.params
                    for expression in lowering.lower(param.type, c_name(param.name))
                ]
            self._call(function, core, arguments, by_pointer=by_pointer)
        self.source.add("}", "")

    def _spilled(self, function: Function) -> list[str]:
        """Parameters that are too many for core ones: in memory, as a tuple."""
        with self.source.under("struct {"):
            self.source.add(*(f"{self.types.name(param.type)} {c_name(param.name)};" for param in function.params))
        self.source.add(f"}} wit_args = {{{', '.join(c_name(param.name) for param in function.params)}}};")
        return ["(int32_t)(uintptr_t)&wit_args"]

    def _call(self, function: Function, core: str, arguments: Sequence[str], *, by_pointer: bool) -> None:
        out, result = self.source, function.result
        if result is None:
            out.add(_call(f"{core}(", arguments))
            return
        out.add(f"{self.types.name(result)} wit_ret = {{0}};" if by_pointer else f"{self.types.name(result)} wit_ret;")
        if by_pointer:
            out.add(_call(f"{core}(", [*arguments, "(int32_t)(uintptr_t)&wit_ret"]))
        else:
            out.add(_call(f"{CORE[flat(result)[0]]} wit_core = {core}(", arguments))
            Lifting(out, self.types).lift(result, ["wit_core"], "wit_ret")
        out.add("return wit_ret;")

    def _export(self, interface: str, function: Function, c_function: CFunction) -> None:
        if function.kind is not FunctionKind.FREE:
            raise Unsupported(f"{interface} exports {function.export_name}, a function of a resource")
        self._prototype(function, _signature(function, c_function))
        self._number += 1
        out, result, name = self.source, function.result, c_function.name
        flat_params = [core for param in function.params for core in flat(param.type)]
        in_memory = len(flat_params) > MAX_FLAT_PARAMS
        cores = ["int32_t p0"] if in_memory else [f"{CORE[core]} p{n}" for n, core in enumerate(flat_params)]
        results = () if result is None else flat(result)
        returned = "void" if not results else "int32_t" if len(results) > MAX_FLAT_RESULTS else CORE[results[0]]
        out.add(f'__attribute__((export_name("{interface}#{function.export_name}")))')
        with out.under(f"{returned} wit_export_{self._number}({', '.join(cores) or 'void'}) {{"):
            arguments = self._lifted(function, in_memory=in_memory)
            if result is None:
                out.add(_call(f"{name}(", arguments))
            elif len(results) > MAX_FLAT_RESULTS:
                out.add(f"static {self.types.name(result)} wit_ret;")
                out.add(_call(f"wit_ret = {name}(", arguments))
                out.add("return (int32_t)(uintptr_t)&wit_ret;")
            else:
                out.add(_call(f"{self.types.name(result)} wit_ret = {name}(", arguments))
                out.add(f"return {Lowering(out).lower(result, 'wit_ret')[0]};")
        out.add("}", "")

    def _lifted(self, function: Function, *, in_memory: bool) -> list[str]:
        """The arguments for the author's function, out of the core parameters."""
        out, at = self.source, 0
        if in_memory:
            with out.under("struct params {"):
                out.add(*(f"{self.types.name(param.type)} {c_name(param.name)};" for param in function.params))
            out.add("} *wit_args = (struct params *)(uintptr_t)(uint32_t)p0;")
            return [f"wit_args->{c_name(param.name)}" for param in function.params]
        for number, param in enumerate(function.params):
            width = len(flat(param.type))
            out.add(f"{self.types.name(param.type)} a{number};")
            Lifting(out, self.types).lift(param.type, [f"p{at + slot}" for slot in range(width)], f"a{number}")
            at += width
        return [f"a{number}" for number in range(len(function.params))]

    def _prototype(self, function: Function, signature: str) -> None:
        self.prototypes.add(*line_comment("//", function.docs), f"{signature};")


def _signature(function: Function, c_function: CFunction) -> str:
    params = zip(c_function.params, function.params, strict=True)
    named = ", ".join(f"{kind} {c_name(param.name)}" for kind, param in params)
    return f"{c_function.result} {c_function.name}({named or 'void'})"


def _call(head: str, arguments: Sequence[str]) -> str:
    """A statement that ends with a call: `head` goes up to its parenthesis."""
    return f"{head}{', '.join(arguments)});"


def _labels(function: Function) -> tuple[str, str]:
    """A function's own name: of a resource's with the resource before it, in the second one by three underscores.

    There, an underscore at its end tells a function from the constructor, or from dropping, of the same word.
    """
    resource, name = lowered(function.resource), lowered(function.name)
    match function.kind:
        case FunctionKind.FREE:
            return name, name
        case FunctionKind.CONSTRUCTOR:
            return f"{resource}_new", f"{resource}___new"
        case _:
            return f"{resource}_{name}", f"{resource}___{name}{'_' * (name in ('new', 'drop'))}"
