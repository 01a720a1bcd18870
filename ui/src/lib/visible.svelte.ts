/** Nothing is asked of the server while the tab is hidden. */

/** Resolves once the tab can be seen, or the signal fires. */
export function visible(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => {
    const end = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", end);
      done();
    };
    document.addEventListener("visibilitychange", end);
    signal.addEventListener("abort", end, { once: true });
  });
}

/** Run `work` now and every `ms` while the tab can be seen; a run that takes long delays the next one. */
export function repeat(work: (signal: AbortSignal) => Promise<void>, ms: number): () => void {
  const stopped = new AbortController();
  void (async () => {
    while (!stopped.signal.aborted) {
      await visible(stopped.signal);
      if (stopped.signal.aborted) return;
      await work(stopped.signal).catch(() => undefined); // `work` shows its own errors
      await new Promise<void>((done) => {
        const timer = setTimeout(done, ms);
        stopped.signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
      });
    }
  })();
  return () => stopped.abort();
}
