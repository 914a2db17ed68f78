/** An event of a stream. */
export interface StreamEvent {
  id: string;
  /** Missing in the first event, whose id is where the stream begins. */
  data?: string;
}

/**
 * Reads Server-Sent Events of a `fetch`, which, unlike an `EventSource`, sends a token in a header and is
 * there in Node.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export async function* readEvents(response: Response): AsyncGenerator<StreamEvent, void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      if (done) return;
      text += value;
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const field = (name: string) =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
        const [id = '', data] = [field('id'), field('data')];
        if (id || data) yield { id, ...(data && { data }) };
      }
    }
  } finally {
    await reader?.cancel().catch(() => {});
  }
}
