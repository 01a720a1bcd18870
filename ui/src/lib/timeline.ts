/** The bars of a timeline, from an execution's events and responses. Pure. */
import type { LogEntry, ResponseEntry } from "../api/client";
import type { Json } from "../api/json";
import { ms, nameOf, shortId } from "./format";
import { brief, ended, type Tone } from "./sentences";

export type Bar = {
  readonly id: string;
  readonly kind: "run" | "attempt" | "child" | "delay";
  readonly label: string;
  /** What tells it from others of the same function. */
  readonly detail: string;
  readonly params: Json;
  readonly ffqn: string;
  readonly from: number;
  /** Milliseconds since 1970; null while it goes on. */
  readonly to: number | null;
  readonly tone: Tone;
  readonly said: string;
  readonly isCritical: boolean;
};

/** The bars of one execution, in the order in which they began. */
export function bars(events: readonly LogEntry[], responses: readonly ResponseEntry[]): readonly Bar[] {
  const answers = new Map<string, ResponseEntry>();
  for (const entry of responses) answers.set(entry.response.type === "child_finished" ? entry.response.child : entry.response.delay, entry);
  const found: Bar[] = [];
  let run: { from: number; number: number } | undefined;
  let tries = 0;
  const end = (at: string, tone: Tone, said: string, isAttempt: boolean) => {
    if (run === undefined) return;
    found.push({ id: `run-${run.number}`, kind: isAttempt ? "attempt" : "run", label: isAttempt ? `attempt ${tries}` : "run", detail: "", params: null, ffqn: "", from: run.from, to: ms(at), tone, said, isCritical: false });
    run = undefined;
  };
  for (const { version, at, event } of events) {
    switch (event.type) {
      case "locked":
        run = { from: ms(at), number: version };
        tries += 1;
        break;
      case "unlocked":
        end(at, "quiet", event.reason, false);
        break;
      case "temporarily_failed":
        end(at, "warn", event.reason, true);
        break;
      case "temporarily_timed_out":
        end(at, "warn", "timed out", true);
        break;
      case "paused":
        end(at, "warn", event.reason === "" ? "paused" : event.reason, false);
        break;
      case "finished": {
        const { text, tone } = ended(event.outcome);
        end(at, tone, text, tries > 1);
        break;
      }
      case "join_set_request": {
        const answered = answers.get(event.child);
        const outcome = answered?.response.type === "child_finished" ? ended(answered.response.outcome) : undefined;
        found.push({
          id: event.child,
          kind: "child",
          label: nameOf(event.ffqn).name,
          detail: "",
          params: event.params as Json,
          ffqn: event.ffqn,
          from: ms(at),
          to: answered === undefined ? null : ms(answered.at),
          tone: outcome?.tone ?? "plain",
          said: outcome?.text ?? "goes on",
          isCritical: false,
        });
        break;
      }
      case "delay_request": {
        const answered = answers.get(event.delay);
        found.push({
          id: event.delay,
          kind: "delay",
          label: "delay",
          detail: shortId(event.delay),
          params: null,
          ffqn: "",
          from: ms(at),
          to: answered === undefined ? null : ms(answered.at),
          tone: "quiet",
          said: answered === undefined ? `until ${new Date(event.expires_at).toLocaleString()}` : answered.response.type === "delay_finished" && answered.response.cancelled ? "cancelled" : "over",
          isCritical: false,
        });
        break;
      }
    }
  }
  if (run !== undefined) found.push({ id: `run-${run.number}`, kind: "run", label: "run", detail: "", params: null, ffqn: "", from: run.from, to: null, tone: "plain", said: "runs", isCritical: false });
  const label = distinguishing(found);
  const own = (bar: Bar) => Number(bar.kind === "child" || bar.kind === "delay");
  const ordered = found.map((bar) => ({ ...bar, detail: label(bar) })).sort((one, other) => own(one) - own(other) || one.from - other.from);
  return critical(ordered, events);
}

/** Of several calls of one function: the parameters in which they differ; of one alone: all of them. */
function distinguishing(found: readonly Bar[]): (bar: Bar) => string {
  const byName = new Map<string, (readonly Leaf[])[]>();
  for (const bar of found) {
    if (bar.params === null) continue;
    const calls = byName.get(bar.ffqn);
    if (calls === undefined) byName.set(bar.ffqn, [leaves(bar.params)]);
    else calls.push(leaves(bar.params));
  }
  const constant = new Map<string, ReadonlySet<string>>();
  for (const [ffqn, calls] of byName) {
    const seen = new Map<string, Set<string>>();
    for (const [path, text] of calls.flat()) seen.set(path, (seen.get(path) ?? new Set()).add(text));
    constant.set(ffqn, new Set(calls.length < 2 ? [] : [...seen].filter(([, texts]) => texts.size < 2).map(([path]) => path)));
  }
  return (bar) => {
    if (bar.params === null) return bar.detail;
    const same = constant.get(bar.ffqn) ?? new Set();
    const differing = leaves(bar.params).filter(([path]) => !same.has(path));
    return brief(differing.map(([path, text]) => `${path.split("/").at(-1)?.replace(/^\d+$/, "") ?? ""} ${text}`.trim()).join(", "), 60).replace(/^"|"$/g, "");
  };
}

type Leaf = readonly [path: string, text: string];

function leaves(value: Json, path = ""): readonly Leaf[] {
  if (value === null) return [];
  // An id of an execution is long, and the same in all of them.
  if (typeof value !== "object") return [[path, String(value).replaceAll(/E_[0-9A-Z]{26}/g, "…")]];
  return Object.entries(value).flatMap(([key, item]) => leaves(item as Json, `${path}/${key}`));
}

/**
 * Mark the children and delays without which it would have ended sooner: from its end back, each time the request whose
 * answer came last before the one after it was made.
 */
function critical(found: readonly Bar[], events: readonly LogEntry[]): readonly Bar[] {
  const last = events.at(-1);
  if (last?.event.type !== "finished") return found;
  const marked = new Set<string>();
  const requests = found.filter((bar) => bar.kind === "child" || bar.kind === "delay").sort((one, other) => (other.to ?? 0) - (one.to ?? 0));
  let before = ms(last.at);
  for (const bar of requests) {
    if (bar.to === null || bar.to > before || bar.from >= before) continue;
    marked.add(bar.id);
    before = bar.from;
  }
  return marked.size === 0 ? found : found.map((bar) => (marked.has(bar.id) ? { ...bar, isCritical: true } : bar));
}

/** The instants between which there is something to see. */
export function extent(events: readonly LogEntry[], found: readonly Bar[], now: number): readonly [from: number, to: number] {
  const from = events[0] === undefined ? now : ms(events[0].at);
  const last = events.at(-1);
  const isOver = last?.event.type === "finished";
  const ends = found.map((bar) => bar.to ?? now);
  const to = Math.max(isOver && last !== undefined ? ms(last.at) : now, ...chunkMax(ends));
  return [from, Math.max(to, from + 1)];
}

/** The maximum as a list of at most one: `Math.max(...)` of 10,000 values is fine, of a million is not. */
function chunkMax(values: readonly number[]): readonly number[] {
  return values.length === 0 ? [] : [values.reduce((most, value) => (value > most ? value : most), -Infinity)];
}

/** Round instants to put on an axis: about `most` of them. */
export function ticks(from: number, to: number, most = 6): readonly number[] {
  const raw = (to - from) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= raw) ?? raw;
  const found: number[] = [];
  for (let at = 0; at <= to - from; at += step) found.push(from + at);
  return found;
}
