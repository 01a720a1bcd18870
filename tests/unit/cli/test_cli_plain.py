"""Text of strangers does not command the terminal, in no command."""

from __future__ import annotations

import ast
import io
import logging
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import Terminal, on_terminal
from command_line import obelisk as run
from obelisk.cli import console
from obelisk.cli.errors import CommandError
from obelisk.cli.execution.follow import tree
from obelisk.cli.execution.tree import Node
from obelisk.cli.json_text import json_text
from obelisk.cli.plain import below, in_one_line, plain
from obelisk.cli.progress import ProgressLine
from obelisk.cli.server.log import JsonLines, TextLines

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\r\x00\u202egpj.exe\u2066\u2028end"
COMMANDS = frozenset(map(chr, [*range(9), *range(11, 32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F)]))
FOLDER = Path(console.__file__).parent


def raw(text: str, *, but: str = "") -> set[str]:
    """The control characters in a text."""
    return {char for char in text if char in COMMANDS} - set(but)


def test_control_characters_are_escaped_and_others_kept() -> None:
    assert plain("é 漢字 🎉\ttab\nline") == "é 漢字 🎉\ttab\nline"
    assert plain("\x1b[31m\x9b\u202e\r") == "\\x1b[31m\\x9b\\u202e\\x0d"
    assert plain("a\r\nb") == "a\nb"
    assert in_one_line("a\tb\nc") == "a\\tb\\nc"
    assert below("a\nb\n  c\n\nd") == "a\n    b\n  c\n\n    d"
    assert not raw(plain(HOSTILE))


@given(st.text(alphabet=st.one_of(st.sampled_from(sorted(COMMANDS)), st.characters(codec="utf-8"))))
def test_nothing_gets_through(text: str) -> None:
    for shown in (plain(text), in_one_line(text), below(text), json_text([text]), json_text({text: text}, indent=2)):
        assert not raw(shown)
    assert msgspec.json.decode(json_text(text)) == text, "JSON reads back the same"


@pytest.mark.parametrize("as_json", [False, True])
def test_errors(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console.error(CommandError("source_invalid", f"a source says {HOSTILE}", hint=HOSTILE), as_json=as_json)
    said = capsys.readouterr().err
    assert "owned" in said
    assert not raw(said)


def test_results_notes_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    console.value({"a": HOSTILE})
    console.note(HOSTILE)
    console.say(HOSTILE)
    console.labelled("at ", HOSTILE, f"{HOSTILE}\nsecond", colour=None)
    console.table(["a", "b"], [[HOSTILE, "two\tcells\nand a line"]])
    said = capsys.readouterr()
    assert not raw(said.out + said.err)
    assert said.out.splitlines()[-1].count("\t") == 1, "a cell stays one"
    assert said.out.splitlines()[-3] == "    second", "and a line does not look like another"


def test_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    console.table(["a"], [[HOSTILE]])
    assert "owned" in out.getvalue()
    assert "]0;" in out.getvalue()
    assert "\x1b]" not in out.getvalue()
    assert "\u202e" not in out.getvalue()


def test_progress() -> None:
    out = Terminal()
    ProgressLine(out).say(f"downloading {HOSTILE}")
    assert not raw(out.getvalue().removeprefix("\r\x1b[K"))


def test_a_tree_that_is_followed() -> None:
    from rich.console import Console

    node = Node(
        shown={
            "execution_id": f"E_{HOSTILE}",
            "status": "finished",
            "result_kind": HOSTILE,
            "created_at": "2030-01-01T00:00:00Z",
            "finished_at": "2030-01-01T00:00:01Z",
            "ffqn": f"a:b/c.{HOSTILE}",
            "attempts": 1,
        }
    )
    out = io.StringIO()
    Console(file=out, width=500).print(tree(node, 0, 10))
    assert out.getvalue().count("owned") == 2, "of a function the part after the last dot"
    assert not raw(out.getvalue())


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
def test_the_log_of_a_server(formatter: logging.Formatter) -> None:
    record = logging.makeLogRecord({"msg": "%s said\n2030 ERROR forged", "args": (HOSTILE,), "levelname": "INFO"})
    shown = formatter.format(record)
    assert not raw(shown)
    assert not any(line.startswith("2030 ERROR forged") for line in shown.splitlines())


def test_what_the_command_line_itself_says() -> None:
    ran = run("execution", f"no{HOSTILE}")
    assert "owned" in ran.err
    assert not raw(ran.err)


def test_wit_of_a_stranger(tmp_path: Path) -> None:
    path = tmp_path / "a.wit"
    path.write_text(f"package a:b;\n/// {HOSTILE.replace(chr(0), '')}\ninterface c {{}}\n")
    for command in ("check", "print", "json"):
        ran = run("wit", command, str(path))
        assert not raw(ran.out + ran.err), command
        assert "\x1b" not in on_terminal("wit", command, str(path))


def test_all_commands_print_through_the_console() -> None:
    """`console` and `progress` alone write text; the other writes are files, or bytes of a backup."""
    found: list[str] = []
    for path in sorted(FOLDER.rglob("*.py")):
        if path.name in ("console.py", "progress.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                *("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"),
                *("click.echo_via_pager", "typer.echo", "click.style"),
            ):
                found.append(f"{path.name}:{node.lineno}")
    assert found == []
