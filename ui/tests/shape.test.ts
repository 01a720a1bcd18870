import { describe, expect, it } from "vitest";
import { parse, print, type Json } from "../src/api/json";
import { check, initial, readInteger, shapeOf, type Shape } from "../src/lib/shape";

const U64 = { type: "integer", minimum: 0, maximum: 18446744073709551615n };
const RESULT = (ok: Json, err: Json): Json => ({
  oneOf: [
    { type: "object", properties: { ok }, required: ["ok"], additionalProperties: false },
    { type: "object", properties: { err }, required: ["err"], additionalProperties: false },
  ],
});

/** What the server's schemas look like, one of each WIT type, with values that are and are not of it. */
const CASES: readonly (readonly [name: string, schema: Json, kind: Shape["kind"], right: readonly Json[], wrong: readonly Json[]])[] = [
  ["bool", { type: "boolean" }, "bool", [true, false], [0, "true", null]],
  ["u8", { type: "integer", minimum: 0, maximum: 255 }, "int", [0, 255], [-1, 256, 1.5, "1"]],
  ["u64", U64, "int", [0, 18446744073709551615n], [-1, 18446744073709551616n]],
  ["u64 that may be text", { anyOf: [U64, { type: "string", pattern: "^[0-9]+$" }] }, "int", [1, 18446744073709551615n], ["x"]],
  ["f64", { anyOf: [{ type: "number" }, { enum: ["NaN", "Infinity", "-Infinity"], type: "string" }] }, "float", [1.5, "NaN"], ["x", null]],
  ["char", { type: "string", minLength: 1, maxLength: 1 }, "text", ["é", "🙂"], ["", "ab"]],
  ["string", { type: "string" }, "text", ["", "a\nb"], [1]],
  ["bytes", { type: "string", contentEncoding: "base64" }, "bytes", ["", "aGk=", "aGVsbG8="], ["a", "a b="]],
  ["bytes or numbers", { anyOf: [{ type: "string", contentEncoding: "base64" }, { type: "array", items: { type: "integer" } }] }, "bytes", ["aGk="], ["a"]],
  ["enum", { type: "string", enum: ["red", "green"] }, "enum", ["red"], ["blue"]],
  ["flags", { type: "array", uniqueItems: true, items: { type: "string", enum: ["r", "w"] } }, "flags", [[], ["r", "w"]], [["x"], "r"]],
  ["option", { anyOf: [{ type: "string" }, { type: "null" }] }, "option", [null, "a"], [1]],
  ["option of an option", { anyOf: [{ type: "object", properties: { some: { anyOf: [{ type: "string" }, { type: "null" }] } }, required: ["some"] }, { type: "null" }] }, "option", [null, { some: null }, { some: "a" }], [{ some: 1 }]],
  ["result", RESULT({ type: "null" }, { type: "string" }), "variant", [{ ok: null }, { err: "x" }], [{ ok: 1 }, { err: null }, "ok", {}]],
  ["variant", { oneOf: [{ type: "string", enum: ["none_of"] }, { type: "object", properties: { num: U64 }, required: ["num"] }] }, "variant", ["none_of", { num: 1 }], ["num", { none_of: 1 }, { num: "a" }]],
  ["record", { type: "object", properties: { a: { type: "string" }, b: { anyOf: [U64, { type: "null" }] } }, required: ["a"] }, "record", [{ a: "" }, { a: "", b: 1 }], [{}, { a: 1 }, []]],
  ["tuple", { type: "array", prefixItems: [{ type: "boolean" }, { type: "string" }] }, "tuple", [[true, "a"]], [[true], ["a", true]]],
  ["list", { type: "array", items: { type: "boolean" } }, "list", [[], [true]], [[1], {}]],
  ["map", { type: "object", additionalProperties: { type: "boolean" } }, "map", [{}, { a: true }], [{ a: 1 }, []]],
  ["anything else", { type: ["string", "boolean"] }, "any", [1, null, "x"], []],
];

describe.each(CASES.map((row) => ({ name: row[0], row })))("$name", ({ row: [, schema, kind, right, wrong] }) => {
  const shape = shapeOf(schema);

  it("is recognised", () => expect(shape.kind).toBe(kind));
  it("begins with a value of its own", () => expect(check(initial(shape), shape)).toEqual([]));
  it("takes its own", () => {
    for (const value of right) expect(check(value, shape), print(value)).toEqual([]);
  });
  it("refuses others", () => {
    for (const value of wrong) expect(check(value, shape), print(value)).not.toEqual([]);
  });
});

describe("places", () => {
  const shape = shapeOf({
    type: "object",
    properties: { "a/b": { type: "array", items: { $ref: "#/$defs/Item" } } },
    required: ["a/b"],
    $defs: { Item: { type: "object", properties: { n: U64 }, required: ["n"], description: "An item." } },
  });

  it("are JSON pointers", () => {
    expect(check({ "a/b": [{ n: 1 }, { n: -1 }, {}] }, shape)).toEqual([
      { pointer: "/a~1b/1/n", message: "expected 0 to 18446744073709551615" },
      { pointer: "/a~1b/2/n", message: "is missing" },
    ]);
  });
});

describe("integers that are typed", () => {
  it.each([
    ["12", 12],
    [" 1_000 ", 1000],
    ["18446744073709551615", 18446744073709551615n],
    ["-3", -3],
    ["1.5", "1.5"],
    ["", ""],
  ] as const)("%s", (typed, value) => expect(readInteger(typed)).toBe(value));

  it("reads the bounds of the server's document without loss", () => {
    expect(shapeOf(parse('{"type": "integer", "minimum": 0, "maximum": 18446744073709551615}'))).toEqual({ kind: "int", min: 0n, max: 18446744073709551615n });
  });
});
