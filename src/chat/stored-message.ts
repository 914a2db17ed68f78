import type { StoredMessage } from '../protocol/rest.ts';
import { partnerIn, type Room } from '../protocol/room.ts';

type Optional = 'replyTo' | 'data' | 'mentions' | 'reactions' | 'clientId';

/** The fields of a message, from a row or from a post that was just stored. */
type Fields = Pick<StoredMessage, 'id' | 'seq' | 'rev' | 'userId' | 'username' | 'content'> & {
  /** ISO 8601. */
  createdAt: string;
  editedAt?: Date | null;
  deletedAt?: Date | null;
} & { [Field in Optional]?: StoredMessage[Field] | null | undefined };

/** Makes the one shape of a message; fields that do not apply are left out. */
export function toStoredMessage(room: Room, fields: Fields): StoredMessage {
  const { id, seq, rev, userId, username, content, createdAt } = fields;
  const { replyTo, data, mentions, reactions, editedAt, deletedAt, clientId } = fields;
  const to = room.direct && partnerIn(room.direct, userId)?.username;
  return {
    id,
    room: room.name,
    seq,
    rev,
    userId,
    username,
    content,
    createdAt,
    ...(to && { to }),
    ...(replyTo != null && { replyTo }),
    ...(data != null && { data }),
    ...(mentions?.length && { mentions }),
    ...(reactions != null && { reactions }),
    ...(editedAt != null && { editedAt: editedAt.toISOString() }),
    ...(deletedAt != null && { deletedAt: deletedAt.toISOString() }),
    ...(clientId != null && { clientId }),
  };
}
