import type { ReadCursor, ReadCursors } from '../chat/read-cursors.ts';
import { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { readerOf } from '../limits/limits.ts';
import { basicMessage, systemFrame, withId, withMessages } from '../live/encode.ts';
import type { Live } from '../live/live.ts';
import type { Page } from '../live/pages.ts';
import type { LiveRoom } from '../live/room.ts';
import { parseRoomName } from '../protocol/checks.ts';
import { DEFAULT_ROOM, type FrameOf } from '../protocol/frames.ts';
import { checkFields } from '../protocol/parse-frame.ts';
import type { RoomService } from '../rooms/room.service.ts';
import type { Session } from './session.ts';

export interface JoinParts {
  rooms: RoomService;
  cursors: ReadCursors;
  live: Live;
  clock: Clock;
}

/** The contents of the reply to a join. */
interface Joined {
  live: LiveRoom;
  username: string;
  page: Page;
  cursor: ReadCursor;
}

const MAX_LISTED_USERS = 100;

/**
 * Lets a client into a room, and shows it the changes since its cursor.
 *
 * @throws {ChatError} the errors of {@link Session.protocolOf}, {@link Session.authenticate} and
 *   {@link RoomService.authorizeOrCreate}; `invalid_frame`, `overloaded`
 */
export async function join(
  session: Session,
  frame: FrameOf<'join'>,
  parts: JoinParts & { isGivenUp(): boolean },
): Promise<void> {
  const protocol = session.protocolOf(frame);
  checkFields(frame, protocol, ['since', 'epoch', 'batch']);
  const name = parseRoomName(frame.room ?? DEFAULT_ROOM);
  const user = await session.authenticate(frame);
  session.checkCount(name);
  const principal = () => session.principal(user);
  const before = session.find(name);
  try {
    await parts.live.hub.enter(name, {
      principal,
      authorize: async (known) => {
        const access = await parts.rooms.authorizeOrCreate(principal(), name, 'read', known);
        if (access.room.direct && protocol === 0) {
          throw new ChatError('invalid_frame', 'Joining a direct room needs "protocol": 1');
        }
        return access;
      },
      // Messages are read last, since a busy room soon has newer ones.
      read: async (live) => ({
        cursor: await parts.cursors.getOrCreate(user, live.room),
        fetched: await live.pages.fetch(frame, readerOf(principal())),
      }),
      subscribe: (live, membership, { cursor, fetched }) => {
        // The client knows that it is not in the room.
        if (parts.isGivenUp()) return;
        const page = live.pages.page(frame, fetched);
        const joined = { live, username: user.username, page, cursor };
        const { complete: isComplete } = page;
        const isBatched = frame.batch === true;
        const reply = () =>
          protocol === 0 ? welcome(joined, parts) : [joinedFrame(frame, joined, parts)];
        session.enter({ live, membership, user, protocol, isComplete, isBatched, reply });
      },
    });
  } catch (error) {
    session.refused(before, error);
    throw error;
  }
}

/** The reply of protocol 0, and the room's newest messages. */
function welcome({ live, username, page }: Joined, { clock }: JoinParts): string[] {
  const content = `Welcome ${username}!`;
  const timestamp = clock.timestamp();
  const frame = { room: live.name, content, event: 'welcome', username, timestamp } as const;
  return [systemFrame(frame), ...page.changes.map(({ message }) => basicMessage(message))];
}

/** The reply of protocol 1. */
function joinedFrame(
  frame: { id?: string },
  { live, username, page, cursor }: Joined,
  { live: { presence } }: JoinParts,
): string {
  return withMessages(
    {
      type: 'joined',
      ...withId(frame),
      room: live.name,
      username,
      rev: page.rev,
      epoch: live.epoch,
      complete: page.complete,
      reset: page.reset,
      ...cursor,
      users: presence.some(live.room, MAX_LISTED_USERS),
      userCount: presence.count(live.room),
    },
    page.text,
  );
}
