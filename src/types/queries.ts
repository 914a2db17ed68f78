import { Type } from '@sinclair/typebox';
import { t } from 'elysia';
import { messageId, Room } from './rest.ts';
import { expected } from './text.ts';

const strict = { additionalProperties: false };

/** Elysia's `t` reads numbers from the text of a query. */
const Seq = (description: string) =>
  t.Optional(t.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }));
const Limit = (standard: number, maximum: number) =>
  t.Optional(
    t.Integer({
      minimum: 1,
      maximum,
      default: standard,
      description: `a limit, 1 to ${maximum}`,
    }),
  );

/** Whom a request is for, where no token says it: guests, and `API_KEY`, which may speak for anyone. */
const As = Type.Optional(
  Type.String({
    description: `${expected.username}; whom this is for, when no token says it`,
    examples: ['ana'],
  }),
);

export const AsUser = t.Object({ username: As }, strict);

/** In a path; Elysia's `t` reads numbers from its text. */
export const MessageIdParam = t.Integer(messageId);

export const MessagePage = t.Object(
  {
    room: Type.Optional(Room),
    username: As,
    limit: Limit(50, 100),
    before: Seq('a `seq`; only messages before it'),
    after: Seq('a `seq`; only messages after it, from the oldest of them on'),
  },
  strict,
);

export const SearchPage = t.Object(
  {
    q: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'words to look for, in at most 256 characters',
      examples: ['hi'],
    }),
    room: Type.Optional(Room),
    username: As,
    limit: Limit(50, 100),
    before: Seq('a `seq`; only messages before it'),
  },
  strict,
);

export const NotificationPage = t.Object(
  {
    username: As,
    limit: Limit(50, 100),
    before: Seq('the id of a notification; only older ones'),
  },
  strict,
);

export const OwnRoomPage = t.Object(
  {
    username: As,
    limit: Limit(100, 1000),
    after: Type.Optional(Type.String({ description: 'the last room of the page before' })),
  },
  strict,
);

export const RoomPage = t.Object(
  {
    limit: Limit(100, 100),
    after: Type.Optional(Type.String({ description: 'the last room of the page before' })),
  },
  strict,
);

export const ActiveUserPage = t.Object(
  {
    room: Type.Optional(
      Type.String({ description: `${expected.room}; without it, people in any room` }),
    ),
    limit: Limit(1000, 1000),
    after: Type.Optional(Type.String({ description: 'the last name of the page before' })),
  },
  strict,
);

export const EventsQuery = t.Object(
  {
    room: Type.Optional(Room),
    token: Type.Optional(
      Type.String({ description: 'for browsers, whose `EventSource` cannot send a header' }),
    ),
    since: Type.Optional(
      Type.String({
        description: 'a `rev`; 0 is from the beginning, "$" or nothing only what is new',
      }),
    ),
  },
  strict,
);
