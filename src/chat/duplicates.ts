import { createHash } from 'node:crypto';
import { rows } from '../db/index.ts';
import { ChatError } from '../errors.ts';
import type { StoredMessage } from '../protocol/rest.ts';
import { partition, type WriterParts } from './batch.ts';
import { type Duplicate, findDuplicates } from './posts.sql.ts';
import type { QueuedPost } from './queued-post.ts';

/** Two posts with equal fingerprints are duplicates. */
export interface Fingerprint {
  content: string;
  json: string | undefined;
  replyTo: number | undefined;
}

/** The key under which duplicates of a post are found; undefined for a post without a client id. */
export function clientKey(roomId: number, userId: number, clientId: string | undefined) {
  return clientId === undefined ? undefined : `${roomId} ${userId} ${clientId}`;
}

/** Answers duplicates with the message of the first post, and returns the other entries. */
export async function settleDuplicates<Entry extends QueuedPost>(
  batch: Entry[],
  { db, messages }: Pick<WriterParts, 'db' | 'messages'>,
): Promise<Entry[]> {
  const found = await rows<Duplicate>(db, findDuplicates(batch));
  const rooms = new Map(batch.map(({ room }) => [room.id, room]));
  const stored = await messages.byIds(
    rooms,
    found.map(({ id }) => id),
  );
  const known = new Map(found.map((row) => [clientKey(row.roomId, row.userId, row.clientId), row]));
  const first = ({ room, user, clientId }: QueuedPost) =>
    known.get(clientKey(room.id, user.id, clientId));
  const [duplicates, rest] = partition(batch, (entry) => first(entry) !== undefined);
  for (const entry of duplicates) {
    const duplicate = first(entry) as Duplicate;
    const message = stored.get(duplicate.id) as StoredMessage;
    for (const { fingerprint, waiter } of entry.waiting) {
      if (isDuplicate(duplicate, fingerprint)) waiter.done({ message, duplicate: true });
      else waiter.failed(idConflict());
    }
  }
  return rest;
}

export function isSame(one: Fingerprint, other: Fingerprint): boolean {
  const isSameAnswer = one.replyTo === other.replyTo && one.content === other.content;
  return isSameAnswer && isSameData(one.json, other.json);
}

/** The fields of an object have no order: another program, or another library, may send them in another one. */
function isSameData(one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true;
  if (one?.length !== other?.length || one === undefined || other === undefined) return false;
  return Bun.deepEquals(JSON.parse(one), JSON.parse(other), true);
}

/** Whether the entry repeats the stored post, edited or not; a deleted message cannot be compared. */
function isDuplicate(
  { data, replyTo, content, postedDigest, isDeleted }: Duplicate,
  fingerprint: Fingerprint,
) {
  if (isDeleted) return true;
  const json = data ?? undefined;
  const then = { ...fingerprint, content, json, replyTo: replyTo ?? undefined };
  if (postedDigest === null) return isSame(fingerprint, then);
  const digest = createHash('sha256').update(fingerprint.content).digest('hex');
  return isSame(fingerprint, { ...then, content: fingerprint.content }) && digest === postedDigest;
}

export function idConflict(): ChatError {
  return new ChatError(
    'conflict',
    'This id was used for a message with other content; use a new id.',
  );
}
