/**
 * What a value looks like, read off its JSON Schema: the forms and views are made of this. Pure.
 *
 * A schema that is in none of the forms that WIT types have becomes `any`, which is edited and shown as JSON.
 */
import type { Place } from "../api/client";
import type { Json } from "../api/json";

export type Case = { readonly name: string; readonly doc: string; readonly payload: Shape | null };
export type Field = { readonly name: string; readonly doc: string; readonly shape: Shape; readonly isOptional: boolean };
export type Shape =
  | { readonly kind: "bool" | "float" | "bytes" | "unit" | "any" }
  | { readonly kind: "int"; readonly min: bigint; readonly max: bigint }
  | { readonly kind: "text"; readonly isChar: boolean }
  | { readonly kind: "enum" | "flags"; readonly names: readonly string[]; readonly doc: string }
  | { readonly kind: "record"; readonly fields: readonly Field[]; readonly doc: string }
  | { readonly kind: "variant"; readonly cases: readonly Case[]; readonly doc: string }
  | { readonly kind: "option"; readonly inner: Shape; readonly isWrapped: boolean }
  | { readonly kind: "list"; readonly item: Shape }
  | { readonly kind: "tuple"; readonly items: readonly Shape[] }
  | { readonly kind: "map"; readonly value: Shape };

type Schema = { readonly [key: string]: Json };

const WIDEST = 1n << 64n;

export function shapeOf(schema: Json | undefined): Shape {
  const root = object(schema);
  return root === undefined ? { kind: "any" } : new Reader(object(root["$defs"]) ?? {}).shape(root, 0);
}

function object(value: Json | undefined): Schema | undefined {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Schema) : undefined;
}

const list = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : []);
const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

class Reader {
  constructor(private readonly definitions: Schema) {}

  private resolve(schema: Schema): Schema {
    const ref = text(schema["$ref"]).replace(/^#\/\$defs\//, "");
    const target = object(this.definitions[ref]);
    return target === undefined ? schema : { ...target, ...(schema["description"] === undefined ? {} : { description: schema["description"] }) };
  }

  shape(given: Schema, depth: number): Shape {
    if (depth > 200) return { kind: "any" };
    const schema = this.resolve(given);
    const of = (inner: Json | undefined): Shape => this.shape(object(inner) ?? {}, depth + 1);
    const doc = text(schema["description"]);
    const choices = list(schema["anyOf"]).concat(list(schema["oneOf"])).map((one) => this.resolve(object(one) ?? {}));
    if (choices.length > 0) return this.choice(choices, doc, depth);
    const names = list(schema["enum"]).filter((name) => typeof name === "string") as string[];
    switch (schema["type"]) {
      case "null":
        return { kind: "unit" };
      case "boolean":
        return { kind: "bool" };
      case "integer":
        return integer(schema);
      case "number":
        return { kind: "float" };
      case "string":
        if (names.length > 0) return { kind: "enum", names, doc };
        if (schema["contentEncoding"] === "base64") return { kind: "bytes" };
        return { kind: "text", isChar: schema["maxLength"] === 1 };
      case "array": {
        if (schema["prefixItems"] !== undefined) return { kind: "tuple", items: list(schema["prefixItems"]).map(of) };
        const item = of(schema["items"]);
        return schema["uniqueItems"] === true && item.kind === "enum" ? { kind: "flags", names: item.names, doc: item.doc } : { kind: "list", item };
      }
      case "object":
        return this.record(schema, doc, of);
      default:
        return { kind: "any" };
    }
  }

  private record(schema: Schema, doc: string, of: (inner: Json | undefined) => Shape): Shape {
    const properties = object(schema["properties"]);
    const more = object(schema["additionalProperties"]);
    if (properties === undefined) return more === undefined ? { kind: "any" } : { kind: "map", value: of(more) };
    const required = new Set(list(schema["required"]));
    const fields = Object.entries(properties).map(([name, inner]) => ({
      name,
      doc: text(object(inner)?.["description"]) || text(this.resolve(object(inner) ?? {})["description"]),
      shape: of(inner),
      isOptional: !required.has(name),
    }));
    return { kind: "record", fields, doc };
  }

  /** An option, a float with its names for what is not finite, an integer that may be text, bytes that may be numbers, or a variant. */
  private choice(choices: readonly Schema[], doc: string, depth: number): Shape {
    const some = choices.filter((choice) => choice["type"] !== "null");
    const [first] = some;
    if (first !== undefined && some.length < choices.length) {
      const wrapped = some.length === 1 ? object(object(first["properties"])?.["some"]) : undefined;
      if (wrapped !== undefined && choices.length === 2) return { kind: "option", inner: this.shape(wrapped, depth + 1), isWrapped: true };
      const inner = some.length === 1 ? this.shape(first, depth + 1) : this.choice(some, doc, depth + 1);
      return { kind: "option", inner, isWrapped: false };
    }
    if (choices.some((choice) => choice["type"] === "number")) return { kind: "float" };
    if (choices.some((choice) => choice["contentEncoding"] === "base64")) return { kind: "bytes" };
    const whole = choices.find((choice) => choice["type"] === "integer");
    if (whole !== undefined) return integer(whole);
    const cases = choices.flatMap((choice) => this.cases(choice, depth));
    return cases.includes(undefined) ? { kind: "any" } : { kind: "variant", cases: cases as Case[], doc };
  }

  private cases(choice: Schema, depth: number): readonly (Case | undefined)[] {
    const names = list(choice["enum"]);
    const doc = text(choice["description"]);
    if (choice["type"] === "string" && names.length > 0) {
      return names.map((name) => ({ name: String(name), doc: caseDoc(doc, String(name)), payload: null }));
    }
    if (choice["type"] === "string" && typeof choice["const"] === "string") return [{ name: choice["const"], doc, payload: null }];
    const [entry, ...others] = Object.entries(object(choice["properties"]) ?? {});
    if (entry === undefined || others.length > 0) return [undefined];
    return [{ name: entry[0], doc, payload: this.shape(object(entry[1]) ?? {}, depth + 1) }];
  }
}

/** The document lists cases without payload in one text: a line ``- `case`: what it is``. */
export function caseDoc(doc: string, name: string): string {
  const line = doc.split("\n").find((one) => one.startsWith(`- \`${name}\`:`));
  return line === undefined ? "" : line.slice(name.length + 5).trim();
}

function integer(schema: Schema): Shape {
  const bound = (key: string, without: bigint): bigint => {
    const value = schema[key];
    return typeof value === "bigint" || typeof value === "number" ? BigInt(value) : without;
  };
  return { kind: "int", min: bound("minimum", -WIDEST), max: bound("maximum", WIDEST) };
}

/** A value to begin a form with. */
export function initial(shape: Shape): Json {
  switch (shape.kind) {
    case "bool":
      return false;
    case "int":
      return shape.min > 0n ? exact(shape.min) : 0;
    case "float":
      return 0;
    case "text":
      return shape.isChar ? "a" : "";
    case "bytes":
      return "";
    case "enum":
      return shape.names[0] ?? "";
    case "variant": {
      const [first] = shape.cases;
      return first === undefined ? null : caseValue(first);
    }
    case "record":
      return Object.fromEntries(shape.fields.map((field) => [field.name, initial(field.shape)]));
    case "tuple":
      return shape.items.map(initial);
    case "flags":
    case "list":
      return [];
    case "map":
      return {};
    case "unit":
    case "option":
    case "any":
      return null;
  }
}

/** A case of a variant with a payload to begin with. */
export const caseValue = (one: Case): Json => (one.payload === null ? one.name : { [one.name]: initial(one.payload) });

/** Which case of a variant a value is, and its payload. */
export function caseOf(shape: Extract<Shape, { kind: "variant" }>, value: Json): { readonly found: Case; readonly payload: Json } | undefined {
  const [name, payload] = typeof value === "string" ? [value, null] : (Object.entries(object(value) ?? {})[0] ?? ["", null]);
  const found = shape.cases.find((one) => one.name === name && (one.payload === null) === (typeof value === "string"));
  return found === undefined ? undefined : { found, payload };
}

const exact = (value: bigint): Json => (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value);

/** An integer from typed text, the text itself when it is none. */
export function readInteger(typed: string): Json {
  const digits = typed.trim().replaceAll("_", "");
  return /^[+-]?\d+$/.test(digits) ? exact(BigInt(digits)) : typed;
}

const NOT_FINITE = new Set<Json>(["NaN", "Infinity", "-Infinity"]);
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** The JSON pointer to a part of what `pointer` leads to. */
export const pointerTo = (pointer: string, key: string | number): string => `${pointer}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** What is wrong with a value, by place. The server checks again; this spares people the way there. */
export function check(value: Json, shape: Shape, pointer = ""): readonly Place[] {
  const wrong = (message: string): readonly Place[] => [{ pointer, message }];
  switch (shape.kind) {
    case "any":
      return [];
    case "unit":
      return value === null ? [] : wrong("expected nothing (null)");
    case "bool":
      return typeof value === "boolean" ? [] : wrong("expected true or false");
    case "int":
      if (typeof value !== "bigint" && !(typeof value === "number" && Number.isInteger(value))) return wrong("expected a whole number");
      return BigInt(value) < shape.min || BigInt(value) > shape.max ? wrong(`expected ${shape.min} to ${shape.max}`) : [];
    case "float":
      return typeof value === "number" || typeof value === "bigint" || NOT_FINITE.has(value) ? [] : wrong("expected a number");
    case "text":
      if (typeof value !== "string") return wrong("expected text");
      return shape.isChar && [...value].length !== 1 ? wrong("expected one character") : [];
    case "bytes":
      return typeof value === "string" && BASE64.test(value) ? [] : wrong("expected base64 text");
    case "enum":
      return typeof value === "string" && shape.names.includes(value) ? [] : wrong("expected one of the names");
    case "flags":
      return Array.isArray(value) && value.every((name) => shape.names.includes(name as string)) ? [] : wrong("expected a list of names");
    case "option":
      if (value === null) return [];
      return shape.isWrapped ? check(object(value)?.["some"] ?? null, shape.inner, pointerTo(pointer, "some")) : check(value, shape.inner, pointer);
    case "variant": {
      const one = caseOf(shape, value);
      if (one === undefined) return wrong("expected one of the cases");
      return one.found.payload === null ? [] : check(one.payload, one.found.payload, pointerTo(pointer, one.found.name));
    }
    case "record": {
      const record = object(value);
      if (record === undefined) return wrong("expected a record");
      return shape.fields.flatMap((field) => {
        const inner = record[field.name];
        if (inner === undefined) return field.isOptional ? [] : [{ pointer: pointerTo(pointer, field.name), message: "is missing" }];
        return check(inner, field.shape, pointerTo(pointer, field.name));
      });
    }
    case "tuple":
      if (!Array.isArray(value) || value.length !== shape.items.length) return wrong(`expected ${shape.items.length} values`);
      return shape.items.flatMap((item, index) => check((value as readonly Json[])[index] ?? null, item, pointerTo(pointer, index)));
    case "list":
      return Array.isArray(value) ? value.flatMap((item: Json, index) => check(item, shape.item, pointerTo(pointer, index))) : wrong("expected a list");
    case "map": {
      const entries = object(value);
      if (entries === undefined) return wrong("expected an object");
      return Object.entries(entries).flatMap(([key, item]) => check(item, shape.value, pointerTo(pointer, key)));
    }
  }
}
