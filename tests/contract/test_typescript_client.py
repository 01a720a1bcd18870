"""Generated TypeScript: strict, true to what its page says, without loss for every type, and against a real server."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from npm_tools import ROOT, compiled, run
from obelisk.cli.generating import shell
from obelisk.codegen.emit.typescript.names import method_name
from obelisk.codegen.emit.validators import compile_params
from obelisk.codegen.model.items import Function
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import ResultType, unalias
from obelisk.codegen.resolve.load import load
from obelisk.gateway.http.wide_integers import quoted
from test_json_codec_laws import values

acceptance = importlib.import_module("server")

GOLDEN = ROOT / "tests/golden"
PAGE = (ROOT / "docs/wit-to-typescript.md").read_text()
EXCERPTS: list[tuple[str, str]] = re.findall(r"<!-- from (\S+) -->\n```\w+\n(.*?)\n```\n", PAGE, re.DOTALL)
PROGRAMS: dict[str, str] = dict(re.findall(r"<!-- run: (\w+) -->\n```typescript\n(.*?)\n```\n", PAGE, re.DOTALL))
KINDS = InterfaceName.parse("test:every/kinds@1.2.0")
ONLY = frozenset({"typescript"})

MISUSE = """
import { OrdersClient } from "./generated/docs_shop/typescript/client.js";
import type { Refusal } from "./generated/docs_shop/typescript/types/orders.js";
import { WorkflowClient } from "./generated/demo_fibo/typescript/client.js";
import { Client, type Result } from "./generated/obelisk/index.js";

const server = new Client("http://127.0.0.1:1");
const { place } = new OrdersClient(server);
const { fiboa } = new WorkflowClient(server);

export async function use(): Promise<void> {
  const good: Result<bigint, string> = await fiboa({ n: 1, iterations: 1 });
  // @ts-expect-error a u64 is a bigint
  const number: Result<number, string> = await fiboa({ n: 1, iterations: 1 });
  // @ts-expect-error all parameters are needed
  await fiboa({ n: 1 });
  // @ts-expect-error a function with parameters is not called without
  await fiboa();
  // @ts-expect-error no such flag
  await place({ items: [], speed: "express", extras: ["gift-wrap"] });
  // @ts-expect-error an option may be left out, a count may not
  await place({ items: [{ name: "tea" }], speed: "express", extras: [] });
  await place({ items: [{ name: "tea", count: 1, note: undefined }], speed: "express", extras: [] });
  console.log(good, number);
}

export function every(refusal: Refusal): string {
  if (refusal === "closed") return "closed";
  if ("out_of_stock" in refusal) return refusal.out_of_stock.join();
  return refusal satisfies never;
}

export function some(refusal: Refusal): string {
  if (refusal === "closed") return "closed";
  // @ts-expect-error a case is left
  return refusal satisfies never;
}
"""

ERRORS = """
import { WorkflowClient } from "./generated/demo_fibo/typescript/client.js";
import { OrdersClient } from "./generated/docs_shop/typescript/client.js";
import * as obelisk from "./generated/obelisk/index.js";

const url = "http://127.0.0.1:8080";
const wanted = { items: [], speed: "standard", extras: [] } as const;
const server = new obelisk.Client(url);
const { place } = new OrdersClient(server);

async function thrown(work: Promise<unknown>): Promise<unknown> {
  return work.then((value) => `nothing was thrown: ${String(value)}`, (error: unknown) => error);
}

function told(error: unknown): string {
  if (error instanceof obelisk.ObeliskError) return `${error.name} ${error.code} ${error.status}`;
  return error instanceof obelisk.ValueInvalid ? `${error.name} ${error.pointer} ${error.expected}` : String(error);
}

const large = await new WorkflowClient(server).fiboa({ n: 80, iterations: 1 });
console.log("ok" in large ? large.ok : large.err);
const bad = await new WorkflowClient(server).fiboa({ n: 94, iterations: 1 });
console.log("err" in bad && bad.err.length > 0);

console.log(told(await thrown(place({ ...wanted, items: [{ name: "tea", count: -1 }] }))));
const order = await place.submit(wanted, { key: "k" });
const again = await place.submit(wanted, { key: "k" });
console.log(order.id === again.id);
console.log(told(await thrown(place.submit({ ...wanted, speed: "express" }, { key: "k" }))));
console.log(told(await thrown(place.execution("E_01M8PRY9XE291XDP8ZJ1R18Z6J").result())));
const late = await thrown(order.result({ timeoutMs: 20 }));
console.log(told(late), late instanceof obelisk.NotFinished && late.executionId === order.id);
console.log(told(await thrown(order.result({ signal: AbortSignal.abort(new Error("left")) }))));
console.log(told(await thrown(order.result({ signal: AbortSignal.timeout(30) }))));

await place.stub(order.id, { err: { out_of_stock: ["tea"] } });
console.log(JSON.stringify(await order.result()));
console.log(told(await thrown(place.stub(order.id, { ok: 1n }))));

const other = await place.submit(wanted);
console.log(await other.cancel());
const failed = await thrown(other.result());
console.log(told(failed), failed instanceof obelisk.ExecutionFailed && failed.kind);

// A stream that is cut off in the middle of a frame, once, is taken up again: nothing is missed, nothing comes twice.
let cuts = 0;
const cutting: typeof fetch = async (input, init) => {
  const answer = await fetch(input, init);
  if (!String(input).includes("/follow") || cuts++ > 0) return answer;
  const text = await answer.text();
  const parts = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const half of [text.slice(0, 30), text.slice(30, text.indexOf("\\n\\n") + 20)]) {
        controller.enqueue(new TextEncoder().encode(half));
      }
      controller.close();
    },
  });
  return new Response(parts, { status: 200, headers: answer.headers });
};
const versions: number[] = [];
const cut = new OrdersClient(new obelisk.Client(url, { fetch: cutting })).place.execution(order.id);
for await (const entry of cut.events()) versions.push(entry.version);
console.log(versions.every((version, index) => version === index) && versions.length > 1, cuts);

let fails = 2;
const failing: typeof fetch = (input, init) =>
  fails-- > 0 ? Promise.reject(new TypeError("broken")) : fetch(input, init);
const { fiboa } = new WorkflowClient(new obelisk.Client(url, { fetch: failing }));
const patient = await fiboa({ n: 10, iterations: 1 });
console.log("ok" in patient && patient.ok);
const away = new WorkflowClient(new obelisk.Client("http://127.0.0.1:1", { retries: 1 }));
console.log(told(await thrown(away.fiboa({ n: 1, iterations: 1 }))));
"""
SAID = """23416728348467685n
true
ValueInvalid /items/0/count u32
true
Conflict idempotency_conflict 409
NotFound execution_not_found 404
NotFinished not_finished 0 true
Error: left
TimeoutError: The operation was aborted due to timeout
{"err":{"out_of_stock":["tea"]}}
Conflict result_conflict 409
done
ExecutionFailed execution_failed 500 cancelled
true 2
55n
Unreachable unreachable 0
"""

# What a server would answer is given, and what a client sends is printed.
ECHO = """
import { readFileSync } from "node:fs";
import { KindsClient } from "./generated/test_every/typescript/client.js";
import { Client } from "./generated/obelisk/index.js";

const sent = [];
for (const { method, param, status, type, text } of JSON.parse(readFileSync("cases.json", "utf-8"))) {
  const headers = { "content-type": type, "obelisk-execution-id": "E_1" };
  const fetch = async (url, { method, body }) => {
    if (method === "GET") return new Response(status === 204 ? null : text, { status, headers });
    sent.push(body);
    return new Response("{}", { status: 202, headers });
  };
  const echo = new KindsClient(new Client("http://made.up", { fetch }))[method];
  const value = await echo.execution("E_1").result();
  await echo.submit({ [param]: value });
}
console.log(JSON.stringify(sent));
"""


# Names that mean something to JavaScript or to the runtime, and documentation that tries to end its comment.
HOSTILE = """
/// */ export const evil = 1; /*
/// @internal {@link evil}
package hostile:names;
/// @deprecated */ evil(); /**
interface obelisk {
  record object { %constructor: u8, prototype: string, then: option<u64>, this: bool, arguments: u8 }
  variant promise { %constructor, then(object), prototype(list<object>), %string }
  enum infinity { %constructor, undefined }
  flags symbol { %constructor, then }
  type array = list<promise>; type %record = option<array>; type %map = map<string, error>; type error = tuple<symbol>;
  type uint8-array = list<u8>; type readonly-array = list<uint8-array>; type number = f64; type boolean = u8;
  type undefined = bool; type never = char; type codec = result<number, error>; type %result = option<option<codec>>;
  type bytes = u8; type value-map = map<u8, boolean>; type client = string; type execution = client; type nothing = s64;
  %constructor: func(%constructor: object) -> codec;
  then: func(resolve: promise, reject: %result) -> %map;
  to-string: func() -> readonly-array;
  call: func(a: value-map, arguments: undefined, await: never, %async: infinity) -> array;
  bind: func(params: bytes, client: client, given: execution, options: nothing) -> %record;
  submit: func(); length: func(); name: func(); prototype: func(); await: func(); obelisk: func(); operation: func();
}
interface client { use obelisk.{object, promise as map-of, symbol as object-of}; client: func(o: object) -> map-of; }
interface index { use client.{object as client}; index: func(c: client) -> option<client>; }
"""


def generate(out: Path, *wit: Path) -> None:
    outcome = shell.run(wit, out, only=ONLY)
    assert outcome.is_good, outcome.messages


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything compiled, programs included; the programs of the page and of this file say 127.0.0.1:8080."""
    project = tmp_path_factory.mktemp("typescript")
    for case in ("every", "shop"):
        generate(project / "generated", GOLDEN / case / "wit")
    generate(project / "generated", ROOT / "examples/fibo/wit")
    for case in ("many", "resources", "versions", "guests"):
        generate(project / case, GOLDEN / case / "wit")
    generate(project / "examples", ROOT / "wit", *sorted(ROOT.glob("examples/*/wit")))
    (project / "hostile.wit").write_text(HOSTILE)
    generate(project / "hostile", project / "hostile.wit")
    for name, text in {**PROGRAMS, "misuse": MISUSE, "errors": ERRORS}.items():
        (project / f"{name}.ts").write_text(text if "export" in text else f"{text}\nexport {{}};\n")
    made = compiled(project)
    (made / "package.json").write_text('{"type": "module"}')
    (made / "echo.js").write_text(ECHO)
    return made


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    tool = Path(sys.executable).parent / "wasm-tools"
    subprocess.run([tool, "component", "wit", "--wasm", GOLDEN / "shop/wit", "-o", folder / "shop.wasm"], check=True)
    text = f"""
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[component.shop]
path = "{folder}/shop.wasm"
kind = "stub"
[cache]
path = "{ROOT}/.cache/compiled"
"""
    server = acceptance.Server(folder, text)
    try:
        server.start()
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


def node(program: Path, url: str = "") -> str:
    if url:
        text = program.read_text()
        assert "http://127.0.0.1:8080" in text
        program.write_text(text.replace("http://127.0.0.1:8080", url))
    return run("node", program, cwd=program.parent)


def test_the_page_shows_what_is_generated() -> None:
    assert EXCERPTS
    for path, text in EXCERPTS:
        assert text in (ROOT / path).read_text(), f"{path} does not contain:\n{text}"


def test_hostile_names_and_documentation_compile(javascript: Path) -> None:
    made = (javascript / "hostile/hostile_names/typescript/client.js").read_text()
    assert "this.constructor_ = " in made
    assert "this.then_ = " in made
    kept = [line for line in made.splitlines() if "evil" in line]
    assert kept
    assert all(line.lstrip().startswith(("*", "//", "/**")) for line in kept)
    program = javascript / "hostile.js"
    program.write_text(
        """
import { ObeliskClient } from "./hostile/hostile_names/typescript/client.js";
import { Client } from "./hostile/obelisk/index.js";
const fetch = async (url) => new Response('"constructor"', { headers: { "content-type": "application/json" } });
const made = await Promise.resolve(new ObeliskClient(new Client("http://made.up", { fetch })));
for (const value of ["constructor", "hasOwnProperty", { constructor: 1 }, { then: { constructor: 1 } }]) {
  await made.then_({ resolve: value, reject: null }).catch((error) => console.log(error.message));
}
"""
    )
    foreign, *refused = node(program).splitlines()
    assert foreign.endswith('(root): expected map<string, tuple<symbol>>, found "constructor"')
    assert refused == [
        '/resolve: expected promise, found "hasOwnProperty"',
        '/resolve: expected promise, found "constructor", which is no case with a payload',
        "/resolve/then/prototype: expected string, found nothing",
    ]


def test_the_program_of_the_page_runs(javascript: Path, url: str) -> None:
    said = node(javascript / "client.js", url).splitlines()
    assert said[0] == "order 9007199254740993"
    assert said[1] == "0 created"
    assert said[-2].endswith(" finished")
    assert said[-1] == "not finished; it goes on"


def test_errors_waits_streams_and_retries(javascript: Path, url: str) -> None:
    assert node(javascript / "errors.js", url) == SAID


def echoes() -> list[Function]:
    resolution = load([GOLDEN / "every/wit"]).resolution
    interface = resolution and resolution.interface(KINDS)
    assert interface
    return [function for function in interface.functions if function.name.startswith("echo-")]


def answered(function: Function, value: Any) -> dict[str, Any]:
    """What a server answers to a call that returned `value`, to a client that asks for wide integers as strings."""
    status, kind = 200, "application/json"
    if function.result is not None and isinstance(unalias(function.result), ResultType):
        ((side, value),) = value.items()
        if side == "err":
            status, kind = 422, "application/problem+json"
            value = {"type": "t", "title": "t", "status": 422, "code": "returned_err", "detail": "", "error": value}
        elif value is None:
            status = 204
    param = json_name(function.params[0].name)
    text = quoted(msgspec.json.encode(value)).decode()
    return {"method": method_name(function.name), "param": param, "status": status, "type": kind, "text": text}


@settings(max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_values_of_every_type_come_back_as_they_were(javascript: Path, data: st.DataObject) -> None:
    functions = echoes()
    assert len(functions) == 26
    made = [
        (function, data.draw(st.lists(values(function.params[0].type), min_size=5, max_size=5)))
        for function in functions
    ]
    wanted = [(f, compile_params(f)([value])) for f, given in made for value in given]
    assert all(problems == () for _, (_, problems) in wanted)
    cases = [answered(function, params[0]) for function, (params, _) in wanted if params]
    (javascript / "cases.json").write_text(json.dumps(cases))
    sent = json.loads(node(javascript / "echo.js"))
    assert len(sent) == len(wanted)
    for (function, (params, _)), body in zip(wanted, sent, strict=True):
        given, problems = compile_params(function)(json.loads(body))
        assert problems == ()
        # JavaScript puts a map's keys that are integers first; their order says nothing.
        assert json.dumps(given, sort_keys=True) == json.dumps(params, sort_keys=True), function.name
