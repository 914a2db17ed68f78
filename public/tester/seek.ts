import type { ChatMessage, Room } from '../../client/index.ts';
import type { Goal } from './session.ts';

/** Messages that are loaded at once, as many as the server gives. */
const PAGE = 100;

/**
 * Loads earlier messages until one is there.
 *
 * @param isWanted whether to go on
 * @returns undefined when the room has no such message any more, or it is not wanted
 */
export async function seek(
  room: Room,
  { id, seq = 0 }: Goal,
  isWanted: () => boolean,
): Promise<ChatMessage | undefined> {
  for (;;) {
    const found = room.messages.find((message) => message.id === id);
    const isPast = (room.messages[0]?.seq ?? Number.POSITIVE_INFINITY) < seq;
    if (found || isPast || !room.hasMore || !isWanted()) return found;
    await room.history(PAGE);
  }
}
