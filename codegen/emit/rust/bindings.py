"""A world's Rust bindings: a crate, and C that leads from it to the C bindings of the same world. Pure.

The crate's functions and those of C hand each other pointers alone, so nothing depends on how the one compiler or the
other passes structs: an argument is where a pointer says, the result goes where another one says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from obelisk.codegen.emit.c import bindings as c
from obelisk.codegen.emit.c.bindings import CBindings, CFunction
from obelisk.codegen.emit.c.types import Prefixes, Unsupported
from obelisk.codegen.emit.rust.types import RustTypes, camel, rust_name
from obelisk.codegen.emit.writer import Block, line_comment, render
from obelisk.codegen.model.items import Function, FunctionKind, Interface, World, WorldInterface
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import BorrowType, ResourceType, Type, TypeDef, parts, unalias


@dataclass(frozen=True, slots=True, kw_only=True)
class RustBindings:
    """The crate's text, and the texts of C: ``world.h``, ``world.c`` and what stands between."""

    crate: str
    c_bindings: CBindings
    glue: str


def bindings(world: World) -> RustBindings:
    """The bindings of a world. Unsupported names what has no form in Rust."""
    c_bindings = c.bindings(world)
    imports = [item.interface for item in world.imports if isinstance(item, WorldInterface)]
    exports = [item.interface for item in world.exports if isinstance(item, WorldInterface)]
    writer = _Writer(c_bindings, Prefixes([interface.name for interface in (*imports, *exports)]))
    for interface in imports:
        writer.imported(interface)
    for interface in exports:
        writer.exported(interface)
    return RustBindings(
        crate=render(
            "rust_world.j2",
            world=str(world.name),
            modules="\n".join(writer.modules()),
            traits=writer.traits.text().rstrip(),
            entries=writer.entries.text().strip("\n"),
            forwards=writer.forwards.text().strip("\n"),
            arities=sorted(writer.types.arities),
        ),
        c_bindings=c_bindings,
        glue=render("rust_glue.j2", world=str(world.name), functions=writer.glue.text().strip("\n")),
    )


class _Writer:
    """Collects the crate's modules and the C between, interface by interface."""

    def __init__(self, c_bindings: CBindings, prefixes: Prefixes) -> None:
        self.types = RustTypes(prefixes)
        self.glue, self.traits, self.entries, self.forwards = Block(), Block(), Block(), Block()
        self._c_bindings, self._prefixes = c_bindings, prefixes
        self._blocks: dict[InterfaceName, Block] = {}
        self._number = 0

    def modules(self) -> list[str]:
        """The modules' texts."""
        return [
            f"pub mod {rust_name(self._prefixes.of(name))} {{\n{block.text().rstrip()}\n}}\n"
            for name, block in self._blocks.items()
            if block.lines
        ]

    def imported(self, interface: Interface) -> None:
        """What can be called of an interface, and its types."""
        out = self._declared(interface)
        with out.under():
            for type_ in interface.types:
                if isinstance(type_.body, ResourceType):
                    self._resource(interface, type_, out)
            for function in interface.functions:
                if function.kind is FunctionKind.FREE:
                    self._import(interface, function, out)

    def exported(self, interface: Interface) -> None:
        """What the author implements of an interface, and its types."""
        self._declared(interface)
        trait = _trait(self._prefixes.of(interface.name))
        self.traits.add(*(f"    {line}" for line in line_comment("///", interface.docs)))
        with self.traits.under(), self.traits.under(f"pub trait {trait} {{"):
            for function in interface.functions:
                self._export(interface, function, trait)
        self.traits.add("    }", "")

    def _declared(self, interface: Interface) -> Block:
        """The module of an interface, with its types."""
        if interface.name not in self._blocks:
            self._blocks[interface.name] = out = Block()
            for type_ in interface.types:
                with out.under():
                    self.types.declare(type_, out)
        return self._blocks[interface.name]

    def _resource(self, interface: Interface, resource: TypeDef, out: Block) -> None:
        prefix, name = self._prefixes.of(interface.name), camel(resource.name)
        c_function = self._c_bindings.imports[interface.name, f"[resource-drop]{resource.name}"]
        self.glue.add(f"void wit_rust_drop_{prefix}_{name}(int32_t handle) {{ {c_function.name}(handle); }}")
        own = [function for function in interface.functions if function.resource == resource.name]
        if own:
            with out.under(f"impl {name} {{"):
                for function in own:
                    self._import(interface, function, out)
            out.add("}")

    def _import(self, interface: Interface, function: Function, out: Block) -> None:
        is_method = function.kind is FunctionKind.METHOD
        called = function.params[1:] if is_method else function.params
        params = [f"{rust_name(param.name)}: {self.types.borrowed(param.type)}" for param in called]
        result = "" if function.result is None else f" -> {self.types.name(function.result)}"
        link = self._forward(self._c_bindings.imports[interface.name, function.export_name])
        names = [*(["self"] if is_method else []), *(rust_name(param.name) for param in called)]
        arguments = ", ".join(f"a__{number} = {name}" for number, name in enumerate(names))  # no parameter is called so
        name = "new" if function.kind is FunctionKind.CONSTRUCTOR else _own_name(function)
        out.add(*line_comment("///", function.docs))
        listed = ", ".join([*(["&self"] if is_method else []), *params])
        with out.under(f"pub fn {name}({listed}){result} {{"):
            returned = "()" if function.result is None else self.types.name(function.result)
            out.add(f'crate::call!("{link}", {returned}, [{arguments}])')
        out.add("}", "")

    def _forward(self, c_function: CFunction) -> str:
        """C that calls a function with arguments and a result behind pointers; its name."""
        self._number += 1
        link = f"wit_rust_import_{self._number}"
        params = [f"{kind} *a{number}" for number, kind in enumerate(c_function.params)]
        call = f"{c_function.name}({', '.join(f'*a{number}' for number in range(len(params)))})"
        has_result = c_function.result != "void"
        params.append(f"{c_function.result if has_result else 'void'} *ret")
        with self.glue.under(f"void {link}({', '.join(params)}) {{"):
            self.glue.add(f"*ret = {call};" if has_result else f"(void)ret; {call};")
        self.glue.add("}", "")
        return link

    def _export(self, interface: Interface, function: Function, trait: str) -> None:
        for param in function.params:
            if _borrows(param.type):
                raise Unsupported(f"{interface.name} exports {function.name}, which takes a borrowed handle")
        name = rust_name(function.name)
        types = [self.types.name(param.type) for param in function.params]
        labels = [rust_name(param.name) for param in function.params]
        result = "" if function.result is None else f" -> {self.types.name(function.result)}"
        self.traits.add(*line_comment("///", function.docs))
        listed = ", ".join(f"{label}: {type_}" for label, type_ in zip(labels, types, strict=True))
        self.traits.add(f"fn {name}({listed}){result};")
        self._entry(function, trait, types, self._c_bindings.exports[interface.name, function.export_name])

    def _entry(self, function: Function, trait: str, types: Sequence[str], c_function: CFunction) -> None:
        """How a call from outside reaches the author's function: C, a symbol in the author's crate, this crate."""
        self._number += 1
        link, returned = (
            f"wit_rust_export_{self._number}",
            self.types.name(function.result) if function.result else "()",
        )
        abi = [f"a{number}: *mut lifted!({type_})" for number, type_ in enumerate(types)]
        lifted = ", ".join(f"Lift::lift(a{number}.read())" for number in range(len(types)))
        params = ", ".join([*abi, f"ret: *mut lowered!({returned})"])
        with self.entries.under("#[doc(hidden)]", f"pub unsafe fn {link}<G: exports::{trait}>({params}) {{"):
            self.entries.add(f"crate::give(<G as exports::{trait}>::{rust_name(function.name)}({lifted}), ret)")
        self.entries.add("}", "")
        pointers = ", ".join([*(f"a{number}: *mut u8" for number in range(len(types))), "ret: *mut u8"])
        casts = ", ".join([*(f"a{number}.cast()" for number in range(len(types))), "ret.cast()"])
        self.forwards.add(
            "#[no_mangle]",
            f'pub unsafe extern "C" fn {link}({pointers}) {{ $crate::{link}::<$guest>({casts}) }}',
        )
        c_params = [f"{kind} a{number}" for number, kind in enumerate(c_function.params)]
        passed = ", ".join([*(f"&a{number}" for number in range(len(types))), "&ret" if function.result else "0"])
        declared = ", ".join([*(f"{kind} *" for kind in c_function.params), f"{c_function.result} *"])
        self.glue.add(f"void {link}({declared});")
        with self.glue.under(f"{c_function.result} {c_function.name}({', '.join(c_params) or 'void'}) {{"):
            if function.result:
                self.glue.add(f"{c_function.result} ret;", f"{link}({passed});", "return ret;")
            else:
                self.glue.add(f"{link}({passed});")
        self.glue.add("}", "")


def _own_name(function: Function) -> str:
    """A function's name: `new` of a resource is the constructor's, whether it has one today or not."""
    return "new_" if function.resource and function.name == "new" else rust_name(function.name)


def _trait(prefix: str) -> str:
    """``wasi_http_types`` → ``WasiHttpTypes``; what stands apart by two underscores stays apart."""
    return "__".join(part if part[0].isdigit() else camel(part.replace("_", "-")) for part in prefix.split("__"))


def _borrows(type_: Type) -> bool:
    inside = unalias(type_)
    return isinstance(inside, BorrowType) or any(map(_borrows, parts(inside)))
