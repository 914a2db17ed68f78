import type { ChatErrorCode } from '../error.ts';
import type { ClientFrame } from '../protocol.ts';

type Without<Frame, Field extends string> = Frame extends unknown ? Omit<Frame, Field> : never;

/** A frame that is sent again until it is acknowledged. */
export type OutboxFrame =
  | (Without<Extract<ClientFrame, { type: 'message' }>, 'id'> & { messageId?: never })
  | Without<Extract<ClientFrame, { type: 'edit' | 'delete' | 'react' }>, 'id'>;

/** An unacknowledged message or change, as plain JSON. */
export interface OutboxEntry {
  /** A UUID, under which the server stores it once. */
  id: string;
  /** The order of sending: milliseconds since 1970, all different. */
  at: number;
  /** The name of the room, or `@` and the name of the other user. */
  room: string;
  frame: OutboxFrame;
  /** Of a change: the `seq` and the `rev` of the message that the user changed. */
  seq?: number;
  rev?: number;
  /** Why the server refused it for good. */
  error?: { code: ChatErrorCode; message: string };
}

/** A store of unsent messages. A method that rejects is reported as an `error` event with the code `store`. */
export interface OutboxStore {
  /**
   * Loads the entries of earlier sessions.
   *
   * @param late is called with entries that are found later, such as those of a tab that was closed
   * @returns them in the order of `at`
   */
  load(late: (entries: OutboxEntry[]) => void): Promise<OutboxEntry[]>;
  /** Puts an entry, in place of one with the same id. */
  put(entry: OutboxEntry): Promise<void>;
  delete(id: string): Promise<void>;
}
