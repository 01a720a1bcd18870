/**
 * A worker on nothing but `fetch`, with the types of the server's OpenAPI document: `npm run types` writes `schema.d.ts`.
 *
 * One request waits at the server for work. What attempts tell while it waits goes in requests of its own. A result is
 * kept until the server has judged it, so that no lost request or answer loses it.
 */

import type { components, operations } from "./schema.js";

type Schemas = components["schemas"];
export type Attempt = Schemas["AttemptView"];
type Result = Schemas["AttemptResult"];
type Line = Schemas["AttemptLine"];
type Answer = Schemas["WorkerAnswer"];
type Level = NonNullable<Line["level"]>;

/** The parameters of a function, by the id of its operation in the document. */
export type Params<Op extends keyof operations> = operations[Op] extends {
  requestBody: { content: { "application/json": infer Body } };
}
  ? Body
  : Record<string, never>;
type Ok<Op extends keyof operations> = operations[Op] extends {
  responses: { 200: { content: { "application/json": infer Value } } };
}
  ? Value
  : null;
type Err<Op extends keyof operations> = operations[Op] extends {
  responses: { 422: { content: { "application/problem+json": { error: infer Value } } } };
}
  ? Value
  : never;
/** How a function ends: with a value or with an error that its WIT declares. What it throws is a failed attempt. */
export type Outcome<Op extends keyof operations> = { ok: Ok<Op> } | { err: Err<Op> };

/** What the code of an attempt may ask and tell. */
export interface Context {
  readonly attempt: Attempt;
  /** Aborted when the attempt is to end: its execution was cancelled, its time is over, its lease was lost. */
  readonly signal: AbortSignal;
  /** Write into the log of the execution. */
  log(level: Level, message: string): void;
  /** Tell how far the attempt is; the next one is given the last detail. */
  heartbeat(detail: unknown): void;
}
export type Handler = (params: unknown, context: Context) => Promise<{ ok: unknown } | { err: unknown }>;

/** A failure that says whether and when to try again. */
export class Failure extends Error {
  readonly retryable: boolean;
  readonly retryAfterMs: number;

  constructor(message: string, options: { retryable?: boolean; retryAfterMs?: number } = {}) {
    super(message);
    this.retryable = options.retryable ?? true;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** A function's code, checked against its types. The server has checked the parameters. */
export function handler<Op extends keyof operations>(
  _operation: Op,
  run: (params: Params<Op>, context: Context) => Promise<Outcome<Op>>,
): Handler {
  return (params, context) => run(params as Params<Op>, context);
}

export interface Options {
  readonly url: string;
  readonly token?: string;
  readonly name: string;
  /** By the names of the functions in WIT: `ns:pkg/interface.function`. */
  readonly handlers: Readonly<Record<string, Handler>>;
  readonly concurrency?: number;
  readonly leaseMs?: number;
  /** How long attempts may go on after `drain`. */
  readonly drainMs?: number;
}

const IDLE_MS = 30_000;
/** How long the next claim waits for the results of attempts that have just come, to take them along. */
const LINGER_MS = 5;
const PAUSES_MS = [100, 200, 500, 1_000, 2_000, 5_000];

class LeaseLost extends Error {}

/** The server will say no again: a wrong token, a request that makes no sense. */
export class Refused extends Error {}

export class Worker {
  readonly #options: Options;
  readonly #running = new Map<string, { attempt: Attempt; abort: AbortController }>();
  readonly #results = new Map<string, Result>();
  readonly #underWay = new Set<string>();
  readonly #details = new Map<string, unknown>();
  #lines: Line[] = [];
  #id = "";
  #leaseMs = 10_000;
  #draining = false;
  readonly #waiting = new Set<() => void>();
  #late: ReturnType<typeof setTimeout> | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Serve until `drain`, and then until nothing is left to do. Throws `Refused`. */
  async run(): Promise<void> {
    await this.#register("");
    const sending = this.#send();
    let pause = 0;
    while (!(this.#draining && this.#isIdle)) {
      try {
        const room = this.#draining ? 0 : (this.#options.concurrency ?? 100) - this.#running.size;
        if (room > 0) await this.#claim(room);
        else {
          await this.#news(this.#leaseMs / 3);
          await this.#exchange(null);
        }
        pause = 0;
      } catch (error) {
        await this.#failed(error, pause++);
      }
    }
    clearTimeout(this.#late);
    this.#changed();
    await sending;
    await this.#fetch("DELETE", `/v1/workers/${this.#id}`).catch(() => {}); // its lease ends by itself, too
  }

  /** Take no more attempts, and let those that run end. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#changed();
    this.#late = setTimeout(() => {
      for (const run of [...this.#running.keys()]) this.#end(run, "the worker stops");
      this.#changed();
    }, this.#options.drainMs ?? 30_000);
  }

  get #isIdle(): boolean {
    return this.#running.size === 0 && this.#results.size === 0;
  }

  get #hasNews(): boolean {
    return this.#lines.length > 0 || this.#details.size > 0 || this.#results.size > this.#underWay.size;
  }

  /** Wait until something is to be sent, at most so long. */
  #news(milliseconds: number): Promise<void> {
    if (this.#hasNews) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#waiting.add(done);
    });
  }

  #changed(): void {
    for (const done of [...this.#waiting]) done();
  }

  async #claim(limit: number): Promise<void> {
    const busy = this.#running.size > 0;
    await this.#exchange({
      limit,
      wait_ms: busy ? Math.round(this.#leaseMs / 3) : IDLE_MS,
      holding: [...this.#running.keys(), ...this.#results.keys()],
    });
    if (this.#running.size > 0) await this.#news(LINGER_MS);
  }

  /** Send what attempts tell while a claim waits, signs of life of those that are silent, and that the worker drains. */
  async #send(): Promise<void> {
    let told = false;
    let pause = 0;
    while (!(this.#draining && this.#isIdle)) {
      await this.#news(this.#leaseMs / 3);
      await sleep(LINGER_MS); // a claim that is about to be sent takes it along
      if (!this.#hasNews && this.#running.size === 0 && told === this.#draining) continue;
      try {
        told = this.#draining;
        await this.#exchange(null);
        pause = 0;
      } catch (error) {
        await this.#failed(error, pause++);
      }
    }
  }

  async #exchange(claim: Schemas["WorkerClaim"] | null): Promise<void> {
    const worker = this.#id;
    const results = [...this.#results.values()].filter(({ run }) => !this.#underWay.has(run)).slice(0, 1000);
    const lines = this.#lines.splice(0, 1000);
    const details = new Map(this.#details);
    this.#details.clear();
    const heartbeats = [...this.#running.values()].map(({ attempt: { execution_id, run } }) => ({
      execution_id,
      run,
      ...(details.has(run) ? { detail: details.get(run) } : {}),
    }));
    for (const { run } of results) this.#underWay.add(run);
    try {
      const body: Schemas["WorkerExchange"] = { results, lines, heartbeats, claim, draining: this.#draining };
      this.#take((await this.#fetch("POST", `/v1/workers/${worker}/exchange`, body)) as Answer);
    } catch (error) {
      this.#lines = [...lines, ...this.#lines];
      for (const [run, detail] of details) if (!this.#details.has(run)) this.#details.set(run, detail);
      if (!(error instanceof LeaseLost)) throw error;
      await this.#register(worker);
    } finally {
      for (const { run } of results) this.#underWay.delete(run);
    }
  }

  #take(answer: Answer): void {
    this.#leaseMs = answer.lease_ms;
    for (const { run, execution_id, state, reason, detail } of answer.results) {
      this.#results.delete(run);
      if (state !== "accepted") console.error(`${execution_id}: the result is ${state}: ${reason ?? detail}`);
    }
    for (const { run, state } of answer.heartbeats) if (state !== "running") this.#end(run, state);
    for (const attempt of answer.attempts) {
      if (!this.#running.has(attempt.run) && !this.#results.has(attempt.run)) void this.#attempt(attempt);
    }
  }

  /** The attempt is to end: what its code gives counts no more. */
  #end(run: string, why: string): void {
    this.#details.delete(run);
    const found = this.#running.get(run);
    this.#running.delete(run);
    found?.abort.abort(new Error(why));
  }

  async #attempt(attempt: Attempt): Promise<void> {
    const { execution_id, run } = attempt;
    const abort = new AbortController();
    this.#running.set(run, { attempt, abort });
    const late = setTimeout(() => this.#end(run, "timed_out"), Math.min(attempt.remaining_ms, 2 ** 31 - 1));
    let outcome: Result["outcome"];
    try {
      const code = this.#options.handlers[attempt.ffqn];
      if (code === undefined) throw new Failure(`this worker does not serve ${attempt.ffqn}`);
      outcome = await code(attempt.params, {
        attempt,
        signal: abort.signal,
        log: (level, message) => this.#tell(() => this.#lines.push({ execution_id, run, level, message })),
        heartbeat: (detail) => this.#tell(() => this.#running.has(run) && this.#details.set(run, detail)),
      });
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      const { retryable, retryAfterMs } = error instanceof Failure ? error : new Failure(message);
      outcome = { failure: { message, detail: stack ?? "", retryable, retry_after_ms: retryAfterMs } };
    }
    clearTimeout(late);
    if (!this.#running.delete(run)) return;
    this.#details.delete(run);
    this.#tell(() => this.#results.set(run, { execution_id, run, outcome }));
  }

  #tell(what: () => void): void {
    what();
    this.#changed();
  }

  /** Register, unless another request has done so since the worker `lost` was. What that one had is given to others. */
  async #register(lost: string): Promise<void> {
    for (const run of [...this.#running.keys()]) this.#end(run, "lost");
    for (let pause = 0; this.#id === lost; pause++) {
      try {
        const body: Schemas["Registration"] = {
          name: this.#options.name,
          functions: Object.keys(this.#options.handlers).map((ffqn) => ({ ffqn })),
          ...(this.#options.leaseMs === undefined ? {} : { lease_ms: this.#options.leaseMs }),
        };
        const view = (await this.#fetch("POST", "/v1/workers", body)) as Schemas["WorkerView"];
        for (const { ffqn, state, detail } of view.functions) {
          if (state !== "ok") console.error(`the server gives no work for ${ffqn}: ${detail || state}`);
        }
        if (this.#id === lost) [this.#id, this.#leaseMs] = [view.worker, view.lease_ms];
      } catch (error) {
        await this.#failed(error, pause);
      }
    }
  }

  async #failed(error: unknown, pause: number): Promise<void> {
    if (error instanceof Refused) throw error;
    console.error(String(error));
    await sleep((PAUSES_MS[pause] ?? 5_000) * (0.5 + Math.random() / 2));
  }

  async #fetch(method: string, path: string, body?: object): Promise<unknown> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (this.#options.token) headers["authorization"] = `Bearer ${this.#options.token}`;
    const signal = AbortSignal.timeout(IDLE_MS + 20_000);
    const answer = await fetch(this.#options.url + path, { method, headers, signal, body: body && JSON.stringify(body) });
    if (answer.ok) return answer.status === 204 ? null : answer.json();
    const { code, detail } = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string };
    const told = `${this.#options.url} answers ${answer.status}: ${detail ?? code ?? answer.statusText}`;
    if (code === "worker_not_found") throw new LeaseLost(told);
    const mayChange = answer.status >= 500 || answer.status === 408 || answer.status === 429;
    throw mayChange ? new Error(told) : new Refused(told);
  }
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
