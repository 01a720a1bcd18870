/** Who is signed in: a token that lives as long as this tab, never in a URL, and what it may do. */

const KEY = "obelisk.token";

export type ScopeName = "public" | "read" | "submit" | "work" | "admin";
const RANK: Readonly<Record<ScopeName, number>> = { public: 0, work: 0, read: 1, submit: 2, admin: 3 };

class Session {
  token = $state(sessionStorage.getItem(KEY) ?? "");
  /** The server refused a request for want of a token. */
  isAsked = $state(false);
  /** As the server said; until it has, nothing is hidden: it refuses what may not be. */
  scope: ScopeName = $state("admin");
  name = $state("");

  ask(): void {
    this.isAsked = true;
  }

  may(needed: "read" | "submit" | "admin"): boolean {
    return RANK[this.scope] >= RANK[needed];
  }

  signIn(token: string): void {
    this.token = token.trim();
    sessionStorage.setItem(KEY, this.token);
    this.isAsked = false;
  }

  signOut(): void {
    this.token = "";
    sessionStorage.removeItem(KEY);
    [this.isAsked, this.scope, this.name] = [true, "admin", ""];
  }
}

export const session = new Session();
