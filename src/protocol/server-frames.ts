import { type TProperties, Type } from '@sinclair/typebox';
import { type ErrorCode, errorCodes } from '../errors.ts';
import { Data, EventName, RoomName, Seq, Timestamp, Username } from './fields.ts';
import { StoredMessage } from './message.ts';
import { Notification } from './rest.ts';

function frame<T extends string, P extends TProperties>(
  type: T,
  properties: P,
  description: string,
) {
  return Type.Object({ type: Type.Literal(type), ...properties }, { description });
}

const ReplyId = Type.Optional(Type.String({ description: 'the `id` of the frame it answers' }));

/** A message as protocol 0 shows it. */
export const BasicMessage = frame(
  'message',
  {
    id: StoredMessage.properties.id,
    room: RoomName,
    seq: StoredMessage.properties.seq,
    username: Username,
    content: StoredMessage.properties.content,
    timestamp: Type.String({ format: 'date-time', description: 'the time at which it was stored' }),
    data: StoredMessage.properties.data,
  },
  'Protocol 0: a message.',
);
const Message = frame('message', StoredMessage.properties, 'Protocol 1: a new message.');
const Update = frame(
  'update',
  StoredMessage.properties,
  'Protocol 1: a message in its new state, after an edit, a deletion or a reaction.',
);
const Changes = Type.Array(Type.Union([Message, Update]), {
  description: 'each with its `type` as a single frame',
});

/** The frames that the server sends, by `type`. */
export const serverFrames = {
  message: Type.Union([BasicMessage, Message], {
    description: 'A message, in the shape of the connection’s protocol.',
  }),
  system: frame(
    'system',
    {
      room: RoomName,
      content: Type.String({ description: 'the event in a sentence' }),
      timestamp: Timestamp,
      event: Type.Union([Type.Literal('welcome'), Type.Literal('joined'), Type.Literal('left')], {
        description: '`welcome` confirms the join of this connection',
      }),
      username: Type.Optional(
        Type.String({
          description: 'the user that joined or left; missing when several are gathered',
        }),
      ),
    },
    'Protocol 0: joins and leaves.',
  ),
  ack: frame(
    'ack',
    {
      id: Type.String({ description: 'the `id` of the frame it answers' }),
      room: Type.Optional(RoomName),
      messageId: Type.Optional(
        Type.Integer({ description: 'the id of the posted or changed message' }),
      ),
      seq: Type.Optional(Type.Integer({ description: 'of a message: its number in the room' })),
      rev: Type.Optional(
        Type.Integer({
          description:
            'of an edit, deletion or reaction: its `rev`, or the earlier one when nothing changed',
        }),
      ),
      timestamp: Type.Optional(
        Type.String({
          format: 'date-time',
          description: 'of a message: the time at which it was stored',
        }),
      ),
    },
    'A frame with an `id` has taken effect; a message is on disk.',
  ),
  error: frame(
    'error',
    {
      code: Type.Unsafe<ErrorCode>(
        Type.String({ enum: Object.keys(errorCodes), description: 'for programs' }),
      ),
      content: Type.String({ description: 'what was wrong and what is expected, in a sentence' }),
      id: ReplyId,
      retryAfter: Type.Optional(Type.Number({ description: 'seconds to wait, if waiting helps' })),
    },
    'A frame was refused, or a permission has ended.',
  ),
  pong: frame(
    'pong',
    {
      id: ReplyId,
      sentAt: Type.Optional(Type.Unknown({ description: 'the `sentAt` of the ping' })),
      timestamp: Timestamp,
    },
    'The answer to a `ping`.',
  ),
  update: Update,
  changes: frame(
    'changes',
    { room: RoomName, changes: Changes },
    'Protocol 1, after a `join` with `batch: true`: two or more changes with consecutive `rev`s.',
  ),
  joined: frame(
    'joined',
    {
      id: ReplyId,
      room: RoomName,
      username: Username,
      rev: Type.Integer({ description: 'the next `since`' }),
      epoch: Type.String({ description: 'the id of the room’s history' }),
      messages: Changes,
      unread: Type.Integer({
        description:
          'messages of other users above `lastRead`, without deleted ones; 100 means 100 or more',
      }),
      lastRead: Type.Integer({ description: 'the `seq` up to which the user has read' }),
      complete: Type.Boolean({
        description:
          'false: there are more changes and the connection is not in the room yet; join again from `rev`',
      }),
      reset: Type.Boolean({
        description: 'true: changes seen before belong to another history; discard them',
      }),
      users: Type.Array(Username, { description: 'at most 100 names' }),
      userCount: Type.Integer({ description: 'all users in the room' }),
    },
    'Protocol 1: the answer to a `join`.',
  ),
  left: frame('left', { id: ReplyId, room: RoomName }, 'Protocol 1: the answer to a `leave`.'),
  history: frame(
    'history',
    {
      id: ReplyId,
      room: RoomName,
      messages: Changes,
      more: Type.Boolean({ description: 'whether there are more messages' }),
    },
    'Protocol 1: the answer to a `history`, oldest first.',
  ),
  presence: frame(
    'presence',
    {
      room: RoomName,
      username: Username,
      status: Type.Union([Type.Literal('online'), Type.Literal('offline')]),
      timestamp: Timestamp,
    },
    'Protocol 1: a user came online in the room, or left it.',
  ),
  read: frame(
    'read',
    { room: RoomName, username: Username, seq: Seq },
    'Protocol 1: how far a user has read; to the user’s own connections, and the partner of a direct room.',
  ),
  typing: frame('typing', { room: RoomName, username: Username }, 'Protocol 1: a user is typing.'),
  event: frame(
    'event',
    {
      room: RoomName,
      username: Type.Optional(Type.String({ description: 'the sender; missing for a back end' })),
      name: EventName,
      data: Type.Optional(Data),
      timestamp: Timestamp,
    },
    'Protocol 1: an ephemeral event, never stored.',
  ),
  notification: frame(
    'notification',
    {
      ...Notification.properties,
      unread: Type.Integer({
        description: 'the number of all unread notifications; 1000 means 1000 or more',
      }),
    },
    'Protocol 1: a mention, a direct message or a notice; to every connection of the user.',
  ),
  expiring: frame(
    'expiring',
    { seconds: Type.Integer({ description: 'the time left' }) },
    'Protocol 1: the token expires soon; show a fresh one in an `auth`.',
  ),
  draining: frame(
    'draining',
    {
      reconnectIn: Type.Integer({
        description: 'milliseconds after which this client should reconnect',
      }),
    },
    'Protocol 1: the server is about to stop.',
  ),
};
