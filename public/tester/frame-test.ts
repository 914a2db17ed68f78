import type { LogEntry } from './wire.ts';

/** What a server chooses anew each time. */
const CHANGING = ['timestamp', 'createdAt', 'id', 'messageId', 'seq', 'rev', 'epoch', 'sentAt'];

/**
 * A log as a test for `bun test`: sends what was sent, and holds that the same types of frames, with the same
 * codes of errors, answer what had an id. Rooms get a new name, so that it can be run again.
 */
export function asTest(entries: readonly LogEntry[]): string {
  const sent = entries
    .filter(({ direction, fate }) => direction === 'out' && fate !== 'dropped')
    .map((entry) => {
      const frame = JSON.parse(entry.text);
      delete frame.token;
      const answer = entries.find(({ n }) => n === entry.other);
      return {
        frame,
        answer: answer && { type: answer.type, ...(answer.error && { code: answer.error }) },
      };
    })
    // What is about a stored message, or where to go on, is of that server alone.
    .filter(({ frame }) => frame.messageId === undefined)
    .map(({ frame, answer }) => {
      const { since: _, epoch: __, replyTo: ___, seq: ____, ...rest } = frame;
      return { frame: frame.type === 'read' ? { ...rest, seq: 0 } : rest, answer };
    })
    .filter(({ frame }) => frame.type !== 'read');
  return `import { expect, test } from 'bun:test';

/** Recorded at ${location.origin}; not held: ${CHANGING.join(', ')}. */
const url = process.env.WS_CHAT_URL ?? '${location.origin.replace('http', 'ws')}/ws';
const suffix = \`-\${crypto.randomUUID().slice(0, 8)}\`;
const steps: { frame: Record<string, unknown>; answer?: Record<string, unknown> }[] = ${JSON.stringify(sent, null, 2)};

test('the server answers as it did when this was recorded', async () => {
  const socket = new WebSocket(url);
  const answers = new Map<unknown, (frame: Record<string, unknown>) => void>();
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    answers.get(frame.id)?.(frame);
  };
  await new Promise((opened) => {
    socket.onopen = opened;
  });
  for (const { frame, answer } of steps) {
    const id = frame.id === undefined ? undefined : crypto.randomUUID();
    const room = typeof frame.room === 'string' ? frame.room + suffix : undefined;
    const reply = new Promise<Record<string, unknown>>((done) => answers.set(id, done));
    socket.send(JSON.stringify({ ...frame, id, room }));
    if (answer && id) expect(await reply).toMatchObject(answer);
  }
  socket.close();
});
`;
}
