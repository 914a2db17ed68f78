import { Type } from '@sinclair/typebox';
import { expected } from '../protocol/checks.ts';
import { Emoji, MessageId, NotificationId, Room, RoomName, Username } from '../protocol/fields.ts';
import { path, query } from './input.ts';

const Id = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }));
const Limit = (standard: number, maximum: number) =>
  Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum,
      default: standard,
      description: 'the most items of a page',
    }),
  );
const After = Type.Optional(Type.String({ description: 'the last item of the previous page' }));

/** The user of a request without a user's token: of a guest, or of `API_KEY`, which may act as any user. */
const As = Type.Optional(
  Type.String({
    description: `${expected.username}; the user of a request without a user's token`,
    examples: ['ana'],
  }),
);

export const MessageParams = path(Type.Object({ id: MessageId }));
export const ReactionParams = path(Type.Object({ id: MessageId, emoji: Emoji }));
export const RoomParams = path(Type.Object({ room: RoomName }));
export const RoomUserParams = path(Type.Object({ room: RoomName, username: Username }));
export const UserParams = path(Type.Object({ username: Username }));
export const NotificationParams = path(Type.Object({ id: NotificationId }));

export const AsUser = query(Type.Object({ username: As }));

export const MessagePage = query(
  Type.Object({
    room: Type.Optional(Room),
    username: As,
    limit: Limit(50, 100),
    before: Id('a `seq`: only messages before it'),
    after: Id('a `seq`: only messages after it, from the oldest of them on'),
  }),
);

export const SearchPage = query(
  Type.Object({
    q: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'words to search for, in 1 to 256 characters',
      examples: ['hi'],
    }),
    room: Type.Optional(Room),
    username: As,
    limit: Limit(50, 100),
    before: Id('a `seq`: only messages before it'),
  }),
);

export const NotificationPage = query(
  Type.Object({
    username: As,
    limit: Limit(50, 100),
    before: Id('the id of a notification: only older ones'),
  }),
);

export const OwnRoomPage = query(
  Type.Object({ username: As, limit: Limit(100, 1000), after: After }),
);

export const RoomPage = query(Type.Object({ limit: Limit(100, 100), after: After }));

export const MemberPage = query(Type.Object({ limit: Limit(100, 1000), after: After }));

export const ActiveUserPage = query(
  Type.Object({
    room: Type.Optional(
      Type.String({
        description: `${expected.room}; without it, users in any room`,
        examples: ['general'],
      }),
    ),
    limit: Limit(1000, 1000),
    after: After,
  }),
);

export const EventsQuery = query(
  Type.Object({
    room: Type.Optional(Room),
    token: Type.Optional(
      Type.String({ description: 'for browsers, whose `EventSource` cannot send a header' }),
    ),
    since: Type.Optional(
      Type.String({
        description: 'a `rev`; 0 starts from the beginning, "$" or nothing with new changes only',
        examples: ['0'],
      }),
    ),
  }),
);
