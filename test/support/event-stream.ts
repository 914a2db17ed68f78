/** An event of a stream, by its fields. */
export interface StreamEvent {
  id?: string;
  data?: string;
}

/** Reads Server-Sent Events off a response, one after the other. */
export async function* eventsOf(response: Response): AsyncGenerator<StreamEvent> {
  let text = '';
  for await (const chunk of (response.body as ReadableStream).pipeThrough(
    new TextDecoderStream(),
  )) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = block
        .split('\n')
        .map((line) => /^(\w*): ?(.*)$/.exec(line))
        .map((found) => [found?.[1], found?.[2]]);
      yield Object.fromEntries(fields.filter(([name]) => name));
    }
  }
}
