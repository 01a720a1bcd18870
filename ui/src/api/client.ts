/**
 * The gateway, typed by its own OpenAPI document. A refusal is a `Problem`; a 401 asks for a token (`session`).
 */
import createClient, { type Middleware } from "openapi-fetch";
import { parse, type Json } from "./json";
import type { components, paths } from "./schema";
import { session } from "./session.svelte";

export type Schemas = components["schemas"];
export type Execution = Schemas["Execution"];
export type FunctionView = Schemas["FunctionView"];
export type ComponentView = Schemas["ComponentView"];
export type LogEntry = Schemas["LogEntry"];
export type ResponseEntry = Schemas["ResponseEntry"];
export type GuestLine = Schemas["GuestLine"];

/** The folder that this page is in, so that the interface works below any prefix. */
export const base = new URL(".", document.baseURI).href.replace(/\/$/, "");

export type Place = { readonly pointer: string; readonly message: string };

/** What the server refused, as problem details (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: { readonly [key: string]: Json },
  ) {
    super(message);
  }

  static of(status: number, body: Json | undefined): Problem {
    const details = body !== null && typeof body === "object" && !Array.isArray(body) ? (body as { [key: string]: Json }) : {};
    const text = (key: string) => (typeof details[key] === "string" ? (details[key] as string) : "");
    return new Problem(status, text("code") || "unknown", text("detail") || text("title") || `status ${status}`, details);
  }

  /** Where parameters are wrong, if they are. */
  get places(): readonly Place[] {
    const problems = this.details["problems"] ?? this.details["errors"];
    if (!Array.isArray(problems)) return [];
    return problems.flatMap((found: Json) => {
      if (found === null || typeof found !== "object" || Array.isArray(found)) return [];
      const { pointer, message, detail } = found as { [key: string]: Json };
      return typeof pointer === "string" ? [{ pointer, message: String(message ?? detail ?? "is wrong") }] : [];
    });
  }
}

/** Like `fetch`, with the token, and with exact integers in what it returns. */
export async function exactFetch(request: Request): Promise<Response> {
  const headers = new Headers(request.headers);
  if (session.token !== "") headers.set("authorization", `Bearer ${session.token}`);
  let response: Response;
  try {
    response = await fetch(new Request(request, { headers }));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "the server does not answer", {});
  }
  if (response.status === 401) session.ask();
  return response;
}

const exact: Middleware = {
  async onResponse({ response }) {
    const type = response.headers.get("content-type") ?? "";
    if (response.status === 204 || !type.includes("json")) return undefined;
    const text = await response.text();
    if (!response.ok) throw Problem.of(response.status, text === "" ? undefined : parse(text));
    const copy = new Response(text, { status: response.status, headers: response.headers });
    copy.headers.set("content-length", String(text.length));
    Object.defineProperty(copy, "json", { value: () => Promise.resolve(parse(text)) });
    return copy;
  },
};

export const api = createClient<paths>({ baseUrl: base, fetch: exactFetch });
api.use(exact);

/** The data of an answer; throws the Problem that came instead. */
export async function data<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data: found, response } = await answer;
  if (!response.ok) throw Problem.of(response.status, undefined);
  return found as T;
}

export type Called =
  | { readonly state: "returned"; readonly id: string; readonly value: Json }
  | { readonly state: "accepted"; readonly id: string }
  | { readonly state: "failed"; readonly id: string; readonly problem: Problem };

/** Call a function, or give any body to any route below the gateway: for paths that no document of every server has. */
export async function send(method: string, path: string, body: string, headers: Record<string, string>): Promise<Called> {
  const request = new Request(base + path, { method, body, headers: { "content-type": "application/json", ...headers } });
  const response = await exactFetch(request);
  const text = await response.text();
  const id = response.headers.get("obelisk-execution-id") ?? "";
  if (!response.ok) {
    const problem = Problem.of(response.status, text === "" ? undefined : parse(text));
    if (id === "") throw problem;
    return { state: "failed", id, problem };
  }
  if (response.status === 202) return { state: "accepted", id };
  return { state: "returned", id, value: text === "" ? null : parse(text) };
}
