/**
 * Server-sent events by `fetch`, which may carry a token. A stream that breaks is taken up after the last event seen,
 * and none is open while the tab is hidden.
 */
import { base, exactFetch, Problem } from "./client";
import { parse, type Json } from "./json";
import { visible } from "../lib/visible.svelte";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** One event of a stream, as it stands in the text. */
export type Frame = { readonly id: string; readonly event: string; readonly data: string };

/** Take whole frames off the front of `text`; the rest waits for more. */
export function frames(text: string): { readonly found: readonly Frame[]; readonly rest: string } {
  const parts = text.split(/\r?\n\r?\n/);
  const rest = parts.pop() ?? "";
  const found = parts.map((part) => {
    const fields = { id: "", event: "message", data: [] as string[] };
    for (const line of part.split(/\r?\n/)) {
      const at = line.indexOf(":");
      const [name, value] = at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
      if (name === "id") fields.id = value;
      else if (name === "event") fields.event = value;
      else if (name === "data") fields.data.push(value);
    }
    return { id: fields.id, event: fields.event, data: fields.data.join("\n") };
  });
  return { found: found.filter((frame) => frame.data !== "" || frame.event !== "message"), rest };
}

/** Follow `path` until its end. `from` is the number of the first entry wanted. */
export async function follow(path: string, from: number, entry: (data: Json) => void, signal: AbortSignal): Promise<void> {
  let last = from > 0 ? String(from - 1) : "";
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    await visible(signal);
    if (signal.aborted) return;
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (last !== "") headers["last-event-id"] = last;
    try {
      const stopped = new AbortController();
      const stop = () => {
        if (document.hidden) stopped.abort();
      };
      document.addEventListener("visibilitychange", stop);
      try {
        const response = await exactFetch(new Request(base + path, { headers, signal: AbortSignal.any([signal, stopped.signal]) }));
        if (response.status === 204) return;
        if (!response.ok) throw Problem.of(response.status, parse((await response.text()) || "null"));
        for await (const frame of framesOf(response)) {
          pause = FIRST_PAUSE_MS;
          if (frame.event === "end") return;
          if (frame.event === "problem") throw Problem.of(500, parse(frame.data));
          last = frame.id;
          entry(parse(frame.data));
        }
      } finally {
        document.removeEventListener("visibilitychange", stop);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    }
    if (!document.hidden) await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}

async function* framesOf(response: Response): AsyncGenerator<Frame> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { found, rest } = frames(text + value);
    text = rest;
    yield* found;
  }
}
