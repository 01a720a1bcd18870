import { describe, expect, it } from "vitest";
import { frames } from "../src/api/follow";
import { ago, duration, ms, nameOf, shortId } from "../src/lib/format";
import { asCli, asCurl } from "../src/lib/functions";
import { link, split, toExecution } from "../src/lib/router.svelte";
import { pieces } from "../src/lib/wit";

describe("times", () => {
  it.each([
    [0, "0"],
    [0.25, "250 µs"],
    [840, "840 ms"],
    [3210, "3.2 s"],
    [42_000, "42 s"],
    [245_000, "4 min 5 s"],
    [7_800_000, "2 h 10 min"],
    [273_600_000, "3 d 4 h"],
    [86_400_000, "1 d"],
  ])("%d ms", (value, text) => expect(duration(value)).toBe(text));

  it("keep microseconds", () => {
    expect(ms("2030-01-01T00:00:00.000250Z") - ms("2030-01-01T00:00:00.000000Z")).toBeCloseTo(0.25);
  });

  it("are told from now", () => {
    const now = Date.parse("2030-01-01T00:01:00Z");
    expect(ago("2030-01-01T00:00:52Z", now)).toBe("8 s ago");
    expect(ago("2030-01-01T00:03:00Z", now)).toBe("in 2 min");
    expect(ago("2030-01-01T00:01:00.500Z", now)).toBe("now");
  });
});

describe("names", () => {
  it("are shortened where the rest is told elsewhere", () => {
    expect(nameOf("a:b/c.do-it")).toEqual({ name: "do-it", home: "a:b/c" });
    expect(shortId("E_01M8PV3GDJ3F0DH4YVXAPFPTED.g:1_7")).toBe("g:1_7");
    expect(shortId("E_01M8PV3GDJ3F0DH4YVXAPFPTED")).toBe("…VXAPFPTED".replace("V", ""));
  });
});

describe("links", () => {
  it("come back as they were made", () => {
    const hash = toExecution("E_1.o:1_1/x", "history");
    expect(split(hash)).toEqual(["/executions/E_1.o%3A1_1%2Fx/history", ""]);
    const [path, query] = split(link("/executions", { tags: "a=b&c", status: "open" }));
    expect([path, new URLSearchParams(query).get("tags")]).toEqual(["/executions", "a=b&c"]);
    expect(split("")).toEqual(["/", ""]);
  });
});

describe("commands to copy", () => {
  it("quote what a shell would read", () => {
    expect(asCurl("/v1/functions/a", { s: "it's $HOME" }, { prefer: "wait=1" })).toContain(`-d '{"s":"it'\\''s $HOME"}'`);
    expect(asCli("a:b/c.d", { n: 18446744073709551615n })).toBe(`obelisk execution run 'a:b/c.d' '{"n":18446744073709551615}'`);
  });
});

describe("server-sent events", () => {
  it("are taken off the front, what is not whole waits", () => {
    const { found, rest } = frames('id: 3\ndata: {"a":1}\n\n: keep alive\n\nevent: end\ndata:\n\nid: 4\ndata: {"b"');
    expect(found).toEqual([
      { id: "3", event: "message", data: '{"a":1}' },
      { id: "", event: "end", data: "" },
    ]);
    expect(frames(`${rest}:2}\r\n\r\n`).found).toEqual([{ id: "4", event: "message", data: '{"b":2}' }]);
  });
});

describe("WIT", () => {
  const text = "/// A `record`.\ninterface i { f: func(a: list<u8>) -> %record; }";

  it("loses nothing", () => expect(pieces(text).map((piece) => piece.text).join("")).toBe(text));
  it("tells words apart", () => {
    expect(pieces(text).filter((piece) => piece.kind !== "text")).toEqual([
      { kind: "comment", text: "/// A `record`." },
      { kind: "keyword", text: "interface" },
      { kind: "keyword", text: "func" },
      { kind: "type", text: "list" },
      { kind: "type", text: "u8" },
    ]);
  });
});
