import { type TProperties, Type } from '@sinclair/typebox';
import {
  Content,
  Data,
  Emoji,
  EventName,
  Id,
  Ignored,
  MessageId,
  Room,
  Seq,
  strict,
  Username,
} from './fields.ts';
import { newMessage } from './message.ts';
import type { serverFrames } from './server-frames.ts';

const Token = Type.String({ description: 'a token of POST /sessions' });

/**
 * @param description the effect of the frame, in an imperative
 * @param example a readable frame of this type
 */
function frame<T extends string, P extends TProperties>(
  type: T,
  properties: P,
  description: string,
  example: object,
) {
  return Type.Object(
    {
      type: Type.Literal(type),
      ...properties,
      id: Type.Optional(Id),
      timestamp: Type.Optional(Ignored),
    },
    { ...strict, description, examples: [{ type, ...example }] },
  );
}

/** The frames that a client may send, by `type`. */
export const clientFrames = {
  join: frame(
    'join',
    {
      username: Type.Optional(Username),
      room: Type.Optional(Room),
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
      batch: Type.Optional(
        Type.Boolean({ description: 'live changes may come as `changes`; needs protocol 1' }),
      ),
    },
    'Join a room; the user and the room are created if they do not exist.',
    { username: 'string' },
  ),
  message: frame(
    'message',
    newMessage,
    'Post a message. With an `id` it is acknowledged, and stored once however often it is sent. It has `content`, `data` or both; `to` and `replyTo` need protocol 1.',
    { username: 'string', content: 'string' },
  ),
  edit: frame(
    'edit',
    { messageId: MessageId, content: Content },
    'Protocol 1: edit a message, as its author or an admin.',
    { messageId: 1, content: 'string' },
  ),
  delete: frame(
    'delete',
    { messageId: MessageId },
    'Protocol 1: delete a message, as its author or an admin; its `seq` stays.',
    { messageId: 1 },
  ),
  react: frame(
    'react',
    {
      messageId: MessageId,
      emoji: Emoji,
      remove: Type.Optional(Type.Boolean({ description: 'true: removes the reaction' })),
    },
    'Protocol 1: react to a message, or remove a reaction.',
    { messageId: 1, emoji: '👍' },
  ),
  read: frame(
    'read',
    {
      room: Type.Optional(Room),
      seq: { ...Seq, description: 'a `seq`: how far the user has read' },
    },
    'Protocol 1: mark a room as read up to a `seq`.',
    { room: 'string', seq: 100 },
  ),
  leave: frame(
    'leave',
    { username: Type.Optional(Username), room: Type.Optional(Room) },
    'Leave a room, or all of them.',
    { username: 'string' },
  ),
  history: frame(
    'history',
    {
      room: Type.Optional(Room),
      before: Type.Optional({ ...Seq, description: 'a `seq`: only messages before it' }),
      after: Type.Optional({ ...Seq, description: 'a `seq`: only messages after it' }),
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 100,
          default: 50,
          description: 'the most messages of the reply',
        }),
      ),
    },
    'Protocol 1: get stored messages: the newest, or those before or after a `seq`.',
    { room: 'string', before: 100, limit: 50 },
  ),
  typing: frame(
    'typing',
    { room: Type.Optional(Room) },
    'Protocol 1: show that the user is typing; this lapses after 5 s.',
    { room: 'string' },
  ),
  event: frame(
    'event',
    { room: Type.Optional(Room), name: EventName, data: Type.Optional(Data) },
    'Protocol 1: broadcast an ephemeral event to the room; events are never stored.',
    { room: 'string', name: 'string', data: {} },
  ),
  auth: frame(
    'auth',
    { token: Token },
    'Protocol 1: show a fresh token before the present one expires.',
    { token: 'string' },
  ),
  ping: frame(
    'ping',
    {
      sentAt: Type.Optional(Type.Unknown({ description: 'anything; the pong echoes it' })),
    },
    'Ask for a pong; allowed before a join.',
    { sentAt: 1766300000000 },
  ),
};

/** The replies to a frame, beside `error`; an `ack` only for frames with an `id`. */
export const replies: Record<keyof typeof clientFrames, (keyof typeof serverFrames)[]> = {
  join: ['joined', 'system'],
  message: ['ack'],
  edit: ['ack'],
  delete: ['ack'],
  react: ['ack'],
  read: ['ack'],
  leave: ['left'],
  history: ['history'],
  typing: ['ack'],
  event: ['ack'],
  auth: ['ack'],
  ping: ['pong'],
};
