import { Type } from '@sinclair/typebox';
import { expected } from './checks.ts';

/**
 * The fields that frames and REST share. The `description` of a text is the expected value, in words that
 * complete an error sentence: `"room" must be …`.
 */

/** For schemas of inputs: unknown fields are errors. */
export const strict = { additionalProperties: false };

export const Username = Type.String({ description: expected.username, examples: ['ana'] });
export const RoomName = Type.String({ description: expected.room, examples: ['general'] });
/** A room that may be left out. */
export const Room = Type.String({
  description: `${expected.room}; general by default`,
  examples: ['general'],
});
export const Id = Type.String({
  minLength: 1,
  maxLength: 64,
  description: expected.id,
  examples: ['0b6c8a5e-6f0b-4d57-9a52-5d3f3f1a7c11'],
});
export const Seq = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'the number of a message in its room',
  examples: [7],
});
export const MessageId = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'the id of a message',
  examples: [42],
});
export const NotificationId = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'the id of a notification',
  examples: [5],
});
export const Recipient = Type.String({
  description: `${expected.username}; the recipient of a direct message, in place of a room`,
  examples: ['ben'],
});
export const Content = Type.String({ description: expected.content, examples: ['hi'] });
export const Data = Type.Unknown({
  description: 'JSON for programs, up to 32 levels deep and 32 KiB long',
});
export const EventName = Type.String({
  minLength: 1,
  maxLength: 64,
  description: expected.eventName,
  examples: ['price'],
});
export const Emoji = Type.String({ description: expected.emoji, examples: ['👍'] });
export const Timestamp = Type.String({
  format: 'date-time',
  description: 'a time in ISO 8601',
  examples: ['2026-11-21T09:30:00.000Z'],
});
/** A field of replies that clients may send back. */
export const Ignored = Type.Unknown({ description: 'anything; it is ignored' });
