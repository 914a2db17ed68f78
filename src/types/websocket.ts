import { type Static, Type } from '@sinclair/typebox';
import type { ErrorCode } from '../errors.ts';
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
      id: Type.Optional(Id),
      data: Type.Optional(Type.Unknown({ description: 'JSON for programs; needs protocol 1' })),
    },
    {
      ...strict,
      description:
        'Say something. With an id it is acknowledged, and stored once however often sent.',
      examples: [{ type: 'message', username: 'string', content: 'string' }],
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

const Message = Type.Object({
  type: Type.Literal('message'),
  id: Type.Integer(),
  room: Room,
  seq: Seq,
  username: Username,
  content: Content,
  timestamp: Timestamp,
  /** From here on: protocol 1 only. */
  rev: Type.Optional(Seq),
  data: Type.Optional(Type.Unknown()),
  clientId: Type.Optional(Id),
});

/** What the server sends, by `type`. Protocol 0 gets the first four and no others. */
export const serverFrames = {
  message: Message,
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
    messages: Type.Array(Message),
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
    messages: Type.Array(Message),
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

/** What is shown to a room and never stored. */
export type EphemeralFrame = Extract<ServerFrame, { type: 'typing' | 'event' }>;
