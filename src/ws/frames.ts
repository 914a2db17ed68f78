import type { StoredMessage } from '../types/rest.ts';
import type { ServerFrame } from '../types/websocket.ts';

/** A message as protocol 0 shows it. */
export function basicMessage({
  id,
  room,
  seq,
  username,
  content,
  createdAt,
}: StoredMessage): string {
  const timestamp = createdAt;
  return encode({ type: 'message', id, room, seq, username, content, timestamp });
}

/** A message as protocol 1 shows it: new, or as it now is. */
export function fullMessage(message: StoredMessage): string {
  const { id, room, seq, rev, username, content, createdAt: timestamp } = message;
  const { to, replyTo, data, mentions, reactions, editedAt, deletedAt, clientId } = message;
  return encode({
    type: rev === seq ? 'message' : 'update',
    id,
    room,
    seq,
    rev,
    username,
    content,
    timestamp,
    // What is undefined is left out of the JSON.
    to,
    replyTo,
    data,
    mentions,
    reactions,
    editedAt,
    deletedAt,
    clientId,
  } as ServerFrame);
}

/** A `system` frame of this moment. */
export function systemFrame(room: string, content: string): string {
  return encode({ type: 'system', room, content, timestamp: new Date().toISOString() });
}

type WithoutMessages<Frame> = Frame extends unknown ? Omit<Frame, 'messages'> : never;

/** A frame that holds messages which are text already. */
export function withMessages(
  frame: WithoutMessages<Extract<ServerFrame, { messages: unknown }>>,
  messages: { text: string }[],
): string {
  const texts = messages.map(({ text }) => text).join(',');
  return `${JSON.stringify(frame).slice(0, -1)},"messages":[${texts}]}`;
}

/** The id of the frame that is answered, if it had one. */
export function withId({ id }: { id?: string | undefined }): { id?: string } {
  return id === undefined ? {} : { id };
}

export function encode(frame: ServerFrame): string {
  return JSON.stringify(frame);
}
