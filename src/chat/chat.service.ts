import type { Bus } from '../bus/bus.ts';
import { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { type Limits, tooFast } from '../limits/limits.ts';
import type { Logger } from '../log.ts';
import {
  checkClientId,
  checkContent,
  checkData,
  parseEmoji,
  parseUsername,
} from '../protocol/checks.ts';
import { isAdmin, type Person } from '../protocol/identity.ts';
import type { Draft, StoredMessage } from '../protocol/message.ts';
import type { Principal, Room } from '../protocol/room.ts';
import type { DirectRooms } from '../rooms/direct.ts';
import type { RoomService } from '../rooms/room.service.ts';
import type { UserService } from '../users/user.service.ts';
import { noSuchMessage } from './changes.ts';
import type { Action, Posted } from './entries.ts';
import type { MessageReader } from './reader.ts';
import type { WordIndex } from './word-index.ts';
import { MessageWriter, type WriterDatabase } from './writer.ts';

interface ChatParts {
  database: WriterDatabase;
  messages: MessageReader;
  words: WordIndex;
  rooms: RoomService;
  directRooms: DirectRooms;
  users: UserService;
  bus: Bus;
  limits: Limits;
  clock: Clock;
  log: Logger;
}

/** The destination of a message: a room by its name (general without one), or the recipient of a direct message. */
export interface Destination {
  room?: string | undefined;
  to?: string | undefined;
}

/** A principal that is a user. */
export type Author = Principal & { user: Person };

/** Everything that users do with stored messages; all doors go through it. */
export class ChatService {
  readonly #writer: MessageWriter;

  /** @param settings `maxContentLength`: characters of one message */
  constructor(
    private readonly parts: ChatParts,
    private readonly settings: { maxContentLength: number },
  ) {
    const { bus, words } = parts;
    this.#writer = new MessageWriter({
      ...parts,
      events: {
        onCommit: (changes) => {
          for (const [room, messages] of byRoom(changes)) {
            bus.publish({ kind: 'messages', room, messages });
            words.note(room.id);
          }
        },
        onNotify: (notified) => bus.publish({ kind: 'notified', notified }),
        onUnknownOutcome: (roomIds) => {
          bus.publish({ kind: 'resync', roomIds });
          for (const id of roomIds) words.note(id);
        },
      },
    });
  }

  /**
   * The room of a destination, in which the author may write; a missing direct room is created.
   *
   * @param isCreating whether a missing public room is created too
   * @throws {ChatError} `invalid_frame` for both a room and a recipient, the errors of
   *   {@link RoomService.authorize}, `not_found` for an unknown recipient, `rate_limited` for too many new
   *   rooms
   */
  async resolve(
    author: Author,
    { room, to }: Destination,
    { isCreating = false } = {},
  ): Promise<Room> {
    const { rooms, directRooms, users } = this.parts;
    if (to !== undefined) {
      if (room !== undefined) {
        throw new ChatError(
          'invalid_frame',
          'A message must have either "room" or "to", not both.',
        );
      }
      parseUsername(to, 'to');
      return directRooms.between(author, await users.state(to));
    }
    const access = isCreating
      ? await rooms.authorizeOrCreate(author, room, 'write')
      : await rooms.authorize(author, room, 'write');
    return access.room;
  }

  /**
   * Stores a message and publishes it to everyone in the room. Posts of one room take effect in
   * the order of the calls; a call need not wait for the one before.
   *
   * @param room of {@link resolve}, or one that the author is in and may write in
   * @param until as in {@link MessageWriter.write}
   * @returns once it is committed
   * @throws {ChatError} `invalid_frame`, `too_long`, `rate_limited` (a duplicate is free, except under load), and the
   *   errors of {@link MessageWriter.write}
   */
  async post(author: Author, room: Room, draft: Draft, until?: number): Promise<Posted> {
    const { content = '', data, clientId } = draft;
    // A message for programs may have no content.
    if (content !== '' || data == null) checkContent(content, this.settings.maxContentLength);
    if (clientId !== undefined) checkClientId(clientId);
    checkData(data);
    const { limits, bus } = this.parts;
    const post = { room, user: author.user, content, draft };
    const counted = limits.message(author);
    const wait = typeof counted === 'number' ? counted : await counted;
    if (wait > 0) {
      const mayBeThere = clientId !== undefined && !this.#writer.isLookingUpMuch;
      const isLookedUp = mayBeThere && limits.mayLookUp(author);
      const duplicate = isLookedUp ? await this.#writer.findDuplicate(post) : undefined;
      if (!duplicate) throw tooFast('Too many messages', wait);
      return duplicate;
    }
    const posted = await this.#writer.write(post, until);
    if (!posted.duplicate) return posted;
    limits.refundMessage(author);
    // The server that stored it may have died before publishing it. Feeds that have it ignore it.
    if (bus.isShared) {
      bus.publish({ kind: 'messages', room, messages: [posted.message] });
    }
    return posted;
  }

  /**
   * Edits a message, for its author and admins.
   *
   * @param until as in {@link MessageWriter.write}
   * @returns the message in its new state, once the edit is committed or found to change nothing
   * @throws {ChatError} `not_found` for a message that does not exist, is deleted, or is in a room that
   *   the principal may not see; `forbidden`, `muted`, `banned`, `invalid_frame`, `too_long`,
   *   `rate_limited`, and the errors of {@link MessageWriter.change}
   */
  async edit(
    principal: Principal,
    messageId: number,
    content: string,
    until?: number,
  ): Promise<StoredMessage> {
    checkContent(content, this.settings.maxContentLength);
    return this.#change(principal, messageId, { kind: 'edit', content }, until);
  }

  /**
   * Deletes a message, for its author, muted or not, and admins: its `seq` stays, its content is erased.
   *
   * @throws {ChatError} the errors of {@link edit}, except for a message that is deleted already
   */
  delete(principal: Principal, messageId: number, until?: number): Promise<StoredMessage> {
    return this.#change(principal, messageId, { kind: 'delete' }, until);
  }

  /**
   * Reacts to a message, or removes a reaction.
   *
   * @throws {ChatError} the errors of {@link edit}; `conflict` past the most different reactions;
   *   `invalid_frame` for text that is no emoji, or for a principal without a user
   */
  async react(
    principal: Principal,
    messageId: number,
    { emoji: raw, remove = false }: { emoji: string; remove?: boolean | undefined },
    until?: number,
  ): Promise<StoredMessage> {
    const emoji = parseEmoji(raw);
    return this.#change(principal, messageId, { kind: remove ? 'unreact' : 'react', emoji }, until);
  }

  /**
   * Returns a message in its present state.
   *
   * @throws {ChatError} `not_found`, `forbidden`, `banned`
   */
  async find(principal: Principal, messageId: number): Promise<StoredMessage> {
    const { rooms, messages } = this.parts;
    const access = await rooms.authorizeByMessage(principal, messageId, 'read');
    const found = access && new Map([[access.room.id, access.room]]);
    const message = found && (await messages.byIds(found, [messageId])).get(messageId);
    if (!message) throw noSuchMessage(messageId);
    return message;
  }

  /** Refuses further posts, and returns when accepted ones are settled. */
  async close(): Promise<void> {
    await this.#writer.close();
  }

  async #change(
    principal: Principal,
    messageId: number,
    action: Action,
    until?: number,
  ): Promise<StoredMessage> {
    const { messages, rooms } = this.parts;
    const permission = action.kind === 'delete' ? 'read' : 'write';
    const access = await rooms.authorizeByMessage(principal, messageId, permission);
    if (!access) throw noSuchMessage(messageId);
    const { identity, user } = principal;
    if ('emoji' in action) {
      if (!user) throw new ChatError('invalid_frame', 'A reaction needs a user; add "?username=".');
    } else if (!isAdmin(identity) && user?.id !== (await messages.authorOf(messageId))) {
      throw new ChatError('forbidden', 'Only its author and admins may edit or delete a message.');
    }
    await this.parts.limits.checkMessage(principal);
    return this.#writer.change(
      { room: access.room, messageId, userId: user?.id ?? 0, action },
      until,
    );
  }
}

/** The changes of each room, in their order. */
function byRoom(changes: [Room, StoredMessage][]): Iterable<[Room, StoredMessage[]]> {
  const found = new Map<number, [Room, StoredMessage[]]>();
  for (const [room, message] of changes) {
    const known = found.get(room.id);
    if (known) known[1].push(message);
    else found.set(room.id, [room, [message]]);
  }
  return found.values();
}
