import { type Static, Type } from '@sinclair/typebox';
import { Content, Data, Emoji, MessageId, Recipient, Room, RoomName, Username } from './fields.ts';

/** The most different reactions that a message shows, and the most names with each. */
export const MAX_REACTIONS = 20;

const Reaction = Type.Object(
  {
    emoji: Emoji,
    count: Type.Integer({ description: 'the number of users that reacted with it' }),
    usernames: Type.Array(Username, { description: 'the first 20 of them' }),
  },
  { title: 'Reaction' },
);
export type Reaction = Static<typeof Reaction>;

/** The fields beside the content that a sender may set, and that are shown as they were sent. */
const sent = {
  replyTo: Type.Optional({ ...MessageId, description: 'the id of an earlier message of the room' }),
  data: Type.Optional(Data),
};
const Draft = Type.Object({ content: Type.Optional(Content), ...sent });

/** The part of a new message that is stored as it is sent, and the id that the client has given it. */
export type Draft = Static<typeof Draft> & { clientId?: string | undefined };

const sentFields = Object.keys(Draft.properties) as (keyof Static<typeof Draft>)[];

/** The draft in a frame, a body or an entry. @param clientId the `id` of it, if any */
export function draftOf(from: Static<typeof Draft>, clientId: string | undefined): Draft {
  const draft: Draft = { clientId };
  for (const name of sentFields) {
    if (from[name] !== undefined) draft[name] = from[name] as never;
  }
  return draft;
}

/** A new message, in a frame and in a body: its draft, its author and its destination. */
export const newMessage = {
  username: Type.Optional(Username),
  ...Draft.properties,
  room: Type.Optional(Room),
  to: Type.Optional(Recipient),
};

/** The fields of a stored message that only some messages have, in the order in which they are shown. */
export const messageExtras = {
  to: Type.Optional(Type.String({ description: 'of a direct message: its recipient' })),
  ...sent,
  mentions: Type.Optional(
    Type.Array(Username, { description: 'the users that the content mentions by @name' }),
  ),
  reactions: Type.Optional(
    Type.Array(Reaction, { description: 'the first 20 emoji, each with its users' }),
  ),
  editedAt: Type.Optional(
    Type.String({ format: 'date-time', description: 'the time of the last edit' }),
  ),
  deletedAt: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'the time of its deletion, after which it has no content',
    }),
  ),
  clientId: Type.Optional(Type.String({ description: 'the `id` of the sender' })),
};

/** An example of a stored message. */
export const storedMessage = {
  id: 42,
  room: 'general',
  seq: 7,
  rev: 7,
  userId: 1,
  username: 'ana',
  content: 'hi',
  createdAt: '2026-11-21T09:30:00.000Z',
};

/** A message, everywhere but in protocol 0. */
export const StoredMessage = Type.Object(
  {
    id: Type.Integer({ description: 'unique on this server' }),
    room: RoomName,
    seq: Type.Integer({ description: 'its number in the room, which never changes' }),
    rev: Type.Integer({ description: 'the number of its last change in the room' }),
    userId: Type.Integer({ description: 'the author' }),
    username: Username,
    content: Type.String({
      description: 'empty for a message with `data` only, and after its deletion',
    }),
    createdAt: Type.String({ format: 'date-time', description: 'the time at which it was stored' }),
    ...messageExtras,
  },
  { title: 'Message', description: 'A message.', examples: [storedMessage] },
);
export type StoredMessage = Static<typeof StoredMessage>;
