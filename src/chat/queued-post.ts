import type { Person } from '../protocol/identity.ts';
import type { StoredMessage } from '../protocol/rest.ts';
import type { Room } from '../protocol/room.ts';
import type { Waiter } from './waiter.ts';

/** A message on its way to the database. */
export interface Post {
  room: Room;
  user: Person;
  content: string;
  /** Unique per room and user, for ever. */
  clientId?: string | undefined;
  /** Any JSON value, for programs. */
  data?: unknown;
  /** The id of an earlier message of the room. */
  replyTo?: number | undefined;
}

/** The stored message, and whether an earlier post had stored it already. */
export interface Posted {
  message: StoredMessage;
  duplicate: boolean;
}

/** A post on its way through the writer, with its waiters: more than one when its client id has arrived again. */
export interface QueuedPost extends Post {
  cost: number;
  /** `data` as JSON. */
  json: string | undefined;
  waiting: {
    /** Equal for duplicates. */
    fingerprint: { content: string; json: string | undefined; replyTo: number | undefined };
    waiter: Waiter<Posted>;
  }[];
  /** Set before the insert, like the recipients of notifications. */
  mentioned: Person[];
  notices: { userId: number; kind: 'mention' | 'direct' }[];
}

/** The cost of a post beside its content and data, in the same unit: UTF-16 units. */
const POST_COST = 200;
const NOBODY: never[] = [];

/** @param wait makes a waiter with the cost of the post */
export function toEntry(post: Post, wait: (cost: number) => Waiter<Posted>): QueuedPost {
  const { room, user, content, clientId, data, replyTo } = post;
  const json = data == null ? undefined : JSON.stringify(data);
  const cost = content.length + (json?.length ?? 0) + POST_COST;
  return {
    room,
    user,
    content,
    clientId,
    data,
    replyTo,
    cost,
    json,
    waiting: [{ fingerprint: { content, json, replyTo }, waiter: wait(cost) }],
    mentioned: NOBODY,
    notices: NOBODY,
  };
}

/** Whether all waiters of the post have been answered. */
export function isOver({ waiting }: QueuedPost): boolean {
  for (const { waiter } of waiting) if (!waiter.isSettled) return false;
  return true;
}
