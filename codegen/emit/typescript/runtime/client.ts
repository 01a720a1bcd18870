/** Calls functions over HTTP. Generated clients hand their functions to `callable`; the rest is the same for all. */
import { ValueInvalid, type Codec } from "./codecs.js";
import * as errors from "./errors.js";
import { frames } from "./frames.js";

export interface ClientOptions {
  /** A bearer token, or what gives one for each request. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Sends requests in place of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Headers for every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How often a request is repeated while no server answers; calls carry an idempotency key, so none runs twice. */
  readonly retries?: number | undefined;
}

export interface WaitOptions {
  /** How long to wait for a result; NotFinished after that, and the execution goes on. Without it: until it is there. */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait, not the execution. */
  readonly signal?: AbortSignal | undefined;
}

export interface SubmitOptions {
  /** Idempotency key: the same key with the same parameters finds the same execution. Without it: a random one. */
  readonly key?: string | undefined;
  /** Tags of the new execution, to find it by. A key with several values has an array. */
  readonly tags?: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CallOptions extends SubmitOptions, WaitOptions {}

export interface FollowOptions {
  /** The first version wanted; 0 without it. */
  readonly from?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An event of an execution's log. Integers that a number cannot hold are strings of digits in it. */
export interface LogEntry {
  /** Its place in the log. */
  readonly version: number;
  /** RFC 3339. */
  readonly at: string;
  readonly event: { readonly type: string; readonly [member: string]: unknown };
}

/** The arguments of a call: the parameters by name, which may be left out when none is needed. */
export type Arguments<P, O> = {} extends P ? [params?: P, options?: O] : [params: P, options?: O];

/** A function, called as it stands. A WIT `result` comes back as `{ ok }` or `{ err }`; what else goes wrong is thrown. */
export interface Callable<P, R> {
  (...given: Arguments<P, CallOptions>): Promise<R>;
  /** Record a call, and do not wait for it. */
  submit(...given: Arguments<P, SubmitOptions>): Promise<Execution<R>>;
  /** An execution of this function that is recorded already. */
  execution(id: string): Execution<R>;
  /** Give the result of an execution of this function where it is deployed as a stub. */
  stub(id: string, result: R, options?: SubmitOptions): Promise<void>;
}

/** What is known of a function whose result is read. */
export interface Resulting<R> {
  /** `ns:pkg/interface@version/function` */
  readonly path: string;
  readonly result: Codec<R>;
  /** Whether the result is a WIT `result`. */
  readonly isFallible: boolean;
}

/** What is known of a function that is called. */
export interface Operation<P, R> extends Resulting<R> {
  readonly params: Codec<P>;
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal | undefined;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly value: unknown;
}

const WAIT_S = 20;
const PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;
const WIDE = "wide-integers=string";

/** One server. */
export class Client {
  readonly #url: string;
  readonly #options: ClientOptions;

  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#url = String(url).replace(/\/+$/, "");
    this.#options = options;
  }

  /** Send a request once, with the token and the headers of the options. Throws what `fetch` throws. */
  async send(request: Request): Promise<Response> {
    const { token, headers, fetch = globalThis.fetch } = this.#options;
    const bearer = typeof token === "function" ? await token() : token;
    return fetch(this.#url + request.path, {
      method: request.method,
      headers: {
        ...headers,
        ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
        ...request.headers,
      },
      body: request.body ?? null,
      signal: request.signal ?? null,
    });
  }

  /** Send a request, repeated while no server answers or it is unavailable. A refusal is thrown but for 422. */
  async ask(request: Request): Promise<Answer> {
    const retries = this.#options.retries ?? 5;
    for (let tried = 0; ; tried++) {
      let pauseMs = 2 * PAUSE_MS * 2 ** tried;
      try {
        const response = await this.send(request);
        const answer = { status: response.status, headers: response.headers, value: await valueOf(response) };
        if (response.ok || response.status === 422) return answer;
        const error = refusal(answer);
        if (!(error instanceof errors.Unavailable) || tried >= retries) throw error;
        pauseMs = 1000 * error.retryAfterS;
      } catch (error) {
        if (error instanceof errors.ObeliskError && !(error instanceof errors.Unavailable && tried < retries)) throw error;
        if (request.signal?.aborted) throw error;
        if (tried >= retries) throw new errors.Unreachable("unreachable", `no answer from ${this.#url}: ${String(error)}`);
      }
      await pause(pauseMs, request.signal);
    }
  }
}

/** A recorded call. */
export class Execution<R> {
  readonly id: string;
  readonly #client: Client;
  readonly #operation: Resulting<R>;

  constructor(client: Client, operation: Resulting<R>, id: string) {
    this.id = id;
    this.#client = client;
    this.#operation = operation;
  }

  /** Wait for the result. NotFinished when the time is up. */
  async result(options: WaitOptions = {}): Promise<R> {
    const { signal, timeoutMs } = options;
    const ends = deadline(timeoutMs);
    for (let pauseMs = 0; ; ) {
      const asked = performance.now();
      const path = `${this.#path}/result?wait=${waitS(ends)}`;
      const answer = await this.#client.ask({ method: "GET", path, headers: { Prefer: WIDE }, signal });
      if (answer.status !== 202) return outcome(this.#operation, answer);
      const now = performance.now();
      if (now >= ends) {
        const problem = { execution_id: this.id };
        throw new errors.NotFinished("not_finished", `${this.id} has not finished in time; it goes on`, 0, problem);
      }
      // A server that does not hold the request (its cap is low, or it is stopping) is asked ever less often.
      pauseMs = now - asked >= PAUSE_MS ? 0 : Math.min(LONGEST_PAUSE_MS, Math.max(PAUSE_MS, 2 * pauseMs), ends - now);
      if (pauseMs) await pause(pauseMs, signal);
    }
  }

  /** Ask for it to be cancelled, with all its children; gives the effect. */
  async cancel(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<string> {
    const path = `${this.#path}/cancel`;
    const { value } = checked(await this.#client.ask({ method: "POST", path, signal: options.signal }));
    const effect = typeof value === "object" && value !== null ? (value as errors.Problem)["effect"] : undefined;
    return typeof effect === "string" ? effect : foreign("the answer names no effect");
  }

  /** Its log, event by event until it has finished; a stream that breaks is taken up again where it broke. */
  async *events(options: FollowOptions = {}): AsyncGenerator<LogEntry, void, undefined> {
    const { signal } = options;
    let next = options.from ?? 0;
    for (let failed = 0; ; ) {
      const path = `${this.#path}/events/follow?from=${next}`;
      try {
        const response = await this.#client.send({ method: "GET", path, headers: { Prefer: WIDE }, signal });
        if (response.status === 204) return;
        if (!response.ok || response.body === null) {
          throw refusal({ status: response.status, headers: response.headers, value: await valueOf(response) });
        }
        for await (const frame of frames(response.body)) {
          const data = parsed(frame.data);
          if (frame.event === "end") return;
          if (frame.event === "problem") throw errors.ofProblem(0, data as errors.Problem, null);
          const entry = data as LogEntry;
          yield entry;
          next = entry.version + 1;
          failed = 0;
        }
      } catch (error) {
        const isRefused = error instanceof errors.ObeliskError && !(error instanceof errors.Unavailable);
        if (isRefused || signal?.aborted || failed >= 5) throw error;
        failed += 1;
      }
      await pause(PAUSE_MS * 2 ** failed, signal);
    }
  }

  get #path(): string {
    return pathOf(this.id);
  }
}

/** What generated clients are made of. */
export function callable<P, R>(client: Client, operation: Operation<P, R>): Callable<P, R> {
  const path = `/v1/functions/${operation.path}`;

  const submission = (params: P | undefined, options: SubmitOptions, prefer: string): Promise<Answer> => {
    const headers: Record<string, string> = {
      "Content-Type": "application/json",
      Prefer: `${prefer}, ${WIDE}`,
      "Idempotency-Key": options.key ?? crypto.randomUUID(),
    };
    if (options.tags) headers["Obelisk-Tags"] = tagged(options.tags);
    const body = operation.params.write((params ?? {}) as P, "");
    return client.ask({ method: "POST", path, headers, body, signal: options.signal });
  };

  const call = async (params?: P, options: CallOptions = {}): Promise<R> => {
    const ends = deadline(options.timeoutMs);
    const wait = waitS(ends);
    const answer = await submission(params, options, wait > 0 ? `wait=${wait}` : "respond-async");
    if (answer.status !== 202) return outcome(operation, answer);
    const left = options.timeoutMs === undefined ? undefined : Math.max(0, ends - performance.now());
    return new Execution(client, operation, executionId(answer)).result({ timeoutMs: left, signal: options.signal });
  };

  const submit = async (params?: P, options: SubmitOptions = {}): Promise<Execution<R>> => {
    const answer = checked(await submission(params, options, "respond-async"));
    return new Execution(client, operation, executionId(answer));
  };

  const stub = async (id: string, result: R, options: SubmitOptions = {}): Promise<void> => {
    const body = operation.result.write(result, "");
    const headers = { "Content-Type": "application/json" };
    checked(await client.ask({ method: "PUT", path: `${pathOf(id)}/stub`, headers, body, signal: options.signal }));
  };

  const execution = (id: string): Execution<R> => new Execution(client, operation, id);
  return Object.assign(call, { submit, execution, stub });
}

function outcome<R>(operation: Resulting<R>, answer: Answer): R {
  let value: unknown = answer.value;
  if (answer.status === 422) {
    const problem = value as errors.Problem;
    if (problem["code"] !== "returned_err" || !operation.isFallible) throw refusal(answer);
    value = { err: problem["error"] };
  } else if (operation.isFallible) {
    value = { ok: value };
  }
  try {
    return operation.result.read(value, "");
  } catch (error) {
    if (!(error instanceof ValueInvalid)) throw error;
    return foreign(`the result of ${operation.path} is not of the type this client was generated for: ${error.message}`);
  }
}

function checked(answer: Answer): Answer {
  if (answer.status === 422) throw refusal(answer);
  return answer;
}

function refusal(answer: Answer): errors.ObeliskError {
  const { status, headers, value } = answer;
  if (!(headers.get("content-type") ?? "").startsWith("application/problem+json")) {
    return new errors.AnswerForeign("answer_foreign", `no Obelisk server answers there: status ${status}`, status);
  }
  return errors.ofProblem(status, value as errors.Problem, headers.get("retry-after"));
}

function foreign(message: string): never {
  throw new errors.AnswerForeign("answer_foreign", message);
}

/** The JSON of an answer; null without a body. */
async function valueOf(response: Response): Promise<unknown> {
  const text = await response.text();
  return text === "" || !(response.headers.get("content-type") ?? "").includes("json") ? null : parsed(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return foreign("the answer is no JSON");
  }
}

function executionId(answer: Answer): string {
  return answer.headers.get("obelisk-execution-id") ?? foreign("the answer names no execution");
}

function pathOf(id: string): string {
  return `/v1/executions/${encodeURIComponent(id)}`;
}

function tagged(tags: NonNullable<SubmitOptions["tags"]>): string {
  const pairs = Object.entries(tags).flatMap(([key, values]) => [values].flat().map((value) => `${key}=${value}`));
  return pairs.join(",");
}

/** The instant, in milliseconds, at which a wait is over. */
function deadline(timeoutMs: number | undefined): number {
  return timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
}

/** Whole seconds to ask for; what is left beyond them is waited for between requests. */
function waitS(ends: number): number {
  return Math.floor(Math.max(0, Math.min(WAIT_S, (ends - performance.now()) / 1000)));
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
