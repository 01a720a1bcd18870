"""What is left of what build tools say: the error and its place, nothing of the tool."""

from __future__ import annotations

import textwrap

import pytest

from obelisk.cli.building import tool_errors

PYTHON = """
Traceback (most recent call last):
  File "/home/ada/.venv/bin/componentize-py", line 8, in <module>
    sys.exit(script())
AssertionError: {error}


Caused by:
    SyntaxError: invalid syntax (app.py, line 1)

Stack backtrace:
   0: <anyhow::Error>::msg::<alloc::string::String>
"""


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ('  File "/0/app.py", line 1\n    def f(:\n          ^\nSyntaxError: invalid', 'File "src/app.py", line 1\n'),
        (
            "TypeError: Can't instantiate abstract class Greetings",
            "TypeError: Can't instantiate abstract class Greetings",
        ),
    ],
)
def test_python(error: str, shown: str) -> None:
    readable = tool_errors.componentize_py(PYTHON.format(error=error), "src")
    assert shown in readable
    assert readable.splitlines()[-1] == error.splitlines()[-1]
    assert "anyhow" not in readable
    assert "sys.exit" not in readable


def test_python_that_speaks_otherwise() -> None:
    assert tool_errors.componentize_py("\x1b[31merror:\x1b[0m no such world\n", "src") == "error: no such world"


def test_rustc() -> None:
    said = textwrap.dedent("""\
        warning: unused import: `exports`
         --> /tmp/x/src/a.rs:2:13

        error[E0599]: no method named `is_emty` found
         --> /tmp/x/src/a.rs:9:17
          |
        9 |   name.is_emty()

        error: aborting due to previous error; 1 warning emitted

        For more information about this error, try `rustc --explain E0599`.
        """)
    assert tool_errors.rustc(said, "/tmp/x/src", "src") == (
        "error[E0599]: no method named `is_emty` found\n --> src/a.rs:9:17\n  |\n9 |   name.is_emty()"
    )
    assert tool_errors.rustc("rustc: no such option\n", "/x", "x") == "rustc: no such option"


def test_what_rust_does_not_export() -> None:
    said = "error: undefined symbol: wit_rust_export_6\n    note: referenced by /tmp/x/glue.o:exports_a_b\n"
    assert "`world::export!(TYPE);`" in tool_errors.linker(said)
    assert tool_errors.linker("error: undefined symbol: other\n") == ""


def test_clang() -> None:
    said = textwrap.dedent("""\
        /tmp/x/src/a.c:3:5: warning: unused variable
            3 |     int x;
              |     ^
        /tmp/x/src/a.c:4:9: error: expected ';'
            4 |     f()
              |        ^
        1 warning and 1 error generated.
        """)
    assert tool_errors.clang(said, "/tmp/x/src", "src") == (
        "src/a.c:4:9: error: expected ';'\n    4 |     f()\n      |        ^"
    )
    assert tool_errors.clang("error: no such target\n", "/x", "x") == "error: no such target"


def test_quickjs() -> None:
    said = textwrap.dedent("""\
        componentize-qjs
          JS:     bad/app.js
        Error: : Failed to evaluate user JavaScript module: Failed to finish JavaScript module evaluation: Error: no
            at f (/bad/app.js:1:26)
            at <anonymous> (/bad/app.js:2:1)
        """)
    assert tool_errors.componentize_qjs(said, "my project") == (
        "Error: no\n    at f (my project/bad/app.js:1:26)\n    at <anonymous> (my project/bad/app.js:2:1)"
    )
    assert tool_errors.componentize_qjs("Usage: …", ".") == "Usage: …"


def test_starlingmonkey() -> None:
    said = textwrap.dedent("""\
        file:///home/ada/node_modules/@bytecodealliance/componentize-js/src/componentize.js:365
            throw new Error(err);
                  ^

        Error: Failed to initialize component
        Exception while evaluating top-level script
        bad/app.js:1:22 Error: no
            at componentize (file:///home/ada/componentize.js:365:11)
            at async file:///home/ada/build.mjs:5:23

        Node.js v20.20.2
        """)
    assert tool_errors.componentize_js(said) == (
        "Error: Failed to initialize component\nException while evaluating top-level script\nbad/app.js:1:22 Error: no"
    )
    assert tool_errors.componentize_js("killed") == "killed"


def test_only_the_end_of_much_output() -> None:
    said = "\n".join(str(number) for number in range(1000))
    assert tool_errors.plain(said).splitlines() == [str(number) for number in range(975, 1000)]
