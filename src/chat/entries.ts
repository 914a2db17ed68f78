import { ChatError } from '../errors.ts';
import type { Person } from '../protocol/identity.ts';
import type { Draft, StoredMessage } from '../protocol/message.ts';
import type { Room } from '../protocol/room.ts';

/** A message on its way to the database. Its client id is unique per room and user, for ever. */
export interface Post {
  room: Room;
  user: Person;
  content: string;
  draft: Draft;
}

/** The stored message, and whether an earlier post had stored it already. */
export interface Posted {
  message: StoredMessage;
  duplicate: boolean;
}

/** A post on its way through the writer, with its waiters: more than one when its client id has arrived again. */
export interface QueuedPost extends Post, Fingerprint {
  cost: number;
  waiting: { fingerprint: Fingerprint; waiter: Waiter<Posted> }[];
  /** Set before the insert, like the recipients of notifications. */
  mentioned: Person[];
  notices: { userId: number; kind: 'mention' | 'direct' }[];
}

/** Two posts with equal fingerprints are duplicates. */
export interface Fingerprint {
  content: string;
  /** `data` as JSON. */
  json: string | undefined;
  replyTo: number | undefined;
}

/** An edit, a deletion or a reaction. */
export type Action =
  | { kind: 'edit'; content: string }
  | { kind: 'delete' }
  | { kind: 'react' | 'unreact'; emoji: string };

/** A change on its way to the database. */
export interface MessageChange {
  room: Room;
  messageId: number;
  /** The user that reacts. */
  userId: number;
  action: Action;
}

/** A change with its sender's waiter. */
export interface QueuedChange extends MessageChange {
  cost: number;
  /** Gets the message in its new state; `rev` is that of this change or, without effect, the earlier one. */
  waiter: Waiter<StoredMessage>;
}

/** The cost of a post beside its content and data, in the same unit: UTF-16 units. */
const POST_COST = 200;
const NOBODY: never[] = [];

/** @param wait makes a waiter with the cost of the post */
export function toEntry(
  { room, user, content, draft }: Post,
  wait: (cost: number) => Waiter<Posted>,
): QueuedPost {
  const { data, replyTo } = draft;
  const json = data == null ? undefined : JSON.stringify(data);
  const cost = content.length + (json?.length ?? 0) + POST_COST;
  const waiting: QueuedPost['waiting'] = [];
  const notices = NOBODY;
  const mentioned = NOBODY;
  const entry = { room, user, content, draft, replyTo, json, cost, waiting, mentioned, notices };
  waiting.push({ fingerprint: entry, waiter: wait(cost) });
  return entry;
}

/** Whether all waiters of the post have been answered. */
export function isOver({ waiting }: QueuedPost): boolean {
  for (const { waiter } of waiting) if (!waiter.isSettled) return false;
  return true;
}

/** The key under which duplicates of a post are found; undefined for a post without a client id. */
export function clientKey(roomId: number, userId: number, clientId: string | undefined) {
  return clientId === undefined ? undefined : `${roomId} ${userId} ${clientId}`;
}

export function isSame(one: Fingerprint, other: Fingerprint): boolean {
  if (one === other) return true;
  const isSameAnswer = one.replyTo === other.replyTo && one.content === other.content;
  return isSameAnswer && isSameData(one.json, other.json);
}

/** The fields of an object have no order: another program, or another library, may send them in another one. */
function isSameData(one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true;
  if (one?.length !== other?.length || one === undefined || other === undefined) return false;
  return Bun.deepEquals(JSON.parse(one), JSON.parse(other), true);
}

/** Divides entries in two, each part in its order. */
export function partition<T>(items: T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (test(item) ? yes : no).push(item);
  return [yes, no];
}

/** Waits for the outcome of a post or a change; only its first answer counts. */
export class Waiter<Answer> {
  isSettled = false;

  /**
   * @param options `cost` of the entry; `until`: the time at which the wait is given up, by the monotonic clock;
   *   `onSettled` is called before the answer
   */
  constructor(
    private readonly options: {
      resolve(answer: Answer): void;
      reject(error: ChatError): void;
      cost: number;
      until?: number;
      onSettled?(waiter: Waiter<never>): void;
    },
  ) {}

  get cost(): number {
    return this.options.cost;
  }

  get until(): number {
    return this.options.until ?? Number.POSITIVE_INFINITY;
  }

  done(answer: Answer): void {
    if (this.#settle()) this.options.resolve(answer);
  }

  failed(error: ChatError): void {
    if (this.#settle()) this.options.reject(error);
  }

  #settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.options.onSettled?.(this);
    return true;
  }
}

/** The error for an outcome that takes the database too long. */
export function noAnswer(): ChatError {
  const remedy = 'send this again with the same id';
  return new ChatError('unavailable', `The database does not answer; ${remedy}.`, 1);
}

export function idConflict(): ChatError {
  return new ChatError(
    'conflict',
    'This id was used for a message with other content; use a new id.',
  );
}
