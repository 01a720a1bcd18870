"""Writing Python source: blocks of indented lines, unique identifiers, templates. Knows nothing of WIT."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Generator, Sequence
from functools import cache
from importlib import resources

import jinja2

from obelisk.codegen.emit.folding import fold

_NOT_WORD = re.compile(r"\W+", re.ASCII)
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
MAX_WIDTH = 120
"""Columns of a line of generated source."""


class Block:
    """Lines of source with a current indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._level = 0

    def add(self, *lines: str) -> None:
        """Append lines at the current indentation."""
        self.lines.extend("    " * self._level + line if line else "" for line in lines)

    @contextlib.contextmanager
    def under(self, *head: str) -> Generator[None]:
        """Append `head`, if there is one, and indent what is added within."""
        self.add(*head)
        self._level += 1
        yield
        self._level -= 1

    def code(self, line: str) -> None:
        """Append one line of code, folded when it is too long."""
        self.add(*fold(line, MAX_WIDTH - 4 * self._level))

    def listed(self, head: str, items: Sequence[str], tail: str, *, call: bool = False) -> None:
        """Append ``head item, item tail``; over several lines when one is too long, as the usual formatters do.

        A `call` tries its arguments on one line of their own before it gives each a line. A tail that begins with a
        comma, for a tuple of one item, has it only where the item does not.
        """
        line = head + ", ".join(items) + tail
        if not items or (self.width(line) <= MAX_WIDTH and "\n" not in line):
            self.add(line)
            return
        with self.under(head):
            joined = ", ".join(items)
            if call and self.width(joined) <= MAX_WIDTH:
                self.add(joined + ("," if tail.startswith(",") else ""))
            else:
                self.add(*(line for item in items for line in fold(item, MAX_WIDTH - 4 * self._level, ",")))
        self.add(tail.removeprefix(","))

    def width(self, line: str) -> int:
        """Columns that `line` takes at the current indentation."""
        return 4 * self._level + len(line)

    def text(self) -> str:
        """All lines, each ended."""
        return "".join(f"{line}\n" for line in self.lines)


class NameTable:
    """Hands out identifiers, each once: a taken one gets a number."""

    def __init__(self, *reserved: str) -> None:
        self._taken = dict.fromkeys(reserved, 1)

    def unique(self, wanted: str) -> str:
        """`wanted`, or `wanted_2`, `wanted_3`, …"""
        name, number = wanted, self._taken.get(wanted, 0)
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken[wanted] = max(number, 1)
        self._taken.setdefault(name, 1)
        return name


def docstring(text: str) -> list[str]:
    """The lines of a docstring literal. They are inert, whatever `text` holds: it may come from a stranger's WIT."""
    escaped = "\n".join(visible_lines(text)).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = escaped.split("\n")
    if lines[-1].endswith('"'):
        lines[-1] += " "
    lines[0] = f'"""{lines[0]}'
    return [*lines[:-1], f'{lines[-1]}"""'] if len(lines) == 1 else [*lines, '"""']


def line_comment(sign: str, text: str) -> list[str]:
    """Documentation as comments, each line after `sign` (``//`` or ``///``); nothing for no text.

    A line that ends in a backslash (or in its trigraph) would go on in the next line of C source: its end is marked.
    """
    lines = [f"{sign} {line}".rstrip() for line in visible_lines(text)] if text.strip() else []
    return [f"{line} {sign}" if line.endswith(("\\", "??/")) else line for line in lines]


def visible_lines(text: str) -> list[str]:
    """The lines of documentation without white space around it and after each.

    Characters that no source text may hold, or that would make it read as something else (control characters,
    directions of writing), become escapes such as ``\\x00``.
    """
    return [_UNSAFE.sub(_escape, line).rstrip() for line in text.strip().splitlines()] or [""]


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def literal(text: str) -> str:
    """A string literal in double quotes."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def slug(text: str, limit: int = 60) -> str:
    """Any text as part of an identifier: words joined by underscores, cut when long."""
    return _NOT_WORD.sub("_", text).strip("_")[:limit].rstrip("_")


@cache
def _environment() -> jinja2.Environment:
    folder = resources.files("obelisk.codegen.emit") / "templates"
    sources = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.name.endswith(".j2")}
    return jinja2.Environment(
        loader=jinja2.DictLoader(sources),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template: str, **values: object) -> str:
    """Fill the template of that file name."""
    return _environment().get_template(template).render(**values)
