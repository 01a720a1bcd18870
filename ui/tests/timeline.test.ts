import { describe, expect, it } from "vitest";
import type { LogEntry, ResponseEntry } from "../src/api/client";
import { bars, extent, ticks } from "../src/lib/timeline";
import { answer, sentence, why } from "../src/lib/sentences";

const at = (seconds: number): string => new Date(Date.UTC(2030, 0, 1) + seconds * 1000).toISOString();
let version = 0;
const event = (seconds: number, one: Record<string, unknown>): LogEntry => ({ version: version++, at: at(seconds), event: one }) as unknown as LogEntry;
const call = (seconds: number, child: string, params: unknown[]): LogEntry =>
  event(seconds, { type: "join_set_request", join_set: "g:1", child, ffqn: "a:b/c.pay-now", params, signature: "" });
const answered = (seconds: number, child: string, value: unknown): ResponseEntry =>
  ({ number: 0, at: at(seconds), response: { type: "child_finished", join_set: "g:1", child, outcome: { type: "returned", value, shape: "" } } }) as ResponseEntry;

const EVENTS = [
  event(0, { type: "created", ffqn: "a:b/c.order", params: [], parent: null }),
  event(0, { type: "locked", executor: "Exr", run: "Run", digest: "sha256:0123456789abcdef" }),
  call(1, "E.g:1_1", [{ order: 7, cents: 10 }]),
  call(1, "E.g:1_2", [{ order: 7, cents: 20 }]),
  call(5, "E.g:1_3", [{ order: 7, cents: 30 }]),
  event(9, { type: "finished", outcome: { type: "returned", value: null, shape: "" } }),
];
const RESPONSES = [answered(2, "E.g:1_1", { ok: 1 }), answered(4, "E.g:1_2", { err: "no" }), answered(8, "E.g:1_3", { ok: 2 })];

describe("bars", () => {
  const found = bars(EVENTS, RESPONSES);

  it("are runs, then what was asked for, in order", () => {
    expect(found.map((bar) => [bar.kind, bar.label, (bar.to ?? 0) - bar.from])).toEqual([
      ["run", "run", 9000],
      ["child", "pay-now", 1000],
      ["child", "pay-now", 3000],
      ["child", "pay-now", 3000],
    ]);
  });

  it("are told apart by the parameters that differ", () => {
    expect(found.slice(1).map((bar) => bar.detail)).toEqual(["cents 10", "cents 20", "cents 30"]);
  });

  it("mark what it could not have ended without", () => {
    expect(found.filter((bar) => bar.isCritical).map((bar) => bar.id)).toEqual(["E.g:1_2", "E.g:1_3"]);
  });

  it("say how each ended", () => {
    expect(found.slice(1).map((bar) => bar.tone)).toEqual(["good", "warn", "good"]);
  });

  it("are open while nothing answered, and none of them is critical", () => {
    const open = bars(EVENTS.slice(0, -1), RESPONSES.slice(0, 1));
    expect(open.map((bar) => bar.to === null)).toEqual([true, false, true, true]);
    expect(open.some((bar) => bar.isCritical)).toBe(false);
    expect(extent(EVENTS.slice(0, -1), open, Date.parse(at(20)))).toEqual([Date.parse(at(0)), Date.parse(at(20))]);
  });

  it("are made of 20,000 children, in time that grows with their number", () => {
    const many = Array.from({ length: 20_000 }, (_, index) => call(1, `E.g:1_${index}`, [index]));
    expect(bars([...EVENTS.slice(0, 2), ...many], []).length).toBe(20_001);
  });
});

describe("the axis", () => {
  it.each([
    [0, 10, [0, 2, 4, 6, 8, 10]],
    [0, 999, [0, 200, 400, 600, 800]],
  ])("from %d to %d", (from, to, wanted) => expect(ticks(from, to)).toEqual(wanted));
});

describe("sentences", () => {
  const called = new Map([["E.g:1_1", "a:b/c.pay-now"]]);

  it("name functions, not ids alone", () => {
    expect(sentence(call(1, "E.g:1_1", ["x", 2])).text).toBe('Called pay-now("x",2)');
    expect(sentence(event(1, { type: "join_next", join_set: "g:1", response: "E.g:1_1", ffqn: null }), called).text).toBe("Took the answer of pay-now (g:1_1)");
    expect(answer(answered(1, "E.g:1_1", { err: "no" }), called)).toMatchObject({ text: 'pay-now (g:1_1) returned err "no"', tone: "warn" });
  });

  it("say why something waits", () => {
    const now = Date.parse(at(0));
    const execution = { status: "pending_at", pending_at: at(90), waits_for: null, reason: null, attempts: 2, executor: null };
    expect(why(execution, now)).toBe("2 attempts failed; the next one is in 1 min 30 s");
    expect(why({ ...execution, attempts: 0, pending_at: at(-1) }, now)).toBe("waits for an executor that has room for it");
    expect(why({ ...execution, status: "paused", reason: "the build asked for something else" }, now)).toBe("the build asked for something else");
    const waiting = { since: at(0), requests: [{ id: "E.o:1_1", function: "a:b/c.pay-now", status: "locked", until: null }] };
    expect(why({ ...execution, status: "blocked_by_join_set", waits_for: "o:1", waiting }, now)).toBe("waits for pay-now");
    expect(why({ ...execution, status: "locked", waits_for: "o:1", waiting }, now)).toBe("waits for pay-now");
    expect(why({ ...execution, status: "locked" }, now)).toBe("runs");
  });
});
