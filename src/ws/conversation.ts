import { ChatError } from '../errors.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { DirectRooms } from '../services/direct-rooms.ts';
import type { MessageChanges } from '../services/message-changes.ts';
import type { ReadPositions } from '../services/read-positions.ts';
import type { RoomService } from '../services/room.service.ts';
import type { UserService } from '../services/user.service.ts';
import { checkRoom, type Person } from '../types/identity.ts';
import type { Room, Visitor } from '../types/room.ts';
import { parseRoomName, parseUsername } from '../types/text.ts';
import { type ClientFrame, DEFAULT_ROOM } from '../types/websocket.ts';
import { encode, withId, withMessages } from './frames.ts';
import { stayIn } from './joined.ts';
import type { Stay } from './stay.ts';

export interface ConversationParts {
  chat: ChatService;
  changes: MessageChanges;
  positions: ReadPositions;
  rooms: RoomService;
  directRooms: DirectRooms;
  users: UserService;
}

export type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

/** The user who speaks on a connection, in which protocol, and the rooms that it is in. */
export interface Speaker {
  user: Person;
  protocol: 0 | 1;
  rooms: Map<string, Stay>;
  /** By which right; a fresh token may say something else. */
  visitor(): Visitor & { user: Person };
}

/** What a client says and does once it has joined. Every method throws `ChatError`s. */
export class Conversation {
  /** The direct rooms that were spoken in, by the key of the other one. */
  readonly #direct = new Map<string, Room>();

  constructor(
    private readonly parts: ConversationParts,
    private readonly speaker: Speaker,
    private readonly send: (frame: string) => void,
  ) {}

  /** @returns a promise when it must be found out first where this message goes; it may reject */
  prepare({ to }: FrameOf<'message'>): Promise<void> | undefined {
    if (to === undefined || this.#direct.has(parseUsername(to, 'to').key)) return undefined;
    return this.#findDirect(to);
  }

  /** @returns when the message is committed and its ack is on its way */
  async message(frame: FrameOf<'message'>): Promise<void> {
    this.#checkFields(frame);
    const { content, data, id, replyTo, to } = frame;
    const { user, visitor } = this.speaker;
    const room = to === undefined ? this.#speakIn(frame) : this.#roomOf(to);
    const post = { room, user, content, clientId: id, data, replyTo };
    const { message } = await this.parts.chat.post(post, visitor());
    if (id === undefined) return;
    const { id: messageId, seq, createdAt: timestamp } = message;
    this.send(encode({ type: 'ack', id, room: room.name, messageId, seq, timestamp }));
  }

  async change(frame: FrameOf<'edit' | 'delete' | 'react'>): Promise<void> {
    const { id, messageId } = frame;
    const { room, rev } = await this.#change(frame);
    if (id === undefined) return;
    this.send(encode({ type: 'ack', id, room, messageId, rev }));
  }

  async read(frame: FrameOf<'read'>): Promise<void> {
    const { user, rooms, visitor } = this.speaker;
    const name = this.#nameOf(frame);
    // Direct messages come to who has not joined their room, and are read there too.
    const room = rooms.get(name)?.live.room ?? (await this.parts.rooms.visit(visitor(), name)).room;
    await this.parts.positions.read(user, room, frame.seq);
    this.#acknowledge(frame);
  }

  async history(frame: FrameOf<'history'>): Promise<void> {
    const { live } = this.#stay(frame);
    const { texts, more } = await live.log.history(frame);
    const reply = { type: 'history', ...withId(frame), room: live.name, more } as const;
    this.send(withMessages(reply, texts));
  }

  typing(frame: FrameOf<'typing'>): void {
    this.parts.chat.typing(this.#speakIn(frame), this.speaker.user);
    this.#acknowledge(frame);
  }

  async event(frame: FrameOf<'event'>): Promise<void> {
    await this.parts.chat.event(this.#speakIn(frame), frame, this.speaker.visitor());
    this.#acknowledge(frame);
  }

  ping(frame: FrameOf<'ping'>): void {
    const sentAt = frame.sentAt === undefined ? {} : { sentAt: frame.sentAt };
    const timestamp = new Date().toISOString();
    this.send(encode({ type: 'pong', ...withId(frame), ...sentAt, timestamp }));
  }

  #change(frame: FrameOf<'edit' | 'delete' | 'react'>) {
    const { changes } = this.parts;
    const visitor = this.speaker.visitor();
    switch (frame.type) {
      case 'edit':
        return changes.edit(visitor, frame.messageId, frame.content);
      case 'delete':
        return changes.delete(visitor, frame.messageId);
      case 'react':
        return changes.react(visitor, frame.messageId, frame);
    }
  }

  async #findDirect(to: string): Promise<void> {
    const other = await this.parts.users.standing(to);
    const room = await this.parts.directRooms.between(this.speaker.visitor(), other);
    this.#direct.set(parseUsername(to, 'to').key, room);
  }

  #roomOf(to: string): Room {
    const room = this.#direct.get(parseUsername(to, 'to').key) as Room;
    checkRoom(this.speaker.visitor().identity, room.name);
    return room;
  }

  /** The room that a frame is for, where its sender may speak. */
  #speakIn(frame: { room?: string }): Room {
    const stay = this.#stay(frame);
    stay.checkMaySpeak();
    return stay.live.room;
  }

  #stay(frame: { room?: string }): Stay {
    return stayIn(this.speaker.rooms, this.#nameOf(frame));
  }

  #nameOf({ room }: { room?: string }): string {
    const { rooms } = this.speaker;
    const [only] = rooms.size === 1 ? rooms.keys() : [];
    return parseRoomName(room ?? only ?? DEFAULT_ROOM);
  }

  #checkFields(frame: FrameOf<'message'>): void {
    if (frame.to !== undefined && frame.room !== undefined) {
      throw new ChatError('invalid_frame', 'A message has either "room" or "to"');
    }
    if (this.speaker.protocol === 1) return;
    for (const field of ['to', 'replyTo', 'data'] as const) {
      if (frame[field] === undefined) continue;
      throw new ChatError('invalid_frame', `"${field}" needs "protocol": 1`);
    }
  }

  #acknowledge({ id }: { id?: string }): void {
    if (id !== undefined) this.send(encode({ type: 'ack', id }));
  }
}
