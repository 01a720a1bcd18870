/** The payment activity in TypeScript: `node js/payments.js`, with `OBELISK_URL` and `OBELISK_TOKEN` in the environment. */

import { handler, sleep, Worker } from "./worker.js";

declare const process: { env: Record<string, string | undefined>; on(signal: string, then: () => void): void };

const charge = handler("demo.payments.payments.charge", async ({ card, cents }, { attempt, signal, log, heartbeat }) => {
  log("info", `charging ${cents} cents, attempt ${attempt.attempt}`);
  if (card === "stolen") return { err: { permanent_declined: "the card was reported" } };
  if (card === "flaky" && attempt.attempt === 1) throw new Error("the terminal hung up");
  if (card === "slow") {
    heartbeat({ waits_ms: cents });
    signal.addEventListener("abort", () => console.log(`${attempt.execution_id} ends: ${signal.reason.message}`));
    console.log(`${attempt.execution_id} waits`);
    await sleep(cents, signal);
  }
  // A real terminal is given the execution id as idempotency key: it is the same in every attempt.
  return { ok: `receipt of ${attempt.execution_id}` };
});

const worker = new Worker({
  url: process.env["OBELISK_URL"] ?? "http://127.0.0.1:8080",
  token: process.env["OBELISK_TOKEN"] ?? "",
  name: "payments in TypeScript",
  handlers: { "demo:payments/payments.charge": charge },
});
process.on("SIGTERM", () => worker.drain());
process.on("SIGINT", () => worker.drain());
await worker.run();
console.log("drained");
