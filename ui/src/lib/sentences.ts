/** Events of a log and responses, each as a sentence. Pure. */
import type { GuestLine, LogEntry, ResponseEntry } from "../api/client";
import { print, type Json } from "../api/json";
import { duration, ms, nameOf, shortDigest, shortId } from "./format";

export type Tone = "plain" | "good" | "bad" | "warn" | "quiet";
export type Sentence = {
  readonly text: string;
  readonly tone: Tone;
  /** A child or another execution that it is about. */
  readonly execution?: string;
  /** The function that it is about. */
  readonly ffqn?: string;
};

type Event = LogEntry["event"];
type Outcome = Extract<Event, { type: "finished" }>["outcome"];

const KINDS: Readonly<Record<string, string>> = {
  trapped: "trapped",
  timed_out: "timed out",
  nondeterminism_detected: "asked for something else on replay",
  out_of_fuel: "ran out of fuel",
  cancelled: "was cancelled",
  uncategorized: "failed",
};

export const isErr = (value: Json): boolean => value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).join() === "err";

export function ended(outcome: Outcome): { readonly text: string; readonly tone: Tone } {
  if (outcome.type === "failed") return { text: `${KINDS[outcome.kind] ?? outcome.kind}: ${outcome.reason}`, tone: "bad" };
  const value = outcome.value as Json;
  if (isErr(value)) return { text: `returned err ${brief((value as { err: Json }).err)}`, tone: "warn" };
  return { text: value === null ? "returned" : `returned ${brief(value)}`, tone: "good" };
}

/** A value on one line, cut where it is long. */
export function brief(value: Json, most = 80): string {
  const text = print(value);
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** What a guest said, as a line among the events. */
export function spokenLine(line: GuestLine): Sentence {
  const tone = line.level === "error" ? "bad" : line.level === "warn" ? "warn" : "plain";
  return { text: `${line.source === "log" ? line.level : line.source}: ${line.text}`, tone };
}

/** `called`: the functions of the children that were asked for, by id. */
export function sentence(entry: LogEntry, called: ReadonlyMap<string, string> = new Map()): Sentence {
  const event = entry.event;
  switch (event.type) {
    case "created":
      return { text: event.parent === null ? `Created: ${nameOf(event.ffqn).name}${event.caller === "" ? "" : `, called by ${event.caller}`}` : `Created as a child: ${nameOf(event.ffqn).name}`, tone: "plain", ffqn: event.ffqn };
    case "locked":
      return { text: `Taken by an executor, build ${shortDigest(event.digest)}`, tone: "quiet" };
    case "unlocked":
      return { text: event.cut_off > 0 ? `Run cut off (${event.cut_off} in a row): ${event.reason}` : `Run ended: ${event.reason}`, tone: event.cut_off > 0 ? "warn" : "quiet" };
    case "temporarily_failed":
      return { text: `Attempt failed: ${event.reason}; next try ${at(event.pending_at, entry.at)}`, tone: "warn" };
    case "temporarily_timed_out":
      return { text: `Attempt timed out; next try ${at(event.pending_at, entry.at)}`, tone: "warn" };
    case "paused":
      return { text: event.reason === "" ? "Paused" : `Paused: ${event.reason}`, tone: "warn" };
    case "unpaused":
      return { text: event.reason === "" ? "Unpaused" : `Goes on: ${event.reason}`, tone: "plain" };
    case "cancellation_requested":
      return { text: "Cancellation requested", tone: "warn" };
    case "component_upgraded":
      return { text: `Moved to build ${shortDigest(event.digest)}`, tone: "plain" };
    case "finished": {
      const { text, tone } = ended(event.outcome);
      return { text: text.charAt(0).toUpperCase() + text.slice(1), tone };
    }
    case "persist":
      return { text: `Recorded ${brief(event.request as Json, 40)}: ${brief(event.value as Json)}`, tone: "quiet" };
    case "join_set_create":
      return { text: `Created join set ${event.join_set}`, tone: "quiet" };
    case "join_set_request":
      return { text: `Called ${nameOf(event.ffqn).name}(${brief(event.params as Json).replace(/^\[|\]$/g, "")})`, tone: "plain", execution: event.child, ffqn: event.ffqn };
    case "delay_request":
      return { text: `Began a delay of ${duration(ms(event.expires_at) - ms(entry.at))}`, tone: "plain" };
    case "join_next":
      return event.response === null
        ? { text: `Nothing left in join set ${event.join_set}`, tone: "quiet" }
        : { text: `Took the answer of ${answerer(event.response, called)}`, tone: "plain", ...childOf(event.response), ...of(called.get(event.response)) };
    case "join_next_try":
      return event.response === null
        ? { text: event.pending ? `Looked for an answer in ${event.join_set}: none yet` : `Nothing left in join set ${event.join_set}`, tone: "quiet" }
        : { text: `Took the answer of ${answerer(event.response, called)}`, tone: "plain", ...childOf(event.response), ...of(called.get(event.response)) };
    case "join_set_close":
      return { text: `Closed join set ${event.join_set}`, tone: "quiet" };
    case "schedule":
      return { text: `Scheduled ${nameOf(event.ffqn).name} ${at(event.scheduled_at, entry.at)}`, tone: "plain", execution: event.execution_id, ffqn: event.ffqn };
    case "stub":
      return event.error === ""
        ? { text: `Gave the result of ${shortId(event.execution_id)}: ${brief(event.result as Json)}`, tone: "plain", execution: event.execution_id, ffqn: event.ffqn }
        : { text: `Could not give the result of ${shortId(event.execution_id)}: ${event.error}`, tone: "warn", execution: event.execution_id, ffqn: event.ffqn };
  }
}

export function answer({ response }: ResponseEntry, called: ReadonlyMap<string, string> = new Map()): Sentence {
  if (response.type === "delay_finished") return { text: response.cancelled ? "The delay was cancelled" : "The delay is over", tone: "quiet" };
  const { text, tone } = ended(response.outcome);
  return { text: `${answerer(response.child, called)} ${text}`, tone, execution: response.child, ...of(called.get(response.child)) };
}

const isDelay = (id: string): boolean => id.startsWith("Delay_");
const of = (ffqn: string | undefined): { readonly ffqn?: string } => (ffqn === undefined ? {} : { ffqn });

function answerer(id: string, called: ReadonlyMap<string, string>): string {
  if (isDelay(id)) return "a delay";
  const ffqn = called.get(id);
  return ffqn === undefined ? shortId(id) : `${nameOf(ffqn).name} (${shortId(id)})`;
}

const childOf = (id: string): { readonly execution?: string } => (isDelay(id) ? {} : { execution: id });

function at(instant: string, from: string): string {
  const wait = ms(instant) - ms(from);
  return wait < 1 ? "at once" : `in ${duration(wait)}`;
}

/** Why an execution that has not finished stands where it stands. */
export function why(execution: {
  readonly status: string;
  readonly pending_at: string | null;
  readonly waits_for: string | null;
  readonly reason: string | null;
  readonly attempts: number;
  readonly executor: string | null;
  readonly waiting?: { readonly since: string; readonly requests: readonly { readonly id: string; readonly function: string | null; readonly status: string | null; readonly until: string | null }[] } | null;
}, now: number): string {
  switch (execution.status) {
    case "pending_at": {
      const wait = execution.pending_at === null ? 0 : ms(execution.pending_at) - now;
      if (execution.attempts > 0) return wait > 0 ? `${execution.attempts} attempts failed; the next one is in ${duration(wait)}` : `${execution.attempts} attempts failed; the next one begins when an executor has room`;
      return wait > 0 ? `begins in ${duration(wait)}` : "waits for an executor that has room for it";
    }
    case "paused":
      return execution.reason ?? "paused by an operator";
    case "awaiting_result":
      return "waits for a person to give its result";
    case "cancelling":
      return "ends once its children have ended";
    case "locked":
    case "blocked_by_join_set": {
      if (execution.waits_for === null) return "runs";
      const requests = execution.waiting?.requests ?? [];
      if (requests.length === 0) return `waits in join set ${execution.waits_for ?? ""}`;
      return `waits for ${requests.map((one) => (one.function === null ? `a delay${one.until === null ? "" : ` until ${new Date(one.until).toLocaleTimeString()}`}` : nameOf(one.function).name)).join(", ")}`;
    }
    default:
      return "";
  }
}
