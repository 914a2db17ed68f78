import { type Static, Type } from '@sinclair/typebox';
import type { ErrorCode } from '../errors.ts';
import { MessageId, messageExtras, Notification } from './rest.ts';
import { expected } from './text.ts';

/** Bytes of one frame, either way of encoding it: text, or binary that holds UTF-8. */
export const MAX_FRAME_BYTES = 64 * 1024;
/** The highest `protocol` that a `join` may ask for. */
export const PROTOCOL = 1;
/** What one `joined` or `history` holds at most: changes, and bytes of their JSON. */
export const MAX_PAGE_CHANGES = 500;
export const MAX_PAGE_BYTES = 256 * 1024;
export const DEFAULT_ROOM = 'general';

const Username = Type.String({ description: expected.username });
const Room = Type.String({ description: expected.room });
const Id = Type.String({ minLength: 1, maxLength: 64, description: expected.id });
const Seq = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'a `seq`: a whole number from 0 on',
});
const EventName = Type.String({
  minLength: 1,
  maxLength: 64,
  description: expected.eventName,
});
const Token = Type.String({ description: 'a token of POST /sessions' });
const Content = Type.String({ description: expected.content });
const strict = { additionalProperties: false };

/** What a client may send, by `type`. Each carries an example that a person can read. */
export const clientFrames = {
  join: Type.Object(
    {
      type: Type.Literal('join'),
      username: Username,
      room: Type.Optional(Room),
      id: Type.Optional(Id),
      token: Type.Optional(Token),
      protocol: Type.Optional(
        Type.Union([Type.Literal(0), Type.Literal(1)], { description: '0 or 1' }),
      ),
      since: Type.Optional(
        Type.Union([Seq, Type.Literal('$')], {
          description: 'the last `rev` seen, a whole number from 0 on, or "$"; needs protocol 1',
        }),
      ),
      epoch: Type.Optional(
        Type.String({ maxLength: 64, description: 'the epoch seen with it; needs protocol 1' }),
      ),
    },
    {
      ...strict,
      description: 'Enter a room; the user and the room are made if they are not there.',
      examples: [{ type: 'join', username: 'string' }],
    },
  ),
  message: Type.Object(
    {
      type: Type.Literal('message'),
      content: Content,
      username: Type.Optional(Username),
      room: Type.Optional(Room),
      to: Type.Optional(
        Type.String({ description: `${expected.username}; in place of a room; needs protocol 1` }),
      ),
      id: Type.Optional(Id),
      replyTo: Type.Optional(MessageId),
      data: Type.Optional(Type.Unknown({ description: 'JSON for programs; needs protocol 1' })),
    },
    {
      ...strict,
      description:
        'Say something. With an id it is acknowledged, and stored once however often sent.',
      examples: [{ type: 'message', username: 'string', content: 'string' }],
    },
  ),
  edit: Type.Object(
    {
      type: Type.Literal('edit'),
      messageId: MessageId,
      content: Content,
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description: 'Protocol 1: says a message of one’s own otherwise.',
      examples: [{ type: 'edit', messageId: 1, content: 'string' }],
    },
  ),
  delete: Type.Object(
    { type: Type.Literal('delete'), messageId: MessageId, id: Type.Optional(Id) },
    {
      ...strict,
      description: 'Protocol 1: takes a message of one’s own back; its place in the room stays.',
      examples: [{ type: 'delete', messageId: 1 }],
    },
  ),
  react: Type.Object(
    {
      type: Type.Literal('react'),
      messageId: MessageId,
      emoji: Type.String({ description: expected.emoji }),
      remove: Type.Optional(Type.Boolean({ description: 'true or false' })),
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description: 'Protocol 1: reacts to a message, or takes a reaction back.',
      examples: [{ type: 'react', messageId: 1, emoji: '👍' }],
    },
  ),
  read: Type.Object(
    { type: Type.Literal('read'), room: Type.Optional(Room), seq: Seq, id: Type.Optional(Id) },
    {
      ...strict,
      description: 'Protocol 1: has read a room up to a `seq`.',
      examples: [{ type: 'read', room: 'string', seq: 100 }],
    },
  ),
  leave: Type.Object(
    {
      type: Type.Literal('leave'),
      username: Type.Optional(Username),
      room: Type.Optional(Room),
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description: 'Leave a room, or all of them.',
      examples: [{ type: 'leave', username: 'string' }],
    },
  ),
  history: Type.Object(
    {
      type: Type.Literal('history'),
      room: Type.Optional(Room),
      before: Type.Optional(Seq),
      after: Type.Optional(Seq),
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 100, description: 'a limit, 1 to 100' }),
      ),
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description:
        'Protocol 1: earlier messages; the newest, those before a seq, or those after one.',
      examples: [{ type: 'history', room: 'string', before: 100, limit: 50 }],
    },
  ),
  typing: Type.Object(
    { type: Type.Literal('typing'), room: Type.Optional(Room), id: Type.Optional(Id) },
    {
      ...strict,
      description: 'Protocol 1: shows the others that one is writing; it lapses after 5 s.',
      examples: [{ type: 'typing', room: 'string' }],
    },
  ),
  event: Type.Object(
    {
      type: Type.Literal('event'),
      room: Type.Optional(Room),
      name: EventName,
      data: Type.Optional(Type.Unknown({ description: 'JSON for programs' })),
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description: 'Protocol 1: shows something to the room that is never stored.',
      examples: [{ type: 'event', room: 'string', name: 'string', data: {} }],
    },
  ),
  auth: Type.Object(
    { type: Type.Literal('auth'), token: Token, id: Type.Optional(Id) },
    {
      ...strict,
      description: 'Protocol 1: a fresh token, before the one that was shown ends.',
      examples: [{ type: 'auth', token: 'string' }],
    },
  ),
  ping: Type.Object(
    {
      type: Type.Literal('ping'),
      sentAt: Type.Optional(Type.Unknown({ description: 'anything; the pong brings it back' })),
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description: 'Protocol 1: asks for a pong.',
      examples: [{ type: 'ping', sentAt: 1766300000000 }],
    },
  ),
};

/** One of the frames above, checked against its schema. */
export type ClientFrame = {
  [T in keyof typeof clientFrames]: Static<(typeof clientFrames)[T]>;
}[keyof typeof clientFrames];

const Timestamp = Type.String({ format: 'date-time' });

const shown = {
  id: Type.Integer(),
  room: Room,
  seq: Seq,
  username: Username,
  content: Content,
  timestamp: Timestamp,
  /** From here on: protocol 1 only. */
  rev: Type.Optional(Seq),
  ...messageExtras,
};
const Message = Type.Object({ type: Type.Literal('message'), ...shown });
/** The message as it now is, in place of what was known of it. */
const Update = Type.Object({ type: Type.Literal('update'), ...shown });
const Changes = Type.Array(Type.Union([Message, Update]));

/** What the server sends, by `type`. Protocol 0 gets `message`, `system`, `error` and `ack`, and no others. */
export const serverFrames = {
  message: Message,
  update: Update,
  system: Type.Object({
    type: Type.Literal('system'),
    room: Room,
    content: Type.String(),
    timestamp: Timestamp,
  }),
  ack: Type.Object({
    type: Type.Literal('ack'),
    id: Id,
    /** From here on: of a message. */
    room: Type.Optional(Room),
    messageId: Type.Optional(Type.Integer()),
    seq: Type.Optional(Seq),
    /** Of a change to a message: of the change, or, when it changed nothing, as it was. */
    rev: Type.Optional(Seq),
    timestamp: Type.Optional(Timestamp),
  }),
  error: Type.Object({
    type: Type.Literal('error'),
    code: Type.Unsafe<ErrorCode>(Type.String()),
    content: Type.String(),
    id: Type.Optional(Id),
    retryAfter: Type.Optional(Type.Number()),
  }),
  joined: Type.Object({
    type: Type.Literal('joined'),
    id: Type.Optional(Id),
    room: Room,
    username: Username,
    /** The next `since`. */
    rev: Seq,
    epoch: Type.String(),
    messages: Changes,
    /** The others' messages above `lastRead` that are not deleted; 100 means 100 or more. */
    unread: Type.Integer(),
    /** A `seq`: how far the user has read. */
    lastRead: Seq,
    /** False: there is more; not in the room yet, join again from `rev`. */
    complete: Type.Boolean(),
    /** True: what was seen before is of another history; forget it. */
    reset: Type.Boolean(),
    /** A hundred names at most. */
    users: Type.Array(Username),
    userCount: Type.Integer(),
  }),
  left: Type.Object({ type: Type.Literal('left'), id: Type.Optional(Id), room: Room }),
  history: Type.Object({
    type: Type.Literal('history'),
    id: Type.Optional(Id),
    room: Room,
    messages: Changes,
    more: Type.Boolean(),
  }),
  pong: Type.Object({
    type: Type.Literal('pong'),
    id: Type.Optional(Id),
    sentAt: Type.Optional(Type.Unknown()),
    timestamp: Timestamp,
  }),
  presence: Type.Object({
    type: Type.Literal('presence'),
    room: Room,
    username: Username,
    status: Type.Union([Type.Literal('online'), Type.Literal('offline')]),
    timestamp: Timestamp,
  }),
  /** Someone has read a room up to a `seq`; to the user's own connections and the other of a direct room. */
  read: Type.Object({ type: Type.Literal('read'), room: Room, username: Username, seq: Seq }),
  notification: Type.Object({
    type: Type.Literal('notification'),
    ...Notification.properties,
    /** All that the user has not read; 1000 means 1000 or more. */
    unread: Type.Integer(),
  }),
  typing: Type.Object({ type: Type.Literal('typing'), room: Room, username: Username }),
  event: Type.Object({
    type: Type.Literal('event'),
    room: Room,
    /** Missing when a back end shows it, which is nobody in particular. */
    username: Type.Optional(Username),
    name: EventName,
    data: Type.Optional(Type.Unknown()),
    timestamp: Timestamp,
  }),
  /** The token ends in so many seconds: send a fresh one in an `auth`. */
  expiring: Type.Object({ type: Type.Literal('expiring'), seconds: Type.Integer() }),
  draining: Type.Object({
    type: Type.Literal('draining'),
    /** Milliseconds after which this client should reconnect. */
    reconnectIn: Type.Integer(),
  }),
};

/** One of the frames above. */
export type ServerFrame = {
  [T in keyof typeof serverFrames]: Static<(typeof serverFrames)[T]>;
}[keyof typeof serverFrames];

/** What is shown to users wherever they are. */
export type PersonalFrame = Extract<ServerFrame, { type: 'read' }>;

/** What is shown to a room and never stored. */
export type EphemeralFrame = Extract<ServerFrame, { type: 'typing' | 'event' }>;
