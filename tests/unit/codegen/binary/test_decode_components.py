"""Components to worlds: imports, exports, shims, re-exports, what toolchains add."""

from __future__ import annotations

from collections.abc import Callable

from obelisk.codegen.binary.decoder import ROOT, Decoded
from obelisk.codegen.model.items import Function, FunctionKind, World, WorldInterface, world_key
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import (
    BorrowType,
    ListType,
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    TypeDef,
    definition,
)

U32, STRING = Primitive.U32, Primitive.STRING

ACTIVITY = """(component
  (core module $m (memory (export "memory") 1) (func (export "fibo") (param i32) (result i32) (i32.const 16)))
  (core instance $i (instantiate $m))
  (func $fibo (param "n" u8) (result (result u64 (error string)))
    (canon lift (core func $i "fibo") (memory (core memory $i "memory")) string-encoding=utf8))
  (instance $e (export "fibo" (func $fibo)))
  (export "demo:fibo/fibo@1.0.0" (instance $e)))"""


def interface(world: World, name: str) -> WorldInterface:
    return next(i for i in world.imports + world.exports if isinstance(i, WorldInterface) and world_key(i) == name)


def test_a_lifted_function_in_an_inline_instance(world_of: Callable[[str], World]) -> None:
    world = world_of(ACTIVITY)
    assert world.name == ROOT
    assert world.imports == ()
    exported = interface(world, "demo:fibo/fibo@1.0.0").interface
    assert exported.name == InterfaceName(PackageName("demo", "fibo", "1.0.0"), "fibo")
    (function,) = exported.functions
    assert (function.name, function.kind, function.is_async) == ("fibo", FunctionKind.FREE, False)
    assert [(p.name, p.type) for p in function.params] == [("n", Primitive.U8)]
    assert function.result == ResultType(Primitive.U64, STRING)


def test_packages_end_with_the_component(decode_text: Callable[[str], Decoded]) -> None:
    resolution = decode_text(ACTIVITY).resolution
    assert resolution is not None
    assert [str(p.name) for p in resolution.packages] == ["demo:fibo@1.0.0", "root:component"]
    assert resolution.main == (ROOT.package,)
    world = resolution.world(ROOT)
    assert world is not None
    assert resolution.interface(InterfaceName.parse("demo:fibo/fibo@1.0.0")) in [
        i.interface for i in world.exports if isinstance(i, WorldInterface)
    ]


RESOURCES = """(component
  (import "t:p/types" (instance $t
    (export "file" (type $file (sub resource)))
    (export "[constructor]file" (func (param "name" string) (result (own $file))))
    (export "[method]file.read" (func (param "self" (borrow $file)) (param "n" u32) (result (list u8))))
    (export "[static]file.root" (func (result (own $file))))
    (type $stat-shape (record (field "size" u64) (field "owner" string)))
    (export "stat" (type $stat (eq $stat-shape)))
    (export "stats" (func (param "files" (list (borrow $file))) (result (list $stat))))))
  (alias export $t "file" (type $file))
  (alias export $t "stat" (type $stat))
  (import "t:p/user" (instance
    (export "file" (type $own-file (eq $file)))
    (export "info" (type $info (eq $stat)))
    (export "take" (func (param "f" (own $own-file)) (result $info))))))"""


def test_resources_and_their_functions(world_of: Callable[[str], World]) -> None:
    types = interface(world_of(RESOURCES), "t:p/types").interface
    file, stat = types.types
    assert (file.name, file.body, stat.name) == ("file", ResourceType(), "stat")
    assert isinstance(stat.body, RecordType)
    described = [(f.name, f.kind, f.resource, f.export_name) for f in types.functions]
    assert described == [
        ("constructor", FunctionKind.CONSTRUCTOR, "file", "[constructor]file"),
        ("read", FunctionKind.METHOD, "file", "[method]file.read"),
        ("root", FunctionKind.STATIC, "file", "[static]file.root"),
        ("stats", FunctionKind.FREE, "", "stats"),
    ]
    assert types.functions[0].result == OwnType(file)
    assert types.functions[1].params[0].type == BorrowType(file)
    assert types.functions[3].params[0].type == ListType(BorrowType(file))
    assert types.functions[3].result == ListType(stat)


def test_a_second_name_is_an_alias(world_of: Callable[[str], World]) -> None:
    world = world_of(RESOURCES)
    types, user = interface(world, "t:p/types").interface, interface(world, "t:p/user").interface
    file, info = user.types
    assert (file.body, info.name, info.body) == (types.types[0], "info", types.types[1])
    assert definition(info) is types.types[1]
    assert user.functions[0].params[0].type == OwnType(file)
    assert user.functions[0].result is info


SHIM = """(component
  (import "t:p/types" (instance $t
    (type $shape (record (field "x" u32)))
    (export "pt" (type (eq $shape)))
    (export "res" (type (sub resource)))))
  (alias export $t "pt" (type $pt))
  (alias export $t "res" (type $res))
  (import "f" (func $f (param "a" $pt) (param "r" (own $res))))
  (component $shim
    (type $shape (record (field "x" u32)))
    (import "import-pt" (type $ipt (eq $shape)))
    (import "import-res" (type $ires (sub resource)))
    (import "import-f" (func $if (param "a" $ipt) (param "r" (own $ires))))
    (export $ept "pt" (type $ipt))
    (export $eres "my-res" (type $ires))
    (export "f" (func $if) (func (param "a" $ept) (param "r" (own $eres)))))
  (instance $i (instantiate $shim (with "import-pt" (type $pt)) (with "import-res" (type $res))
    (with "import-f" (func $f))))
  (export "t:p/api" (instance $i))
  (export "t:p/again" (instance $i)))"""


def test_an_instantiated_shim_keeps_the_identity_of_types(world_of: Callable[[str], World]) -> None:
    world = world_of(SHIM)
    types, api = interface(world, "t:p/types").interface, interface(world, "t:p/api").interface
    pt, res = api.types
    assert (pt.body, res.name, res.body) == (types.types[0], "my-res", types.types[1])
    assert [p.type for p in api.functions[0].params] == [pt, OwnType(res)]


def test_one_instance_under_two_names(world_of: Callable[[str], World]) -> None:
    world = world_of(SHIM)
    api, again = interface(world, "t:p/api").interface, interface(world, "t:p/again").interface
    assert [t.body for t in again.types] == list(api.types)
    assert again.functions[0].params[0].type is again.types[0]


def test_two_imports_of_one_type_have_resources_of_their_own(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (type $i (instance (export "r" (type $r (sub resource))) (type $s (record (field "l" (list (own $r)))))
        (export "s" (type $s' (eq $s))) (export "f" (func (param "s" $s')))))
      (import "a:b/one" (instance (type $i)))
      (import "a:b/two" (instance (type $i))))""")
    one, two = (i.interface for i in world.imports if isinstance(i, WorldInterface))
    assert [t.owner.name for t in one.types + two.types] == ["one", "one", "two", "two"]
    assert two.types[1].body == RecordType(two.types[1].body.fields)  # type: ignore[union-attr]
    assert two.functions[0].params[0].type is two.types[1]
    assert two.types[0].body == ResourceType()


def test_an_import_lists_only_what_it_has(decode_text: Callable[[str], Decoded]) -> None:
    decoded = decode_text("""(component
      (import "a:b/c" (instance $c (export "f" (func))))
      (alias export $c "f" (func $f))
      (instance $e (export "f" (func $f)) (export "g" (func $f)))
      (export "a:b/c" (instance $e)))""")
    assert decoded.world is not None
    assert decoded.resolution is not None
    whole = decoded.resolution.interface(InterfaceName.parse("a:b/c"))
    imported, exported = (interface(World(name=ROOT, imports=i), "a:b/c").interface for i in sides(decoded.world))
    assert [f.name for f in imported.functions] == ["f"]
    assert [f.name for f in exported.functions] == ["f", "g"]
    assert whole == exported


def sides(world: World) -> tuple[tuple[WorldInterface, ...], tuple[WorldInterface, ...]]:
    imports = tuple(i for i in world.imports if isinstance(i, WorldInterface))
    return imports, tuple(i for i in world.exports if isinstance(i, WorldInterface))


def test_plain_names_are_functions_types_and_inline_interfaces(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (type $shape (record (field "x" u32)))
      (import "pt" (type $pt (eq $shape)))
      (import "plain" (func $plain (param "p" $pt)))
      (import "exports" (instance $inline (export "init" (func (param "symbols" (list string))))))
      (export "run" (func $plain))
      (export "inside" (instance $inline)))""")
    pt, plain, inline = world.imports
    assert isinstance(pt, TypeDef)
    assert (pt.name, pt.owner, isinstance(pt.body, RecordType)) == ("pt", ROOT, True)
    assert isinstance(plain, Function)
    assert plain.params[0].type is pt
    assert isinstance(inline, WorldInterface)
    assert (inline.interface.inline_name, inline.interface.name) == ("exports", ROOT)
    run, inside = world.exports
    assert isinstance(run, Function)
    assert (run.name, run.params) == ("run", plain.params)
    assert isinstance(inside, WorldInterface)
    assert inside.interface.inline_name == "inside"


def test_what_wit_has_no_word_for_is_no_part_of_the_world(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (import "m" (core module $m (export "f" (func))))
      (import "c" (component $c (export "f" (func))))
      (export "m2" (core module $m))
      (export "c2" (component $c))
      (core type $t (module (import "a" "b" (func)) (export "c" (memory 1)))))""")
    assert (world.imports, world.exports) == ((), ())


def test_a_resource_of_the_component_itself(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (type $r' (resource (rep i32)))
      (export $r "r" (type $r'))
      (core module $m (func (export "new") (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func $new (result (own $r)) (canon lift (core func $i "new")))
      (export "[constructor]r" (func $new)))""")
    resource, constructor = world.exports
    assert isinstance(resource, TypeDef)
    assert resource.body == ResourceType()
    assert isinstance(constructor, Function)
    assert constructor.export_name == "[constructor]r"
    assert constructor.result == OwnType(resource)


def test_asynchronous_functions(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (import "a:b/c" (instance (export "r" (type $r (sub resource)))
        (export "f" (func async (param "x" u32))) (export "[method]r.m" (func async (param "self" (borrow $r)))))))""")
    assert [(f.export_name, f.is_async) for f in interface(world, "a:b/c").interface.functions] == [
        ("f", True),
        ("[method]r.m", True),
    ]


def test_packages_come_after_those_they_use(decode_text: Callable[[str], Decoded]) -> None:
    decoded = decode_text("""(component
      (import "z:base/types@1.0.0" (instance $z (export "r" (type (sub resource)))))
      (alias export $z "r" (type $r))
      (import "m:mid/types" (instance $m (export "r" (type $q (eq $r))) (export "f" (func (param "r" (borrow $q))))))
      (alias export $m "r" (type $mr))
      (import "a:top/api" (instance (export "r" (type $q (eq $mr))) (export "g" (func (param "r" (borrow $q)))))))""")
    assert decoded.resolution is not None
    names = [str(p.name) for p in decoded.resolution.packages]
    assert names == ["z:base@1.0.0", "m:mid", "a:top", "root:component"]


def test_a_package_whose_need_comes_to_light_later(decode_text: Callable[[str], Decoded]) -> None:
    decoded = decode_text("""(component
      (import "a:top/first" (instance (export "f" (func))))
      (import "b:base/types" (instance $b (export "r" (type (sub resource)))))
      (alias export $b "r" (type $r))
      (import "a:top/second" (instance (export "r" (type (eq $r))))))""")
    assert decoded.resolution is not None
    assert [str(p.name) for p in decoded.resolution.packages] == ["b:base", "a:top", "root:component"]
