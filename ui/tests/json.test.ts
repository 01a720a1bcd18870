import { describe, expect, it } from "vitest";
import { parse, print, type Json } from "../src/api/json";

describe("JSON without loss", () => {
  it.each(["18446744073709551615", "-9223372036854775808", "9007199254740993"])("keeps %s", (text) => {
    expect(parse(text)).toBe(BigInt(text));
    expect(print(parse(text))).toBe(text);
  });

  it.each(["0", "-1", "1.5", "9007199254740991", "1e300", '"a\\"b"', "true", "null", "[]", "{}"])("keeps %s as JavaScript has it", (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
    expect(parse(print(parse(text)))).toEqual(JSON.parse(text));
  });

  it("writes for people with line ends, and reads that again", () => {
    const value: Json = { a: [1, { b: 18446744073709551615n }], c: [], d: {}, "é\n": "x" };
    expect(print(value, 2)).toBe('{\n  "a": [\n    1,\n    {\n      "b": 18446744073709551615\n    }\n  ],\n  "c": [],\n  "d": {},\n  "é\\n": "x"\n}');
    expect(parse(print(value, 2))).toEqual(value);
    expect(parse(print(value))).toEqual(value);
  });

  it("says where text is wrong", () => {
    expect(() => parse('{"a": }')).toThrow(SyntaxError);
  });
});
