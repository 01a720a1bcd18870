/** Text for people: instants, durations, names, sizes. Pure. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `840 ms`, `3.2 s`, `4 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms === 0) return "0";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const two = (big: number, large: string, small: number, unit: string) => {
    const rest = Math.floor((ms % big) / small);
    return `${Math.floor(ms / big)} ${large}${rest === 0 ? "" : ` ${rest} ${unit}`}`;
  };
  if (ms < HOUR) return two(MINUTE, "min", 1000, "s");
  if (ms < DAY) return two(HOUR, "h", MINUTE, "min");
  return two(DAY, "d", HOUR, "h");
}

/** Milliseconds since 1970 of an instant of the server, with its microseconds as a fraction. */
export function ms(instant: string): number {
  const fraction = /\.\d{3}(\d{1,3})/.exec(instant)?.[1] ?? "0";
  return Date.parse(instant) + Number(fraction.padEnd(3, "0")) / 1000;
}

/** `3 s ago`, `in 4 min`. */
export function ago(instant: string, now: number): string {
  const passed = now - ms(instant);
  if (Math.abs(passed) < 1000) return "now";
  const seconds = Math.floor(Math.abs(passed) / 1000);
  const rounded = seconds < 60 ? `${seconds} s` : duration(seconds * 1000);
  return passed < 0 ? `in ${rounded}` : `${rounded} ago`;
}

/** In the reader's own time zone. */
export function local(instant: string): string {
  return new Date(instant).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** `ns:pkg/ifc.fn` → the function, and what stands before it. */
export function nameOf(ffqn: string): { readonly name: string; readonly home: string } {
  const at = ffqn.lastIndexOf(".");
  return { name: ffqn.slice(at + 1), home: ffqn.slice(0, Math.max(at, 0)) };
}

/** The part of a child's id that tells it from its siblings; a short form of a top-level id. */
export function shortId(id: string): string {
  const at = id.lastIndexOf(".");
  return at < 0 ? `…${id.slice(-8)}` : id.slice(at + 1);
}

export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, "").slice(0, 12);

/** `pending_at` → `pending`, `blocked_by_join_set` → `waiting`: the words that the pages use. */
export const STATUS: Readonly<Record<string, string>> = {
  pending_at: "pending",
  locked: "running",
  blocked_by_join_set: "waiting",
  awaiting_result: "awaiting a result",
  paused: "paused",
  cancelling: "cancelling",
  finished: "finished",
};

/** A count with a plural. */
export const count = (number: number, one: string, many = `${one}s`): string => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** A size: `512 B`, `3.2 MB`, in powers of a thousand. */
export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [left, unit] = [size, 0];
  while (left >= 1000 && unit < units.length - 1) [left, unit] = [left / 1000, unit + 1];
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${units[unit] ?? ""}`;
}
