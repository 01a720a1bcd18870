/** Where we are: `#/executions?status=open`. The hash, so that the page works below any prefix and needs no server. */

export class Router {
  path = $state("/");
  query = $state(new URLSearchParams());

  constructor() {
    this.read();
    addEventListener("hashchange", () => this.read());
  }

  private read(): void {
    const [path, query] = split(location.hash);
    this.path = path;
    this.query = new URLSearchParams(query);
  }

  /** Change parts of the query, `""` takes one out; the page stays, and Back leads to what was before it. */
  set(change: Readonly<Record<string, string>>): void {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(change)) {
      if (value === "") query.delete(name);
      else query.set(name, value);
    }
    history.replaceState(null, "", link(this.path, query));
    this.query = query;
  }

  go(to: string): void {
    location.hash = to;
  }
}

/** The two parts of a hash. */
export function split(hash: string): readonly [path: string, query: string] {
  const text = hash.replace(/^#/, "");
  const at = text.indexOf("?");
  const path = at < 0 ? text : text.slice(0, at);
  return [path === "" ? "/" : path, at < 0 ? "" : text.slice(at + 1)];
}

/** A link to a page of this interface. */
export function link(path: string, query: URLSearchParams | Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query as Record<string, string>).toString();
  return `#${path}${text === "" ? "" : `?${text}`}`;
}

export const toExecution = (id: string, tab = ""): string => link(`/executions/${encodeURIComponent(id)}${tab === "" ? "" : `/${tab}`}`);
export const toFunction = (ffqn: string): string => link(`/functions/${encodeURIComponent(ffqn)}`);
export const toComponent = (name: string): string => link(`/components/${encodeURIComponent(name)}`);

export const router = new Router();
