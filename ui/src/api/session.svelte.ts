/** Who is signed in: a token that lives as long as this tab, never in a URL. */

const KEY = "obelisk.token";

class Session {
  token = $state(sessionStorage.getItem(KEY) ?? "");
  /** The server refused a request for want of a token. */
  isAsked = $state(false);

  ask(): void {
    this.isAsked = true;
  }

  signIn(token: string): void {
    this.token = token.trim();
    sessionStorage.setItem(KEY, this.token);
    this.isAsked = false;
  }

  signOut(): void {
    this.token = "";
    sessionStorage.removeItem(KEY);
    this.isAsked = true;
  }
}

export const session = new Session();
