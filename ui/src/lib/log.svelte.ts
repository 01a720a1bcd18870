/** The whole log of one execution, loaded in pages and followed until it has finished. */
import { api, data, type LogEntry, type ResponseEntry } from "../api/client";
import { follow } from "../api/follow";

const PAGE = 500;

export class ExecutionLog {
  events: readonly LogEntry[] = $state.raw([]);
  responses: readonly ResponseEntry[] = $state.raw([]);
  /** Everything that was there when it was asked for is here. */
  isLoaded = $state(false);
  error: unknown = $state();

  constructor(readonly id: string) {}

  /** Load and follow until the signal fires. `isLive` false: only what is there now. */
  async run(signal: AbortSignal, isLive = true): Promise<void> {
    try {
      await Promise.all([this.loadEvents(signal), this.loadResponses(signal)]);
      this.isLoaded = true;
      if (!isLive || this.isFinished || signal.aborted) return;
      const path = `/v1/executions/${encodeURIComponent(this.id)}`;
      const events = new Gatherer<LogEntry>((more) => {
        this.events = [...this.events, ...more.filter((entry, index) => entry.version === this.events.length + index)];
      });
      const responses = new Gatherer<ResponseEntry>((more) => {
        this.responses = [...this.responses, ...more.filter((entry, index) => entry.number === this.responses.length + index)];
      });
      await Promise.all([
        follow(`${path}/events/follow`, this.events.length, (entry) => events.add(entry as unknown as LogEntry), signal),
        follow(`${path}/responses/follow`, this.responses.length, (entry) => responses.add(entry as unknown as ResponseEntry), signal),
      ]);
    } catch (error) {
      if (!signal.aborted) this.error = error;
    }
  }

  get isFinished(): boolean {
    return this.events.at(-1)?.event.type === "finished";
  }

  private async loadEvents(signal: AbortSignal): Promise<void> {
    const found: LogEntry[] = [];
    let shown = 0; // what is shown doubles, so that a long log is not copied page by page
    for (let from: number | null = 0; from !== null && !signal.aborted; ) {
      const page: { items: readonly LogEntry[]; next: number | null } = await data(
        api.GET("/v1/executions/{execution_id}/events", { params: { path: { execution_id: this.id }, query: { from, limit: PAGE } }, signal }),
      );
      found.push(...page.items);
      if (found.length - shown >= shown || page.next === null) [this.events, shown] = [[...found], found.length];
      from = page.items.length === 0 ? null : page.next;
    }
  }

  private async loadResponses(signal: AbortSignal): Promise<void> {
    const found: ResponseEntry[] = [];
    let shown = 0;
    for (let from: number | null = 0; from !== null && !signal.aborted; ) {
      const page: { items: readonly ResponseEntry[]; next: number | null } = await data(
        api.GET("/v1/executions/{execution_id}/responses", { params: { path: { execution_id: this.id }, query: { from, limit: PAGE } }, signal }),
      );
      found.push(...page.items);
      if (found.length - shown >= shown || page.next === null) [this.responses, shown] = [[...found], found.length];
      from = page.items.length === 0 ? null : page.next;
    }
  }
}

/** Entries that come together are shown together: a page that is drawn for each of thousands would stand still. */
class Gatherer<T> {
  private held: T[] = [];

  constructor(private readonly take: (entries: readonly T[]) => void) {}

  add(entry: T): void {
    if (this.held.length === 0) requestAnimationFrame(() => this.take(this.held.splice(0)));
    this.held.push(entry);
  }
}
