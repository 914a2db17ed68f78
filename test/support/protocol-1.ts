import type { ServerFrame } from '../../src/protocol/frames.ts';
import type { Client } from './client.ts';
import { fresh, type TestServer } from './server.ts';

export type Joined = Extract<ServerFrame, { type: 'joined' }>;

/** Joins as ana. */
export async function join(client: Client, room: string, more: object = {}): Promise<Joined> {
  client.send({ type: 'join', username: 'ana', protocol: 1, room, ...more });
  return client.untilType('joined');
}

/** A room with this many messages of a user that has left. */
export async function roomWith(
  server: TestServer,
  messages: number,
  content = (n: number) => `m${n}`,
): Promise<string> {
  const room = fresh('room');
  const writer = await server.join('writer', room);
  for (let n = 1; n <= messages; n++) writer.send({ type: 'message', content: content(n) });
  await writer.until((frame) => frame.type === 'message' && frame.seq === messages);
  writer.send({ type: 'leave' });
  await writer.settle();
  await writer.close();
  return room;
}

export const seqs = ({ messages }: { messages: { seq: number }[] }) =>
  messages.map(({ seq }) => seq);
/** From the one to the other, both included. */
export const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n);
