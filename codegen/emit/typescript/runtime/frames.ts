/** Server-sent events out of the body of an answer. */

export interface Frame {
  /** "message" unless the server names it. */
  readonly event: string;
  readonly data: string;
}

/** The frames of a stream, comments left out. Leaving the loop ends the request. */
export async function* frames(body: NonNullable<Response["body"]>): AsyncGenerator<Frame, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const frame = frameOf(block);
        if (frame) yield frame;
      }
    }
  } finally {
    await reader.cancel();
  }
}

function frameOf(block: string): Frame | undefined {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [, name, text] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (name === "event" && text !== undefined) event = text;
    if (name === "data" && text !== undefined) data.push(text);
  }
  return data.length > 0 ? { event, data: data.join("\n") } : undefined;
}
