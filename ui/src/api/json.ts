/**
 * JSON without loss: an integer that a JavaScript number cannot hold is a `bigint`, and is written as the number it is.
 */

export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };

type Source = { readonly source?: string };
type Reviver = (key: string, value: Json, context: Source) => Json;

const INTEGER = /^-?\d+$/;

/** Parse text; SyntaxError says where it is wrong. */
export function parse(text: string): Json {
  const exact: Reviver = (_, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && context?.source !== undefined && INTEGER.test(context.source)
      ? BigInt(context.source)
      : value;
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown) as Json;
}

/** Write a value; `indent` spaces for people, 0 for one line. */
export function print(value: Json, indent = 0): string {
  return write(value, indent, "\n");
}

function write(value: Json, indent: number, line: string): string {
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const inner = indent > 0 ? line + " ".repeat(indent) : "";
  const outer = indent > 0 ? line : "";
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[${inner}${value.map((item: Json) => write(item, indent, inner || line)).join(`,${inner}`)}${outer}]`;
  }
  const entries = Object.entries(value as { readonly [key: string]: Json });
  if (entries.length === 0) return "{}";
  const colon = indent > 0 ? ": " : ":";
  return `{${inner}${entries.map(([key, item]) => JSON.stringify(key) + colon + write(item, indent, inner || line)).join(`,${inner}`)}${outer}}`;
}
