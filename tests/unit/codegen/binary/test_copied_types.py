"""Instantiation: what is supplied stands for what was imported, the rest is new each time, outside things stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from obelisk.codegen.binary.decoder import Decoded
from obelisk.codegen.model.items import Interface, World, WorldInterface
from obelisk.codegen.model.types import ListType, OptionType, OwnType, RecordType, ResourceType


def interfaces(world: World) -> list[Interface]:
    return [i.interface for i in world.imports + world.exports if isinstance(i, WorldInterface)]


def test_types_inside_a_supplied_instance(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (import "a:b/types" (instance $t (export "r" (type (sub resource)))))
      (component $c
        (import "types" (instance $i (export "r" (type (sub resource)))))
        (alias export $i "r" (type $r))
        (import "f" (func $f (param "x" (list (own $r)))))
        (export $e "r" (type $r))
        (export "f" (func $f) (func (param "x" (list (own $e))))))
      (alias export $t "r" (type $r))
      (import "f" (func $f (param "x" (list (own $r)))))
      (instance $i (instantiate $c (with "types" (instance $t)) (with "f" (func $f))))
      (export "a:b/api" (instance $i)))""")
    types, api = interfaces(world)
    assert api.types[0].body == types.types[0]
    assert api.functions[0].params[0].type == ListType(OwnType(api.types[0]))


TWICE = """(component
  (import "g" (func $g))
  (component $c
    (type $r' (resource (rep i32)))
    (export $r "r" (type $r'))
    (type $s' (record (field "l" (option (own $r)))))
    (export $s "s" (type $s'))
    (core module $m (func (export "f") (param i32 i32)))
    (core instance $i (instantiate $m))
    (func $f (param "s" $s) (canon lift (core func $i "f")))
    (export "f" (func $f)))
  (instance $one (instantiate $c))
  (instance $two (instantiate $c))
  (export "a:b/one" (instance $one))
  (export "a:b/two" (instance $two)))"""


def test_each_instance_has_resources_of_its_own(world_of: Callable[[str], World]) -> None:
    one, two = interfaces(world_of(TWICE))
    for interface in (one, two):
        resource, record = interface.types
        assert resource.body == ResourceType()
        assert isinstance(record.body, RecordType)
        assert record.body.fields[0].type == OptionType(OwnType(resource))
        assert interface.functions[0].params[0].type == record
    assert [t.owner.name for t in one.types + two.types] == ["one", "one", "two", "two"]


def test_components_and_instances_within_are_copied_too(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (type $outside (record (field "x" u8)))
      (component $c
        (component $inner
          (type $r' (resource (rep i32)))
          (export "r" (type $r')))
        (instance $deep (instantiate $inner))
        (export "inner" (component $inner))
        (export "deep" (instance $deep)))
      (instance $i (instantiate $c))
      (alias export $i "deep" (instance $deep))
      (alias export $i "inner" (component $again))
      (instance $second (instantiate $again))
      (export "a:b/deep" (instance $deep))
      (export "a:b/second" (instance $second)))""")
    deep, second = interfaces(world)
    assert [t.body for t in deep.types + second.types] == [ResourceType(), ResourceType()]


def test_what_is_defined_outside_stays_the_same(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (import "a:b/types" (instance $t (export "r" (type (sub resource)))))
      (alias export $t "r" (type $r))
      (type $i (instance
        (alias outer 1 $r (type $r'))
        (export "r" (type $e (eq $r')))
        (export "f" (func (param "x" (own $e))))))
      (import "a:b/one" (instance (type $i)))
      (import "a:b/two" (instance (type $i))))""")
    types, one, two = interfaces(world)
    assert one.types[0].body == two.types[0].body == types.types[0]
    assert two.functions[0].params[0].type == OwnType(two.types[0])


def test_component_types_within_component_types(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (type $outer (component
        (import "c" (component $c (import "r" (type $r (sub resource))) (export "f" (func (param "x" (own $r))))))
        (export "i" (instance (export "c" (component))))))
      (component $impl (import "c" (component $c (import "r" (type (sub resource))))) (export "f" (component $c)))
      (import "o" (component (type $outer)))
      (import "g" (func)))""")
    assert [getattr(item, "name", "") for item in world.imports] == ["g"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('(instance $i (export "f" (func $f)))', "exports no type 'r'"),
        ('(instance $i (export "r" (func $f)))', "exports no type 'r'"),
    ],
)
def test_a_supplied_instance_must_fit(decode_text: Callable[[str], Decoded], given: str, said: str) -> None:
    decoded = decode_text(f"""(component
      (import "f" (func $f))
      (component $c (import "i" (instance (export "r" (type (sub resource))))))
      {given}
      (instance (instantiate $c (with "i" (instance $i)))))""")
    (found,) = decoded.problems
    assert (found.code, said in found.message) == ("bad-index", True)
