/** What a caller is told when a call has no result: one class for each thing that a program may want to do about it. */

/** What is common to all of them; by itself a refusal for which there is no class. */
export class ObeliskError extends Error {
  override readonly name: string;
  /** The server's stable word, or one of the client's own. */
  readonly code: string;
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
  /** All that the server said, as problem details (RFC 9457). */
  readonly problem: Problem;

  constructor(code: string, message: string, status = 0, problem: Problem = {}) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.status = status;
    this.problem = problem;
  }

  /** The execution that this is about, if there is one. */
  get executionId(): string | undefined {
    return text(this.problem["execution_id"]);
  }
}

export type Problem = Readonly<Record<string, unknown>>;

/** One fault of the parameters: a JSON pointer, the WIT type expected there, what was found. */
export interface Fault {
  readonly pointer: string;
  readonly expected: string;
  readonly detail: string;
}

/** The parameters do not typecheck. Nothing was recorded. */
export class InvalidParams extends ObeliskError {
  get faults(): readonly Fault[] {
    const faults = this.problem["errors"];
    return Array.isArray(faults) ? (faults as readonly Fault[]) : [];
  }
}

/** No such function is deployed, or no such execution is recorded. */
export class NotFound extends ObeliskError {}

/** The idempotency key was used for another call, or the execution's state does not allow this. */
export class Conflict extends ObeliskError {}

/** The server wants credentials, or others. */
export class Unauthenticated extends ObeliskError {}

/** The server does not know this operation. */
export class Unsupported extends ObeliskError {}

/** Not now: too many executions wait, or this client asks too much. */
export class Busy extends ObeliskError {
  /** Seconds after which the server expects to take the call. */
  get retryAfterS(): number {
    const after = this.problem["retry_after_s"];
    return typeof after === "number" ? after : 1;
  }
}

/** The server is there and cannot take work at present. */
export class Unavailable extends Busy {}

/** No server answers, also after all retries. A call may have been recorded all the same. */
export class Unreachable extends ObeliskError {}

/** The answer is none of an Obelisk server, or its value is not of the type that this client was generated for. */
export class AnswerForeign extends ObeliskError {}

/** The time is up and the execution goes on; take it up again by its `executionId`. */
export class NotFinished extends ObeliskError {}

/** The execution ended without a result of the function: trapped, timed out, out of fuel, cancelled, … */
export class ExecutionFailed extends ObeliskError {
  /** `trapped`, `timed_out`, `out_of_fuel`, `nondeterminism_detected`, `cancelled`, … */
  get kind(): string {
    return text(this.problem["kind"]) ?? "uncategorized";
  }

  /** What the server's log calls this failure. */
  get errorId(): string | undefined {
    return text(this.problem["error_id"]);
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

const CODES = new Map<string, typeof ObeliskError>([
  ["params_invalid", InvalidParams],
  ["body_invalid", InvalidParams],
  ["result_invalid", InvalidParams],
  ["route_not_found", Unsupported],
  ["unsupported", Unsupported],
  ["execution_failed", ExecutionFailed],
  ["execution_timed_out", ExecutionFailed],
]);
const STATUSES = new Map<number, typeof ObeliskError>([
  [401, Unauthenticated],
  [403, Unauthenticated],
  [404, NotFound],
  [405, Unsupported],
  [409, Conflict],
  [429, Busy],
  [503, Unavailable],
]);

/** The error for problem details. Codes of a newer server fall back to their status. */
export function ofProblem(status: number, problem: Problem, retryAfter: string | null): ObeliskError {
  const code = text(problem["code"]) ?? "internal";
  const kind = CODES.get(code) ?? STATUSES.get(status) ?? ObeliskError;
  const after = retryAfter !== null && /^[0-9]+$/.test(retryAfter) ? { retry_after_s: Number(retryAfter) } : {};
  return new kind(code, text(problem["detail"]) ?? code, status, { ...problem, ...after });
}
