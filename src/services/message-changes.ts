import { ChatError } from '../errors.ts';
import { isAdmin } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Visitor } from '../types/room.ts';
import { parseEmoji } from '../types/text.ts';
import { type Action, noSuchMessage } from './change-writer.ts';
import type { ChatService } from './chat.service.ts';
import type { MessageReader } from './message-reader.ts';
import type { RoomService } from './room.service.ts';

/** What people do to messages that were said: the one way in for both doors. */
export class MessageChanges {
  constructor(
    private readonly parts: { chat: ChatService; messages: MessageReader; rooms: RoomService },
  ) {}

  /**
   * Says a message otherwise. Its author may, and admins.
   *
   * @throws {ChatError} `not_found` for a message that is not there, is deleted, or is in a room that is
   *   not the visitor's to see; `forbidden`, `muted`, `banned`, and what {@link ChatService.change} throws
   */
  edit(visitor: Visitor, messageId: number, content: string): Promise<StoredMessage> {
    return this.#change(visitor, messageId, { kind: 'edit', content });
  }

  /**
   * Takes a message back: its place in the room stays, and nothing of what it said. Its author may, muted
   * or not, and admins.
   *
   * @throws {ChatError} what {@link edit} throws, but for one that is deleted already
   */
  delete(visitor: Visitor, messageId: number): Promise<StoredMessage> {
    return this.#change(visitor, messageId, { kind: 'delete' });
  }

  /**
   * Reacts to a message, or takes a reaction back.
   *
   * @throws {ChatError} what {@link edit} throws; `conflict` for one different reaction too many;
   *   `invalid_frame` for what is no emoji, or when it is nobody's in particular
   */
  react(
    visitor: Visitor,
    messageId: number,
    { emoji: raw, remove = false }: { emoji: string; remove?: boolean | undefined },
  ): Promise<StoredMessage> {
    const emoji = parseEmoji(raw);
    return this.#change(visitor, messageId, { kind: remove ? 'unreact' : 'react', emoji });
  }

  async #change(visitor: Visitor, messageId: number, action: Action): Promise<StoredMessage> {
    const { chat, messages, rooms } = this.parts;
    const wish = action.kind === 'delete' ? 'read' : 'speak';
    const visit = await rooms.visitByMessage(visitor, messageId, wish);
    if (!visit) throw noSuchMessage(messageId);
    const { identity, user } = visitor;
    if ('emoji' in action) {
      if (!user) throw new ChatError('invalid_frame', 'A reaction needs a user: "?username="');
    } else if (!isAdmin(identity) && user?.id !== (await messages.authorOf(messageId))) {
      throw new ChatError('forbidden', 'Only who wrote a message may change it, and admins.');
    }
    return chat.change({ room: visit.room, messageId, userId: user?.id ?? 0, action }, visitor);
  }
}
