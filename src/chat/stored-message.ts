import { messageExtras, type StoredMessage } from '../protocol/message.ts';
import { partnerIn, type Room } from '../protocol/room.ts';

type Extra = Exclude<keyof typeof messageExtras, 'to'>;

/** The fields that every message has. */
type Fields = Omit<StoredMessage, 'room' | 'to' | Extra>;

/** The fields that only some messages have, from a row or from a post that was just stored. */
type Extras = { [Field in Extra]?: StoredMessage[Field] | null | undefined };

const extras = Object.keys(messageExtras).filter((name) => name !== 'to') as Extra[];

/** Makes the one shape of a message; fields that do not apply are left out. */
export function toStoredMessage(room: Room, fields: Fields, extra: Extras): StoredMessage {
  const { id, seq, rev, userId, username, content, createdAt } = fields;
  const message: StoredMessage = {
    id,
    room: room.name,
    seq,
    rev,
    userId,
    username,
    content,
    createdAt,
  };
  const to = room.direct && partnerIn(room.direct, userId)?.username;
  if (to) message.to = to;
  for (const name of extras) {
    if (extra[name] != null) message[name] = extra[name] as never;
  }
  return message;
}
