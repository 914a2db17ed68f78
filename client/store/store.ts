import type { ChatErrorCode } from '../error.ts';
import type { ClientFrame } from '../protocol.ts';

type Without<Frame, Field extends string> = Frame extends unknown ? Omit<Frame, Field> : never;

/** A frame that is sent again until it is acknowledged. */
export type OutboxFrame =
  | (Without<Extract<ClientFrame, { type: 'message' }>, 'id'> & { messageId?: never })
  | Without<Extract<ClientFrame, { type: 'edit' | 'delete' | 'react' }>, 'id'>;

/** What was said or done and is not acknowledged yet: plain JSON. */
export interface OutboxEntry {
  /** A UUID, under which the server stores it once. */
  id: string;
  /** The order in which it is sent: milliseconds since 1970, all different. */
  at: number;
  /** The name of the room, or `@` and the other one's name for a direct one. */
  room: string;
  frame: OutboxFrame;
  /** Of a change: the message's `seq`, and its `rev` as the user saw it. */
  seq?: number;
  rev?: number;
  /** Why the server refused it for good. */
  error?: { code: ChatErrorCode; message: string };
}

/** Where what is unsent survives the end of the program. Every method may reject; that is reported. */
export interface OutboxStore {
  /**
   * @param late is called with what turns up later, such as that of a tab that was closed
   * @returns what earlier sessions left, in the order of `at`
   */
  load(late: (entries: OutboxEntry[]) => void): Promise<OutboxEntry[]>;
  /** Keeps an entry, in place of the one of the same id. */
  put(entry: OutboxEntry): Promise<void>;
  delete(id: string): Promise<void>;
}
