/**
 * WIT values as JSON text, without loss: 64-bit integers are `bigint`, `list<u8>` is `Uint8Array`, maps are `Map`,
 * floats keep NaN, infinities and -0. Everything else is what the JSON form says.
 */

/** A value that is not of its WIT type. */
export class ValueInvalid extends TypeError {
  override readonly name = "ValueInvalid";
  /** The JSON pointer (RFC 6901) of the place, "" for the whole value. */
  readonly pointer: string;
  /** The WIT type that was expected there. */
  readonly expected: string;

  constructor(pointer: string, expected: string, found: string) {
    super(`${pointer || "(root)"}: expected ${expected}, found ${found}`);
    this.pointer = pointer;
    this.expected = expected;
  }
}

/** Writes values of one type and reads them. */
export interface Codec<T> {
  /** The WIT type, for messages. */
  readonly wit: string;
  /** The JSON text of a value. Throws ValueInvalid; `at` is the JSON pointer of the value. */
  write(value: T, at: string): string;
  /** The value of parsed JSON. Throws ValueInvalid. */
  read(json: unknown, at: string): T;
}

/** A WIT `result`: test it with `"ok" in it`. A side without a value has null. */
export type Result<T, E> = { readonly ok: T } | { readonly err: E };

/** A WIT `map`. */
export type ValueMap<K, V> = ReadonlyMap<K, V>;

/** A WIT `list<u8>`. */
export type Bytes = Uint8Array;

type Write = (value: unknown, at: string) => string;
type Read = (json: unknown, at: string) => unknown;
type Fields = Readonly<Record<string, unknown>>;
type Named = readonly (readonly [name: string, codec: Codec<unknown> | null])[];

function codec<T>(wit: string, write: Write, read: Read): Codec<T> {
  return { wit, write, read: read as (json: unknown, at: string) => T };
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null || typeof value === "boolean" || typeof value === "number") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "string") return Array.isArray(value) ? `an array of ${value.length}` : `a ${typeof value}`;
  return value.length <= 60 ? JSON.stringify(value) : `a string of ${value.length} characters`;
}

function refuse(at: string, expected: string, value: unknown, why = ""): never {
  throw new ValueInvalid(at, expected, shown(value) + why);
}

function child(at: string, key: string | number): string {
  return `${at}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

function fieldsOf(value: unknown, at: string, wit: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(at, wit, value);
  return value as Fields;
}

function itemsOf(value: unknown, at: string, wit: string, length?: number): readonly unknown[] {
  if (!Array.isArray(value)) refuse(at, wit, value);
  const items = value as readonly unknown[];
  if (length !== undefined && items.length !== length) refuse(at, wit, value, ` instead of an array of ${length}`);
  return items;
}

/** The only key of an object, undefined when there are none or several. */
function onlyKey(value: Fields): string | undefined {
  const keys = Object.keys(value);
  return keys.length === 1 ? keys[0] : undefined;
}

function integer(wit: string, low: number, high: number): Codec<number> {
  const check = (value: unknown, at: string): number => {
    if (typeof value !== "number" || !Number.isInteger(value)) refuse(at, wit, value);
    if (value < low || value > high) refuse(at, wit, value, `, out of range ${low} to ${high}`);
    return value;
  };
  return codec(wit, (value, at) => String(check(value, at)), check);
}

function wide(wit: string, low: bigint, high: bigint): Codec<bigint> {
  const check = (value: unknown, at: string): bigint => {
    let found: bigint;
    if (typeof value === "bigint") found = value;
    else if (typeof value === "string" && /^(?:0|-?[1-9][0-9]{0,19})$/.test(value)) found = BigInt(value);
    else if (typeof value === "number" && Number.isSafeInteger(value)) found = BigInt(value);
    else refuse(at, wit, value, typeof value === "number" ? ", which has no exact digits" : "");
    if (found < low || found > high) refuse(at, wit, value, `, out of range ${low} to ${high}`);
    return found;
  };
  return codec(wit, (value, at) => `"${check(value, at)}"`, check);
}

function float(wit: string, largest: number): Codec<number> {
  return codec(
    wit,
    (value, at) => {
      if (typeof value !== "number") refuse(at, wit, value);
      if (!Number.isFinite(value)) return `"${value}"`;
      if (Math.abs(value) > largest) refuse(at, wit, value, ", beyond the largest");
      return Object.is(value, -0) ? "-0.0" : String(value);
    },
    (json, at) => {
      if (json === "NaN" || json === "Infinity" || json === "-Infinity") return Number(json);
      return typeof json === "number" ? json : refuse(at, wit, json);
    },
  );
}

function text(wit: string, accepts: (value: string) => boolean): Codec<string> {
  const check = (value: unknown, at: string): string => {
    if (typeof value !== "string") refuse(at, wit, value);
    if (/[\uD800-\uDFFF]/u.test(value)) refuse(at, wit, value, " with a lone surrogate");
    return accepts(value) ? value : refuse(at, wit, value);
  };
  return codec(wit, (value, at) => JSON.stringify(check(value, at)), check);
}

const boolean = (value: unknown, at: string): boolean => (typeof value === "boolean" ? value : refuse(at, "bool", value));

export const bool: Codec<boolean> = codec("bool", (value, at) => String(boolean(value, at)), boolean);
export const s8: Codec<number> = integer("s8", -0x80, 0x7f);
export const s16: Codec<number> = integer("s16", -0x8000, 0x7fff);
export const s32: Codec<number> = integer("s32", -0x80000000, 0x7fffffff);
export const s64: Codec<bigint> = wide("s64", -(1n << 63n), (1n << 63n) - 1n);
export const u8: Codec<number> = integer("u8", 0, 0xff);
export const u16: Codec<number> = integer("u16", 0, 0xffff);
export const u32: Codec<number> = integer("u32", 0, 0xffffffff);
export const u64: Codec<bigint> = wide("u64", 0n, (1n << 64n) - 1n);
/** The largest number that rounds to a finite f32 lies just below 2^128 - 2^103. */
export const f32: Codec<number> = float("f32", 2 ** 128 - 2 ** 103 - 2 ** 75);
export const f64: Codec<number> = float("f64", Number.MAX_VALUE);
export const char: Codec<string> = text("char", (value) => [...value].length === 1);
export const string: Codec<string> = text("string", () => true);

/** What a function without a result gives. */
export const nothing: Codec<void> = codec(
  "no result",
  () => "null",
  (json, at) => (json === null ? undefined : refuse(at, "no result", json)),
);

export const bytes: Codec<Bytes> = codec(
  "list<u8>",
  (value, at) => {
    if (!(value instanceof Uint8Array)) refuse(at, "list<u8> (a Uint8Array)", value);
    let binary = "";
    for (let start = 0; start < value.length; start += 0x2000) {
      binary += String.fromCharCode(...value.subarray(start, start + 0x2000));
    }
    return `"${btoa(binary)}"`;
  },
  (json, at) => {
    if (typeof json !== "string") refuse(at, "list<u8>", json);
    return Uint8Array.from(atob(json), (character) => character.charCodeAt(0));
  },
);

export function list<T>(element: Codec<T>, length?: number): Codec<readonly T[]> {
  const wit = length === undefined ? `list<${element.wit}>` : `list<${element.wit}, ${length}>`;
  return codec(
    wit,
    (value, at) => {
      const items = itemsOf(value, at, wit, length) as readonly T[];
      return `[${items.map((item, index) => element.write(item, child(at, index))).join(",")}]`;
    },
    (json, at) => itemsOf(json, at, wit, length).map((item, index) => element.read(item, child(at, index))),
  );
}

export function tuple<T>(...items: readonly Codec<unknown>[]): Codec<T> {
  const wit = `tuple<${items.map((item) => item.wit).join(", ")}>`;
  return codec(
    wit,
    (value, at) => {
      const given = itemsOf(value, at, wit, items.length);
      return `[${items.map((item, index) => item.write(given[index], child(at, index))).join(",")}]`;
    },
    (json, at) => {
      const given = itemsOf(json, at, wit, items.length);
      return items.map((item, index) => item.read(given[index], child(at, index)));
    },
  );
}

/** A map with text as keys: an object in JSON. */
export function textMap<V>(item: Codec<V>): Codec<ValueMap<string, V>> {
  const wit = `map<string, ${item.wit}>`;
  return codec(
    wit,
    (value, at) => {
      if (!(value instanceof Map)) refuse(at, `${wit} (a Map)`, value);
      const entries = [...(value as Map<string, V>)];
      return `{${entries.map(([key, part]) => `${string.write(key, at)}:${item.write(part, child(at, key))}`).join(",")}}`;
    },
    (json, at) => {
      const entries = Object.entries(fieldsOf(json, at, wit));
      return new Map(entries.map(([key, part]) => [key, item.read(part, child(at, key))]));
    },
  );
}

/** A map with other keys: an array of pairs in JSON. */
export function pairMap<K, V>(key: Codec<K>, item: Codec<V>): Codec<ValueMap<K, V>> {
  const wit = `map<${key.wit}, ${item.wit}>`;
  const pairs = list(tuple<readonly [K, V]>(key, item));
  return codec(
    wit,
    (value, at) => {
      if (!(value instanceof Map)) refuse(at, `${wit} (a Map)`, value);
      return pairs.write([...(value as Map<K, V>)], at);
    },
    (json, at) => new Map(pairs.read(json, at)),
  );
}

/** An option: null or the value; a record's field of it may be left out. */
export function option<T>(payload: Codec<T>): Codec<T | null> {
  return codec(
    `option<${payload.wit}>`,
    (value, at) => (value === null || value === undefined ? "null" : payload.write(value as T, at)),
    (json, at) => (json === null || json === undefined ? null : payload.read(json, at)),
  );
}

/** An option of what may itself be null. */
export function nested<T>(payload: Codec<T>): Codec<{ readonly some: T } | null> {
  return option(record<{ readonly some: T }>(`option<${payload.wit}>`, [["some", payload]]));
}

export function result<T, E>(ok: Codec<T> | null, err: Codec<E> | null): Codec<Result<T, E>> {
  const wit = err ? `result<${ok?.wit ?? "_"}, ${err.wit}>` : ok ? `result<${ok.wit}>` : "result";
  const none = codec<null>("null", () => "null", (json, at) => (json === null ? null : refuse(at, "null", json)));
  return variant(wit, [["ok", ok ?? none], ["err", err ?? none]]);
}

export function record<T>(wit: string, fields: readonly (readonly [name: string, codec: Codec<unknown>])[]): Codec<T> {
  const member = (value: Fields, name: string): unknown => (Object.hasOwn(value, name) ? value[name] : undefined);
  return codec(
    wit,
    (value, at) => {
      const given = fieldsOf(value, at, wit);
      const parts = fields.map(([name, part]) => `"${name}":${part.write(member(given, name), child(at, name))}`);
      return `{${parts.join(",")}}`;
    },
    (json, at) => {
      const given = fieldsOf(json, at, wit);
      return Object.fromEntries(fields.map(([name, part]) => [name, part.read(member(given, name), child(at, name))]));
    },
  );
}

/** A case without a payload is its name, one with a payload an object with that one key. */
export function variant<T>(wit: string, cases: Named): Codec<T> {
  const known = new Map(cases);
  const payload = (value: unknown, at: string): readonly [name: string, codec: Codec<unknown>] | string => {
    if (typeof value === "string") return known.get(value) === null ? value : refuse(at, wit, value);
    const name = onlyKey(fieldsOf(value, at, wit)) ?? refuse(at, wit, value, " without exactly one key");
    const part = known.get(name) ?? refuse(at, wit, name, ", which is no case with a payload");
    return [name, part];
  };
  return codec(
    wit,
    (value, at) => {
      const found = payload(value, at);
      if (typeof found === "string") return `"${found}"`;
      const [name, part] = found;
      return `{"${name}":${part.write((value as Fields)[name], child(at, name))}}`;
    },
    (json, at) => {
      const found = payload(json, at);
      if (typeof found === "string") return found;
      const [name, part] = found;
      return { [name]: part.read((json as Fields)[name], child(at, name)) };
    },
  );
}

export function enumeration<T>(wit: string, names: readonly string[]): Codec<T> {
  const known = new Set(names);
  const check = (value: unknown, at: string): string =>
    typeof value === "string" && known.has(value) ? value : refuse(at, wit, value);
  return codec(wit, (value, at) => `"${check(value, at)}"`, check);
}

export function flags<T>(wit: string, names: readonly string[]): Codec<T> {
  const known = new Set(names);
  const check = (value: unknown, at: string): readonly string[] => {
    const given = itemsOf(value, at, wit) as readonly string[];
    if (new Set(given).size !== given.length) refuse(at, wit, value, " with one flag twice");
    const unknown = given.findIndex((name) => !known.has(name));
    return unknown < 0 ? given : refuse(child(at, unknown), wit, given[unknown]);
  };
  return codec(wit, (value, at) => JSON.stringify(check(value, at)), check);
}
