import type { ChangeFrame, ServerFrame } from '../protocol/frames.ts';
import type { StoredMessage } from '../protocol/message.ts';

/** A message as protocol 0 shows it. */
export function basicMessage(message: StoredMessage): string {
  const { id, room, seq, username, content, createdAt: timestamp, data } = message;
  const basic = { type: 'message' as const, id, room, seq, username, content, timestamp };
  return encode(data === undefined ? basic : { ...basic, data });
}

/** A message as protocol 1 shows it: a `message` when it is new, an `update` after a change. */
export function fullMessage(message: StoredMessage): string {
  const type = message.rev === message.seq ? ('message' as const) : ('update' as const);
  return JSON.stringify({ type, ...message } satisfies ChangeFrame);
}

export function systemFrame(frame: Omit<Extract<ServerFrame, { type: 'system' }>, 'type'>) {
  return encode({ type: 'system', ...frame });
}

type WithoutMessages<Frame> = Frame extends unknown ? Omit<Frame, 'messages'> : never;

/** A frame whose messages are encoded already. */
export function withMessages(
  frame: WithoutMessages<Extract<ServerFrame, { messages: unknown }>>,
  messages: { text: string }[],
): string {
  const texts = messages.map(({ text }) => text).join(',');
  return `${JSON.stringify(frame).slice(0, -1)},"messages":[${texts}]}`;
}

/** The `id` of a frame, for the reply to it; empty when the frame has none. */
export function withId({ id }: { id?: string | undefined }): { id?: string } {
  return id === undefined ? {} : { id };
}

export function encode(frame: ServerFrame): string {
  return JSON.stringify(frame);
}
