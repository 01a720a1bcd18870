"""What hostile clients, guests and remote servers cost a healthy call: ``make hostile``.

One server, one process for each hostile case (`hostile_cases`), and calls of a small activity over one connection here,
one after another: alone and next to the case in turn, several times, so that both see the same machine. What counts is
the ratio of their 99th percentiles. The table goes into `docs/security.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
sys.path += [str(ROOT / "tests" / name) for name in ("acceptance", "conformance", "")]

from hostile_cases import CASES, FIBO  # noqa: E402
from http_load import Connection, Post  # noqa: E402
from server import Server, free_port  # noqa: E402
from wasi_runs import CACHE, GUESTS, python_guest  # noqa: E402

PAGE: Final = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- measured: make hostile -->\n", "<!-- end -->\n"
BOUND: Final = 5.0
SPINNING: Final = """(component
  (core module $m (func (export "f") (result i32) (loop $again (br $again)) unreachable))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))
  (instance (export "test:hostile/NAME") (export "NAME" (func $f))))"""
SLEEPING: Final = """(component
  (import "obelisk:types/time@5.0.0" (instance $time
    (type $duration' (variant
      (case "milliseconds" u64) (case "seconds" u64) (case "minutes" u32) (case "hours" u32) (case "days" u32)))
    (export "duration" (type $duration (eq $duration')))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $schedule-at' (variant (case "now") (case "at" $datetime) (case "in" $duration)))
    (export "schedule-at" (type (eq $schedule-at')))))
  (alias export $time "datetime" (type $datetime))
  (alias export $time "schedule-at" (type $schedule-at))
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (alias outer 1 $datetime (type $datetime'))
    (export "datetime" (type $datetime (eq $datetime')))
    (alias outer 1 $schedule-at (type $schedule-at'))
    (export "schedule-at" (type $schedule-at (eq $schedule-at')))
    (export "sleep" (func
      (param "schedule-at" $schedule-at) (param "name" (option string)) (result (result $datetime))))))
  (core module $Memory (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
  (core instance $memory (instantiate $Memory))
  (core func $sleep (canon lower (func $support "sleep")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Main
    (import "h" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
    (func (export "f") (result i32)
      (call $sleep (i32.const 2) (i64.const 4) (i64.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
      (i32.const 1)))
  (core instance $main (instantiate $Main (with "h" (instance (export "sleep" (func $sleep))))))
  (func $f (result u32) (canon lift (core func $main "f")))
  (instance (export "test:hostile/sleeper") (export "sleep" (func $f))))"""
SCHEDULING: Final = """(component
  (import "obelisk:types/time@5.0.0" (instance $time
    (type $duration' (variant
      (case "milliseconds" u64) (case "seconds" u64) (case "minutes" u32) (case "hours" u32) (case "days" u32)))
    (export "duration" (type $duration (eq $duration')))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $schedule-at' (variant (case "now") (case "at" $datetime) (case "in" $duration)))
    (export "schedule-at" (type (eq $schedule-at')))))
  (alias export $time "schedule-at" (type $schedule-at))
  (import "obelisk:types/execution@5.0.0" (instance $execution
    (type $execution-id' (record (field "id" string)))
    (export "execution-id" (type (eq $execution-id')))))
  (alias export $execution "execution-id" (type $execution-id))
  (import "test:hostile-obelisk-schedule/loops" (instance $loops
    (alias outer 1 $schedule-at (type $schedule-at'))
    (export "schedule-at" (type $schedule-at (eq $schedule-at')))
    (alias outer 1 $execution-id (type $execution-id'))
    (export "execution-id" (type $execution-id (eq $execution-id')))
    (export "twice-schedule" (func (param "schedule-at" $schedule-at) (result $execution-id)))))
  (core module $Memory (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
  (core instance $memory (instantiate $Memory))
  (core func $schedule (canon lower (func $loops "twice-schedule")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Main
    (import "h" "schedule" (func $schedule (param i32 i64 i64 i32)))
    (func (export "f") (result i32)
      (call $schedule (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 64))
      (call $schedule (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 64))
      (i32.const 1)))
  (core instance $main (instantiate $Main (with "h" (instance (export "schedule" (func $schedule))))))
  (func $f (result u32) (canon lift (core func $main "f")))
  (instance (export "test:hostile/loops") (export "twice" (func $f))))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A case's: 99th percentiles in milliseconds of calls alone and next to it."""

    name: str
    alone_ms: float
    attacked_ms: float

    @property
    def ratio(self) -> float:
        """How much longer it takes."""
        return self.attacked_ms / self.alone_ms

    def row(self) -> str:
        """Of the table."""
        attack = CASES[self.name]
        return (
            f"| {attack.who} | {attack.what} | {self.alone_ms:.1f} ms | {self.attacked_ms:.1f} ms | {self.ratio:.1f} |"
        )


def configuration(folder: Path, remote: int) -> str:
    """All components of the cases, with the limits that they have unasked, and none of them retried."""
    texts = {
        "spin": SPINNING.replace("NAME", "spin"),
        "turn": SPINNING.replace("NAME", "turn"),
        "sleeper": SLEEPING,
        "loops": SCHEDULING,
        "bombs": (ROOT / "tests" / "integration" / "bombs.wat").read_text(),
        "hoarders": (GUESTS / "hoarders.wat").read_text(),
        "fibo": (ROOT / "examples" / "fibo" / "activity.wat").read_text(),
    }
    rule = f'host = "127.0.0.1"\nschemes = ["http"]\nports = [{remote}]\n'
    lines = [f'[cache]\npath = "{CACHE / "compiled"}"']
    for name, text in texts.items():
        (folder / f"{name}.wat").write_text(text)
        kind = 'kind = "workflow"\n' if name in ("turn", "sleeper", "loops") else "max_retries = 0\n"
        lines.append(f'[component.{name}]\npath = "{name}.wat"\n{kind}')
    (folder / "client.wasm").write_bytes(python_guest("client", "calling"))
    lines.append('[component.client]\npath = "client.wasm"\nmax_retries = 0\n')
    lines += [f"[[http.allow]]\n{rule}", f"[[component.client.http.allow]]\n{rule}"]
    return "\n".join(lines)


@contextmanager
def at_work(name: str, port: int, remote: int) -> Generator[None]:
    """A case, in a process of its own."""
    command = [sys.executable, str(HERE / "hostile_cases.py"), name, str(port), str(remote)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", f"{name} did not begin"
            yield
        finally:
            process.kill()


async def calls(port: int, count: int) -> list[float]:
    """Seconds of so many healthy calls, one after another."""
    post = Post(port=port, path=FIBO, body=b'{"n":10}', expect=b"55")
    connection = await Connection.open(post)
    try:
        return [await connection.post() for _ in range(count)]
    finally:
        connection.close()


def p99(seconds: list[float]) -> float:
    """Their 99th percentile, in milliseconds."""
    return sorted(seconds)[min(len(seconds) - 1, len(seconds) * 99 // 100)] * 1000


def measured(name: str, rounds: int, count: int) -> Figures:
    """A case. Each round has a server of its own: what a case began goes on when its clients have gone."""
    alone: list[float] = []
    attacked: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            remote = free_port()
            server = Server(Path(folder), configuration(Path(folder), remote))
            try:
                server.start()
                asyncio.run(calls(server.port, 50))
                alone += asyncio.run(calls(server.port, count))
                with at_work(name, server.port, remote):
                    attacked += asyncio.run(calls(server.port, count))
            finally:
                server.close()
    return Figures(name=name, alone_ms=p99(alone), attacked_ms=p99(attacked))


def table(found: list[Figures]) -> str:
    """The part of the page."""
    rows = [figures.row() for figures in found]
    head = ["| who | case | p99 alone | p99 next to it | ratio |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def main() -> int:
    """Measure, print, and with ``--write`` put the table into the page; 1 when a ratio is above the bound."""
    parser = argparse.ArgumentParser(description="What hostile cases cost a healthy call.")
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all if none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=200, help="in each round, alone and next to the case")
    parser.add_argument("--write", action="store_true", help="put the table into docs/security.md")
    asked = parser.parse_args()
    found: list[Figures] = []
    for name in asked.cases or list(CASES):
        found.append(measured(name, asked.rounds, asked.calls))
        print(f"{name:>16}: {found[-1].alone_ms:8.1f} {found[-1].attacked_ms:8.1f} {found[-1].ratio:6.1f}", flush=True)
    print(table(found))
    if asked.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + table(found) + END + rest.partition(END)[2])
    return int(any(figures.ratio > BOUND for figures in found))


if __name__ == "__main__":
    sys.exit(main())
