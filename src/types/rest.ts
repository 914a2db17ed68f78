import { type Static, Type } from '@sinclair/typebox';
import { t } from 'elysia';
import { type ErrorCode, errorCodes } from '../errors.ts';
import { expected } from './text.ts';

const strict = { additionalProperties: false };
const Timestamp = Type.String({ format: 'date-time', examples: ['2026-11-21T09:30:00.000Z'] });
const Username = Type.String({ description: expected.username, examples: ['ana'] });
const Room = Type.String({
  description: `${expected.room}; general by default`,
  examples: ['general'],
});
const Id = Type.String({
  minLength: 1,
  maxLength: 64,
  description: expected.id,
  examples: ['0b6c8a5e-6f0b-4d57-9a52-5d3f3f1a7c11'],
});

/** A message as it is stored. */
export const StoredMessage = Type.Object(
  {
    id: Type.Integer({ description: 'unique on this server' }),
    room: Room,
    seq: Type.Integer({ description: 'its place in the room, for ever' }),
    rev: Type.Integer({ description: 'the number of its last change in the room' }),
    userId: Type.Integer(),
    username: Username,
    content: Type.String(),
    createdAt: Timestamp,
    data: Type.Optional(Type.Unknown({ description: "what the sender's program added" })),
    clientId: Type.Optional(Type.String({ description: 'the id that the sender gave it' })),
  },
  {
    examples: [
      {
        id: 42,
        room: 'general',
        seq: 7,
        rev: 7,
        userId: 1,
        username: 'ana',
        content: 'hi',
        createdAt: '2026-11-21T09:30:00.000Z',
      },
    ],
  },
);
export type StoredMessage = Static<typeof StoredMessage>;

export const NewMessage = Type.Object(
  {
    username: Username,
    content: Type.String({ description: expected.content }),
    room: Type.Optional(Room),
    id: Type.Optional(Id),
    data: Type.Optional(Type.Unknown({ description: 'JSON for programs, up to 32 levels deep' })),
  },
  { ...strict, examples: [{ username: 'ana', content: 'hi' }] },
);

export const NewUser = Type.Object(
  { username: Username },
  { ...strict, examples: [{ username: 'ana' }] },
);

const LastSeen = Type.Union([Timestamp, Type.Null()], {
  description: 'when the user last left a room; null before that',
});

export const User = Type.Object(
  { id: Type.Integer(), username: Username, lastSeen: LastSeen },
  { examples: [{ id: 1, username: 'ana', lastSeen: null }] },
);
export type User = Static<typeof User>;

export const UserStatus = Type.Object(
  { username: Username, lastSeen: LastSeen, online: Type.Boolean() },
  { examples: [{ username: 'ana', lastSeen: '2026-11-21T09:30:00.000Z', online: false }] },
);

export const RoomInfo = Type.Object(
  {
    name: Room,
    createdAt: Timestamp,
    userCount: Type.Integer({ description: 'people in the room now' }),
  },
  { examples: [{ name: 'general', createdAt: '2026-11-21T09:30:00.000Z', userCount: 2 }] },
);

/** An error over REST: RFC 9457, with the same `code` that an `error` frame has. */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String({ description: 'what was wrong and what is expected' }),
  code: Type.String({ enum: Object.keys(errorCodes) }),
  retryAfter: Type.Optional(Type.Number({ description: 'seconds' })),
});
export type Problem = Static<typeof Problem>;

type ProblemReplies<C extends ErrorCode> = {
  [Code in C as (typeof errorCodes)[Code]['status']]: typeof Problem;
};

/** The replies of a route that may fail with these codes, by their status, each with an example. */
export function problemReplies<C extends ErrorCode>(...codes: C[]): ProblemReplies<C> {
  return Object.fromEntries(
    codes.map((code) => {
      const { title, status } = errorCodes[code];
      const example: Problem = { type: 'about:blank', title, status, detail: `${title}.`, code };
      return [status, Type.Object(Problem.properties, { description: title, examples: [example] })];
    }),
  ) as ProblemReplies<C>;
}

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

export const MessagePage = t.Object(
  {
    room: Type.Optional(Room),
    limit: Limit(50, 100),
    before: Seq('a `seq`; only messages before it'),
    after: Seq('a `seq`; only messages after it, from the oldest of them on'),
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
    since: Type.Optional(
      Type.String({
        description: 'a `rev`; 0 is from the beginning, "$" or nothing only what is new',
      }),
    ),
  },
  strict,
);
