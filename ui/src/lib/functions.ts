/** Deployed functions by name, asked for once and again when the page comes back to them. */
import { api, base, data, type FunctionView } from "../api/client";
import { print, type Json } from "../api/json";

/** The deployed function of exactly this name, if there is one. */
export async function functionOf(ffqn: string, signal?: AbortSignal): Promise<FunctionView | undefined> {
  const found = await data(api.GET("/v1/functions", { params: { query: { function: ffqn } }, ...(signal === undefined ? {} : { signal }) }));
  return found.items.find((one) => one.ffqn === ffqn);
}

/** Parameters as they are recorded, in order, by their names; the list as it is when the function is not known. */
export function named(params: Json, view: FunctionView | undefined): Json {
  if (view === undefined || !Array.isArray(params)) return params;
  const list = params as readonly Json[];
  return Object.fromEntries(view.params.map((param, index) => [param.name.replaceAll("-", "_"), list[index] ?? null]));
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The same call by other means. */
export function asCurl(path: string, params: Json, headers: Readonly<Record<string, string>>): string {
  const more = Object.entries(headers).map(([name, value]) => ` \\\n  -H ${quote(`${name}: ${value}`)}`);
  return `curl -X POST ${quote(base + path)} -H 'content-type: application/json'${more.join("")} \\\n  -d ${quote(print(params))}`;
}

export function asCli(ffqn: string, params: Json): string {
  return `obelisk execution run ${quote(ffqn)} ${quote(print(params))}`;
}

/** With the client that `obelisk gen` writes: the function is a method of the client of its interface. */
export function asPython(ffqn: string, params: Json): string {
  const [home = "", name = ""] = [ffqn.slice(0, ffqn.lastIndexOf(".")), ffqn.slice(ffqn.lastIndexOf(".") + 1)];
  const [pkg = "", ifc = ""] = home.split("/");
  const snake = (text: string) => text.replaceAll(/[-:]/g, "_");
  const list = params !== null && typeof params === "object" && !Array.isArray(params) ? Object.entries(params as { [key: string]: Json }) : [];
  const camel = ifc.split("-").map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");
  return [
    `from generated.${snake(pkg)}.client import Client${camel === "" ? "" : `  # ${ifc}`}`,
    "",
    `with Client("${base}") as client:`,
    `    client.${snake(ifc)}.${snake(name)}(${list.map(([key, value]) => `${snake(key)}=${python(value)}`).join(", ")})`,
  ].join("\n");
}

function python(value: Json): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return print(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(python).join(", ")}]`;
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item as Json)}`).join(", ")}}`;
}

const HELD = "obelisk.params.";

/** Parameters that another page hands to the form of a function. */
export function hold(ffqn: string, params: Json): void {
  sessionStorage.setItem(HELD + ffqn, print(params));
}

export function held(ffqn: string): string | null {
  const found = sessionStorage.getItem(HELD + ffqn);
  sessionStorage.removeItem(HELD + ffqn);
  return found;
}
