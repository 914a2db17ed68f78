import type { Notified } from '../bus/bus.ts';
import type { StoredMessage } from '../protocol/rest.ts';
import type { Room } from '../protocol/room.ts';

export interface WriterEvents {
  /** Committed just now, in order; called before any sender gets its answer. */
  onCommit(changes: [room: Room, message: StoredMessage][]): void;
  /** Notifications of these messages were committed with them. */
  onNotify(notified: Notified): void;
  /** The database did not answer: these rooms may have more changes than were published. */
  onUnknownOutcome(roomIds: number[]): void;
}
