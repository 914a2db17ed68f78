import { type Static, Type } from '@sinclair/typebox';
import { type ErrorCode, errorCodes } from '../errors.ts';
import { expected } from './text.ts';

const strict = { additionalProperties: false };
const Timestamp = Type.String({ format: 'date-time', examples: ['2026-11-21T09:30:00.000Z'] });
const Username = Type.String({ description: expected.username, examples: ['ana'] });
export const Room = Type.String({
  description: `${expected.room}; general by default`,
  examples: ['general'],
});
const Id = Type.String({
  minLength: 1,
  maxLength: 64,
  description: expected.id,
  examples: ['0b6c8a5e-6f0b-4d57-9a52-5d3f3f1a7c11'],
});

export const messageId = {
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'the id of a message: a whole number from 1 on',
  examples: [42],
};
export const MessageId = Type.Integer(messageId);

/** What a message shows of its reactions at most: different ones, and names with each. */
export const MAX_REACTIONS = 20;

const Reaction = Type.Object({
  emoji: Type.String({ examples: ['👍'] }),
  count: Type.Integer(),
  usernames: Type.Array(Username, { description: 'the first 20' }),
});
export type Reaction = Static<typeof Reaction>;

/** What a message has only where it applies, over both doors. */
export const messageExtras = {
  to: Type.Optional(
    Type.String({ description: 'of a direct message: the username of the other one' }),
  ),
  replyTo: Type.Optional(Type.Integer({ description: 'the id of an earlier message of the room' })),
  data: Type.Optional(Type.Unknown({ description: "what the sender's program added" })),
  mentions: Type.Optional(
    Type.Array(Username, { description: 'those whom the content mentions by @name' }),
  ),
  reactions: Type.Optional(Type.Array(Reaction, { description: '20 different ones at most' })),
  editedAt: Type.Optional(Timestamp),
  deletedAt: Type.Optional(
    Type.String({ format: 'date-time', description: 'from then on it has no content' }),
  ),
  clientId: Type.Optional(Type.String({ description: 'the id that the sender gave it' })),
};

const storedMessage = {
  id: 42,
  room: 'general',
  seq: 7,
  rev: 7,
  userId: 1,
  username: 'ana',
  content: 'hi',
  createdAt: '2026-11-21T09:30:00.000Z',
};

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
    ...messageExtras,
  },
  { examples: [storedMessage] },
);
export type StoredMessage = Static<typeof StoredMessage>;

/** What waits for a user until it is read. */
export const Notification = Type.Object(
  {
    id: Type.Integer(),
    kind: Type.Union([Type.Literal('mention'), Type.Literal('direct'), Type.Literal('notice')]),
    room: Type.Optional(Room),
    message: Type.Optional(StoredMessage),
    data: Type.Optional(Type.Unknown({ description: 'what a back end sent with a notice' })),
    createdAt: Timestamp,
  },
  {
    examples: [
      {
        id: 5,
        kind: 'notice',
        data: { text: 'The server restarts at noon.' },
        createdAt: '2026-11-21T09:30:00.000Z',
      },
    ],
  },
);
export type Notification = Static<typeof Notification>;

export const NewMessage = Type.Object(
  {
    username: Username,
    content: Type.String({ description: expected.content }),
    room: Type.Optional(Room),
    to: Type.Optional(
      Type.String({ description: `${expected.username}; in place of a room`, examples: ['ben'] }),
    ),
    id: Type.Optional(Id),
    replyTo: Type.Optional(MessageId),
    data: Type.Optional(Type.Unknown({ description: 'JSON for programs, up to 32 levels deep' })),
  },
  { ...strict, examples: [{ username: 'ana', content: 'hi' }] },
);

export const NewContent = Type.Object(
  { content: Type.String({ description: expected.content }) },
  { ...strict, examples: [{ content: 'hello' }] },
);

export const NewNotice = Type.Object(
  {
    to: Type.Union([Type.Array(Username, { minItems: 1, maxItems: 1000 }), Type.String()], {
      description: 'a list of 1 to 1000 usernames, a role (user or admin), or "*"',
    }),
    data: Type.Unknown({ description: 'JSON for programs, up to 32 levels deep' }),
  },
  { ...strict, examples: [{ to: ['ana'], data: { text: 'Your order is on its way.' } }] },
);

const Password = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: expected.password,
});

export const NewUser = Type.Object(
  { username: Username, password: Type.Optional(Password) },
  { ...strict, examples: [{ username: 'ana' }] },
);

export const Credentials = Type.Object(
  { username: Username, password: Password },
  { ...strict, examples: [{ username: 'ana', password: 'correct horse battery' }] },
);

export const NewSession = Type.Object(
  {
    token: Type.String({ description: 'a JSON Web Token' }),
    expiresAt: Timestamp,
  },
  { examples: [{ token: 'eyJhbGciOiJIUzI1NiJ9.…', expiresAt: '2026-11-28T09:30:00.000Z' }] },
);

export const NewPassword = Type.Object(
  {
    password: Password,
    currentPassword: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description: 'the old password; not needed within five minutes of signing in',
      }),
    ),
  },
  {
    ...strict,
    examples: [{ password: 'better horse battery', currentPassword: 'correct horse battery' }],
  },
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

const Topic = Type.Union([Type.String(), Type.Null()], {
  description: 'what it is about, in at most 256 characters, or null',
});
const Private = Type.Boolean({ description: 'true: only for its members' });

export const RoomInfo = Type.Object(
  {
    name: Room,
    topic: Topic,
    private: Private,
    owner: Type.Union([Username, Type.Null()], { description: 'null: nobody’s' }),
    createdAt: Timestamp,
    userCount: Type.Integer({ description: 'people in the room now' }),
  },
  {
    examples: [
      {
        name: 'general',
        topic: null,
        private: false,
        owner: null,
        createdAt: '2026-11-21T09:30:00.000Z',
        userCount: 2,
      },
    ],
  },
);

/** A room of a user's, and what there is to know of it before entering. */
export const OwnRoom = Type.Object(
  {
    name: Room,
    topic: Topic,
    private: Private,
    to: Type.Optional(
      Type.String({ description: 'of a direct room: the username of the other one' }),
    ),
    epoch: Type.String({ description: 'names its history' }),
    rev: Type.Integer({ description: 'the number of its last change' }),
    lastRead: Type.Integer({ description: 'a `seq`' }),
    unread: Type.Integer({
      description: 'messages of others above it that are not deleted; 100 means 100 or more',
    }),
    lastMessage: Type.Union([StoredMessage, Type.Null()]),
  },
  {
    examples: [
      {
        name: 'general',
        topic: null,
        private: false,
        epoch: '0b6c8a5e-6f0b-4d57-9a52-5d3f3f1a7c11',
        rev: 7,
        lastRead: 5,
        unread: 2,
        lastMessage: storedMessage,
      },
    ],
  },
);

export const NewRoom = Type.Object(
  {
    name: Type.String({ description: expected.room, examples: ['team'] }),
    topic: Type.Optional(Topic),
    private: Type.Optional(Private),
  },
  { ...strict, examples: [{ name: 'team', private: true, topic: 'What we do' }] },
);

export const RoomChange = Type.Object(
  { topic: Type.Optional(Topic), private: Type.Optional(Private) },
  { ...strict, examples: [{ topic: 'What we do next' }] },
);

export const NewEvent = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, description: expected.eventName }),
    data: Type.Optional(Type.Unknown({ description: 'JSON for programs, up to 32 levels deep' })),
  },
  { ...strict, examples: [{ name: 'price', data: { ETH: 3120.5 } }] },
);

export const Membership = Type.Object(
  { username: Username, role: Type.Union([Type.Literal('owner'), Type.Literal('member')]) },
  { examples: [{ username: 'ana', role: 'member' }] },
);

/** A reply without content. */
export const Done = Type.Void({ description: 'done' });

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

/** What may be wrong with most requests. */
export const usual = [
  'rate_limited',
  'invalid_frame',
  'unauthorized',
  'forbidden',
  'not_found',
] as const satisfies ErrorCode[];

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
