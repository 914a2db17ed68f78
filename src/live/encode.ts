import { type ChangeFrame, MAX_PAGE_BYTES, type ServerFrame } from '../protocol/frames.ts';
import type { StoredMessage } from '../protocol/message.ts';

/** A message as protocol 0 shows it. */
export function basicMessage(message: StoredMessage): string {
  const { id, room, seq, username, content, createdAt: timestamp, data } = message;
  const basic = { type: 'message' as const, id, room, seq, username, content, timestamp };
  return encode(data === undefined ? basic : { ...basic, data });
}

export function systemFrame(frame: Omit<Extract<ServerFrame, { type: 'system' }>, 'type'>) {
  return encode({ type: 'system', ...frame });
}

type WithoutMessages<Frame> = Frame extends unknown ? Omit<Frame, 'messages'> : never;

/** A frame whose messages are encoded, and {@link joined}, already. */
export function withMessages(
  frame: WithoutMessages<Extract<ServerFrame, { messages: unknown }>>,
  messages: string,
): string {
  return `${JSON.stringify(frame).slice(0, -1)},"messages":[${messages}]}`;
}

/** The texts of changes as the inside of a JSON array. */
export function joined(changes: EncodedChange[]): string {
  return changes.map(({ text }) => text).join(',');
}

/** The `id` of a frame, for the reply to it; empty when the frame has none. */
export function withId({ id }: { id?: string | undefined }): { id?: string } {
  return id === undefined ? {} : { id };
}

export function encode(frame: ServerFrame): string {
  return JSON.stringify(frame);
}

/** A message in its state after a change of the room, and its text in protocol 1. */
export interface EncodedChange {
  rev: number;
  message: StoredMessage;
  text: string;
  /** The bytes of the text and a comma. */
  bytes: number;
}

export function encodeChange(message: StoredMessage): EncodedChange {
  const text = fullMessage(message);
  return { rev: message.rev, message, text, bytes: Buffer.byteLength(text) + 1 };
}

/** A message as protocol 1 shows it: a `message` when it is new, an `update` after a change. */
function fullMessage(message: StoredMessage): string {
  const type: ChangeFrame['type'] = message.rev === message.seq ? 'message' : 'update';
  return `{"type":"${type}",${JSON.stringify(message).slice(1)}`;
}

/** The bytes of a `changes` frame beside its changes: its other fields, with the longest name of a room. */
const BATCH_BYTES = 128;

/** Splits changes into runs of consecutive `rev`s that each fit into one `changes` frame; each has at least one. */
export function batchesOf(changes: EncodedChange[]): EncodedChange[][] {
  const batches: EncodedChange[][] = [];
  let bytes = 0;
  for (const change of changes) {
    const batch = batches.at(-1);
    const isNext = batch?.at(-1)?.rev === change.rev - 1;
    if (batch && isNext && bytes + change.bytes <= MAX_PAGE_BYTES) {
      batch.push(change);
      bytes += change.bytes;
    } else {
      batches.push([change]);
      bytes = BATCH_BYTES + change.bytes;
    }
  }
  return batches;
}

/** The text of a batch; a single change is a frame of its own. */
export function encodeBatch(room: string, batch: EncodedChange[]): string {
  const texts = joined(batch);
  return batch.length === 1 ? texts : `{"type":"changes","room":"${room}","changes":[${texts}]}`;
}
