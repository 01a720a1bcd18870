"""Layout of WIT texts; that it keeps tokens and comments is a law (`tests/laws/test_wit_text_laws.py`)."""

from __future__ import annotations

import pytest

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax.formatter import WIDTH, format_text


def formatted(text: str) -> str:
    collector = Collector()
    result = format_text(SourceFile("t.wit", text), collector)
    assert result is not None, collector.ordered()
    assert format_text(SourceFile("t.wit", result), Collector()) == result
    return result


MESSY = """// head
package   a:b@1.0.0-rc.1 ; // behind
use x:y/z@1.0.0 as   zz;
/// docs
@since(version=1.0.0-rc.1) @deprecated( version = 1.0.0 )
interface i{use zz.{a,b as c};type t=list<tuple<u32,string,>,4>;
// own

  record r{a:u32,/* x */b: option < string >

// last
}
 variant v {a,b(u32), // bee
 c}
  resource q{constructor(a:u32)->result<q>;@unstable(feature = x) m:static async func()->q;} resource e {}


  h:func();}
world w{import a:b/c@1.0.0;import foo : zz;export x:interface{f:func();} include other with{a as b,c as d,};}
package n:m { interface e {} }
"""
TIDY = """// head
package a:b@1.0.0-rc.1; // behind
use x:y/z@1.0.0 as zz;

/// docs
@since(version = 1.0.0-rc.1)
@deprecated(version = 1.0.0)
interface i {
  use zz.{a, b as c};
  type t = list<tuple<u32, string>, 4>;
  // own

  record r {
    a: u32, /* x */
    b: option<string>,

    // last
  }
  variant v {
    a,
    b(u32), // bee
    c,
  }
  resource q {
    constructor(a: u32) -> result<q>;
    @unstable(feature = x)
    m: static async func() -> q;
  }
  resource e {}

  h: func();
}

world w {
  import a:b/c@1.0.0;
  import foo: zz;
  export x: interface {
    f: func();
  }
  include other with { a as b, c as d }
}

package n:m {
  interface e {}
}
"""


def test_everything() -> None:
    assert formatted(MESSY) == TIDY


LONG = "a-rather-long-parameter-name"


def test_long_statements_get_a_line_for_each_part() -> None:
    params = ", ".join(f"{LONG}-{n}: list<tuple<u8, u8>>" for n in range(3))
    text = f"interface i {{ f: func({params}) -> u8; use x.{{{LONG}-1, {LONG}-2, {LONG}-3, {LONG}-4 as x}}; }}"
    assert (
        formatted(text)
        == f"""interface i {{
  f: func(
    {LONG}-0: list<tuple<u8, u8>>,
    {LONG}-1: list<tuple<u8, u8>>,
    {LONG}-2: list<tuple<u8, u8>>,
  ) -> u8;
  use x.{{
    {LONG}-1,
    {LONG}-2,
    {LONG}-3,
    {LONG}-4 as x,
  }};
}}
"""
    )


def test_a_long_statement_with_nothing_to_break_stays() -> None:
    name = "x" * WIDTH
    assert formatted(f"interface i {{ type {name} = u8; {name}: func(); }}").count("\n") == 4


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("\n\n", ""),
        ("// only\n\n\n// comments", "// only\n\n// comments\n"),
        ("interface i {\n\n}", "interface i {}\n"),
        ("interface i { // c\n}", "interface i { // c\n}\n"),
        ("interface i {\n// c\n}", "interface i {\n  // c\n}\n"),
        ("interface i {} // c\ninterface j {}", "interface i {} // c\n\ninterface j {}\n"),
        ("interface i {}\n// c\ninterface j {}", "interface i {}\n\n// c\ninterface j {}\n"),
        ("use a;use b;", "use a;\nuse b;\n"),
        ("interface i { f: func(a: u8 /* x */, b: u8); }", "interface i {\n  f: func(a: u8 /* x */, b: u8);\n}\n"),
        ("world w { include a with {b as c} /* x */ ; }", "world w {\n  include a with { b as c } /* x */;\n}\n"),
    ],
)
def test_small_texts(text: str, result: str) -> None:
    assert formatted(text) == result


def test_a_line_comment_inside_a_statement_ends_the_line() -> None:
    assert formatted("interface i { f: func( // one\n // two\n a: u8); }") == (
        "interface i {\n  f: func( // one\n      // two\n      a: u8);\n}\n"
    )


def test_a_text_with_syntax_errors_is_left_alone() -> None:
    collector = Collector()
    assert format_text(SourceFile("t.wit", "interface {"), collector) is None
    assert [d.code for d in collector.ordered()] == ["unexpected-token"]
