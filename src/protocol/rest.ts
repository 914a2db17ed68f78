import { type Static, type TProperties, Type } from '@sinclair/typebox';
import { expected } from './checks.ts';
import {
  Content,
  Data,
  EventName,
  Id,
  Ignored,
  RoomName,
  strict,
  Timestamp,
  Username,
} from './fields.ts';
import { newMessage, StoredMessage, storedMessage } from './message.ts';

/** A notification, stored until it is read. */
export const Notification = Type.Object(
  {
    id: Type.Integer({ description: 'unique on this server' }),
    kind: Type.Union([Type.Literal('mention'), Type.Literal('direct'), Type.Literal('notice')]),
    room: Type.Optional(RoomName),
    message: Type.Optional(StoredMessage),
    data: Type.Optional(Type.Unknown({ description: 'the data of a notice' })),
    createdAt: Timestamp,
  },
  {
    title: 'Notification',
    description: 'A mention, a direct message or a notice that the user has not read.',
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

/** A schema of a body. @param example a valid body */
function body<P extends TProperties>(title: string, properties: P, example: object) {
  return Type.Object(
    { ...properties, timestamp: Type.Optional(Ignored) },
    { ...strict, title, examples: [example] },
  );
}

export const NewMessage = body(
  'NewMessage',
  { ...newMessage, id: Type.Optional(Id) },
  { username: 'ana', content: 'hi' },
);

export const NewContent = body('NewContent', { content: Content }, { content: 'hello' });

export const NewNotice = body(
  'NewNotice',
  {
    to: Type.Union([Type.Array(Username, { minItems: 1, maxItems: 1000 }), Type.String()], {
      description: 'a list of 1 to 1000 usernames, a role (user or admin), or "*"',
    }),
    data: Data,
  },
  { to: ['ana'], data: { text: 'Your order is on its way.' } },
);

/** A new password. Its upper limit counts characters, which TypeBox does not. */
const Password = Type.String({
  minLength: 8,
  description: expected.password,
  examples: ['correct horse battery'],
});
/** An existing password, which may be older than the rule. */
const KnownPassword = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: 'the password',
  examples: ['correct horse battery'],
});

export const NewUser = body(
  'NewUser',
  { username: Username, password: Type.Optional(Password) },
  { username: 'ana' },
);

export const Credentials = body(
  'Credentials',
  { username: Username, password: KnownPassword },
  { username: 'ana', password: 'correct horse battery' },
);

export const Session = Type.Object(
  {
    token: Type.String({ description: 'a JSON Web Token' }),
    expiresAt: Timestamp,
  },
  {
    title: 'Session',
    description: 'A session.',
    examples: [{ token: 'eyJhbGciOiJIUzI1NiJ9.…', expiresAt: '2026-11-28T09:30:00.000Z' }],
  },
);
export type Session = Static<typeof Session>;

export const NewPassword = body(
  'NewPassword',
  {
    password: Password,
    currentPassword: Type.Optional({
      ...KnownPassword,
      description: 'the old password; not needed within five minutes of signing in',
    }),
  },
  { password: 'better horse battery', currentPassword: 'correct horse battery' },
);

const LastSeen = Type.String({
  format: 'date-time',
  description: 'the time at which the user last left a room; before that, the creation of the user',
});

export const User = Type.Object(
  { id: Type.Integer(), username: Username, lastSeen: LastSeen },
  {
    title: 'User',
    description: 'A user.',
    examples: [{ id: 1, username: 'ana', lastSeen: '2026-11-21T09:30:00.000Z' }],
  },
);
export type User = Static<typeof User>;

export const UserStatus = Type.Object(
  { username: Username, lastSeen: LastSeen, online: Type.Boolean() },
  {
    title: 'UserStatus',
    description: 'The presence of a user.',
    examples: [{ username: 'ana', lastSeen: '2026-11-21T09:30:00.000Z', online: false }],
  },
);
export type UserStatus = Static<typeof UserStatus>;

const Topic = Type.Union([Type.String(), Type.Null()], {
  description: 'the topic, of at most 256 characters, or null',
});
const Private = Type.Boolean({ description: 'true: only for its members' });

export const RoomInfo = Type.Object(
  {
    name: RoomName,
    topic: Topic,
    private: Private,
    owner: Type.Union([Username, Type.Null()], { description: 'null: nobody’s' }),
    createdAt: Timestamp,
    userCount: Type.Integer({ description: 'the number of users in the room now' }),
  },
  {
    title: 'Room',
    description: 'A room.',
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
export type RoomInfo = Static<typeof RoomInfo>;

/** A room of a user, with its state for a list. */
export const OwnRoom = Type.Object(
  {
    name: RoomName,
    topic: Topic,
    private: Private,
    with: Type.Optional(Type.String({ description: 'of a direct room: the other person' })),
    epoch: Type.String({ description: 'the id of its history' }),
    rev: Type.Integer({ description: 'the number of its last change' }),
    lastRead: Type.Integer({ description: 'a `seq`' }),
    unread: Type.Integer({
      description:
        'messages of other users above `lastRead`, without deleted ones; 100 means 100 or more',
    }),
    lastMessage: Type.Union([StoredMessage, Type.Null()]),
  },
  {
    title: 'MyRoom',
    description: 'A room of a user, with its unread count and last message.',
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
export type OwnRoom = Static<typeof OwnRoom>;

export const NewRoom = body(
  'NewRoom',
  {
    name: RoomName,
    topic: Type.Optional(Topic),
    private: Type.Optional(Private),
  },
  { name: 'team', private: true, topic: 'What we do' },
);

export const RoomUpdate = body(
  'RoomUpdate',
  { topic: Type.Optional(Topic), private: Type.Optional(Private) },
  { topic: 'What we do next' },
);

export const NewEvent = body(
  'NewEvent',
  { name: EventName, data: Type.Optional(Data) },
  { name: 'price', data: { ETH: 3120.5 } },
);

export const Member = Type.Object(
  { username: Username, role: Type.Union([Type.Literal('owner'), Type.Literal('member')]) },
  {
    title: 'Member',
    description: 'A member of a room.',
    examples: [{ username: 'ana', role: 'member' }],
  },
);
export type Member = Static<typeof Member>;

/** A user, by its name. */
export const UserRef = Type.Object(
  { username: Username },
  { title: 'UserRef', description: 'A user.', examples: [{ username: 'ben' }] },
);

/** A reply without content. */
export const Done = Type.Void({ description: 'Done.' });
