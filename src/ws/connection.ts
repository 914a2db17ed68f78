import { rootMessage } from '../db/index.ts';
import { ChatError, toChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { RoomService } from '../services/room.service.ts';
import type { UserService } from '../services/user.service.ts';
import type { User } from '../types/rest.ts';
import { parseRoomName, parseUsername } from '../types/text.ts';
import {
  type ClientFrame,
  DEFAULT_ROOM,
  FrameError,
  parseFrame,
  type ServerFrame,
} from '../types/websocket.ts';
import { systemFrame } from './announcer.ts';
import type { Hub, LiveRoom } from './hub.ts';
import type { Presence } from './presence.ts';

/** What a connection needs of its WebSocket. */
export interface Socket {
  /** Sends frames in order, in one write where it can. */
  send(frames: string[]): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

export interface ConnectionParts {
  chat: ChatService;
  users: UserService;
  rooms: RoomService;
  hub: Hub;
  presence: Presence;
  log: Logger;
}

/** Until its first `join` a connection is nobody; from then on it is one user. */
type State = { joined: false } | { joined: true; user: User; rooms: Map<string, LiveRoom> };

type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

/** Bytes of frames that may wait for the ones before them. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
/** Characters of messages that may be with the writer; those behind wait here. */
const MAX_UNSETTLED_COST = 1024 * 1024;
/** What a frame costs beside its text, in either measure. */
const FRAME_COST = 200;

/** One client: its frames take effect one after the other, in the order in which they came. */
export class Connection {
  #state: State = { joined: false };
  #open = true;
  readonly #queue: (string | Uint8Array | { closedAt: Date })[] = [];
  #queuedBytes = 0;
  #unsettledCost = 0;
  /** Called when every message that was sent is settled. */
  #whenSettled: (() => void) | undefined;
  #busy = false;
  #outbox: string[] = [];

  constructor(
    private readonly socket: Socket,
    private readonly parts: ConnectionParts,
  ) {}

  /** A frame came. */
  receive(raw: string | Uint8Array): void {
    const cost = raw.length + FRAME_COST;
    if (this.#queuedBytes + cost > MAX_QUEUED_BYTES) {
      this.#refuse(
        new FrameError('overloaded', 'Too many frames at once; wait for replies.', idOf(raw)),
      );
      return;
    }
    this.#queuedBytes += cost;
    this.#queue.push(raw);
    this.#pump();
  }

  /** The socket is gone. What came before still takes effect. */
  closed(): void {
    this.#open = false;
    this.#queue.push({ closedAt: new Date() });
    this.#pump();
  }

  #pump(): void {
    while (!this.#busy && this.#unsettledCost < MAX_UNSETTLED_COST) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      const isClose = typeof next === 'object' && 'closedAt' in next;
      if (!isClose) this.#queuedBytes -= next.length + FRAME_COST;
      const effect = isClose ? this.#drop(next.closedAt) : this.#handle(next);
      if (effect) {
        this.#busy = true;
        void effect.finally(() => {
          this.#busy = false;
          this.#pump();
        });
      }
    }
  }

  /**
   * Messages follow each other without waiting; whatever else comes waits for those before it, so
   * that nobody is seen to leave before having spoken.
   *
   * @returns a promise when the next frame has to wait for this one; it never rejects
   */
  #handle(raw: string | Uint8Array): Promise<void> | undefined {
    let id: string | undefined;
    try {
      const frame = parseFrame(raw);
      id = frame.id;
      switch (frame.type) {
        case 'join':
          return this.#join(frame).catch((error) => this.#refuse(error, id));
        case 'message':
          return this.#message(frame);
        case 'leave':
          return this.#leave(frame).catch((error) => this.#refuse(error, id));
      }
    } catch (error) {
      this.#refuse(error, id);
    }
  }

  async #join(frame: FrameOf<'join'>): Promise<void> {
    await this.#settled();
    if (this.#state.joined) this.#checkSpeaker(this.#state.user, frame.username, 'conflict');
    const room = await this.parts.rooms.findOrCreate(frame.room);
    const user = this.#state.joined
      ? this.#state.user
      : (await this.parts.users.findOrCreate(frame.username)).user;
    const live = await this.parts.hub.open(room);
    // From here to the subscription nothing may wait, or a message could slip through between.
    if (!this.#state.joined) this.#state = { joined: true, user, rooms: new Map() };
    const again = this.#state.rooms.has(room.name);
    if (again) {
      this.parts.hub.release(live);
    } else {
      this.#state.rooms.set(room.name, live);
      this.parts.presence.enter(room.name, user);
    }
    this.#send(JSON.stringify(systemFrame(room.name, `Welcome ${user.username}!`)), ...live.recent);
    this.#flush();
    if (this.#open) this.socket.subscribe(live.topic);
  }

  #message(frame: FrameOf<'message'>): undefined {
    const { user, room } = this.#speaker(frame);
    const cost = frame.content.length + FRAME_COST;
    this.#unsettledCost += cost;
    this.parts.chat
      .post({ room, user, content: frame.content, clientId: frame.id })
      .then(({ message }) => {
        if (frame.id === undefined) return;
        this.#reply({
          type: 'ack',
          id: frame.id,
          room: message.room,
          messageId: message.id,
          seq: message.seq,
          timestamp: message.createdAt,
        });
      })
      .catch((error) => this.#refuse(error, frame.id))
      .finally(() => {
        this.#unsettledCost -= cost;
        if (this.#unsettledCost === 0) this.#whenSettled?.();
        this.#pump();
      });
  }

  async #leave(frame: FrameOf<'leave'>): Promise<void> {
    await this.#settled();
    if (!this.#state.joined || this.#state.rooms.size === 0) throw notJoined(frame.room);
    const { user, rooms } = this.#state;
    this.#checkSpeaker(user, frame.username, 'forbidden');
    const left =
      frame.room === undefined ? [...rooms.values()] : [this.#liveRoom(rooms, frame.room)];
    for (const live of left) {
      rooms.delete(live.name);
      if (this.#open) this.socket.unsubscribe(live.topic);
      this.parts.presence.leave(live.name, user);
      this.parts.hub.release(live);
    }
  }

  async #drop(at: Date): Promise<void> {
    await this.#settled();
    if (!this.#state.joined) return;
    for (const live of this.#state.rooms.values()) {
      this.parts.presence.drop(live.name, this.#state.user, at);
      this.parts.hub.release(live);
    }
    this.#state.rooms.clear();
  }

  async #settled(): Promise<void> {
    if (this.#unsettledCost === 0) return;
    await new Promise<void>((done) => {
      this.#whenSettled = done;
    });
  }

  /** Who speaks and where, or the reason why not. */
  #speaker(frame: { username?: string; room?: string }) {
    if (!this.#state.joined) throw notJoined(frame.room);
    const { user, rooms } = this.#state;
    this.#checkSpeaker(user, frame.username, 'forbidden');
    const [only] = rooms.size === 1 ? rooms.keys() : [];
    return { user, room: this.#liveRoom(rooms, frame.room ?? only ?? DEFAULT_ROOM).room };
  }

  #checkSpeaker(user: User, username: string | undefined, code: 'conflict' | 'forbidden'): void {
    if (username === undefined) return;
    if (parseUsername(username).key !== parseUsername(user.username).key) {
      throw new ChatError(
        code,
        `This connection joined as "${user.username}"; open another one for another user`,
      );
    }
  }

  #liveRoom(rooms: Map<string, LiveRoom>, raw: string): LiveRoom {
    const live = rooms.get(parseRoomName(raw));
    if (!live) throw notJoined(raw);
    return live;
  }

  #refuse(error: unknown, id?: string): void {
    const { code, message, retryAfter } = toChatError(error);
    if (code === 'internal') this.parts.log.error({ reason: rootMessage(error) }, 'a frame failed');
    const echoed = id ?? (error instanceof FrameError ? error.id : undefined);
    this.#reply({
      type: 'error',
      code,
      content: message,
      ...(echoed !== undefined && { id: echoed }),
      ...(retryAfter !== undefined && { retryAfter }),
    });
  }

  #reply(frame: ServerFrame): void {
    this.#send(JSON.stringify(frame));
  }

  /** Replies of one turn of the event loop, such as the acks of one batch, leave in one write. */
  #send(...frames: string[]): void {
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush());
    this.#outbox.push(...frames);
  }

  #flush(): void {
    if (this.#outbox.length === 0) return;
    const frames = this.#outbox;
    this.#outbox = [];
    if (this.#open) this.socket.send(frames);
  }
}

function notJoined(room?: string): ChatError {
  const where = room === undefined ? 'a room' : 'this room';
  return new ChatError('not_joined', `Join ${where} first: {"type":"join","username":"ana"}`);
}

function idOf(raw: string | Uint8Array): string | undefined {
  try {
    return parseFrame(raw).id;
  } catch (error) {
    return error instanceof FrameError ? error.id : undefined;
  }
}
