import { ChatError, type Disconnect } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { RoomService } from '../services/room.service.ts';
import type { Person } from '../types/identity.ts';
import type { Place } from '../types/room.ts';
import { isSameName, parseRoomName } from '../types/text.ts';
import { type ClientFrame, DEFAULT_ROOM, type ServerFrame } from '../types/websocket.ts';
import { Admission, type AdmissionParts, type Caller } from './admission.ts';
import { basicMessage, encode, systemFrame, withId, withMessages } from './frames.ts';
import type { Hub } from './hub.ts';
import {
  checkFull,
  checkSameAs,
  type Joined,
  notJoined,
  notYou,
  type State,
  stayIn,
  topicOf,
} from './joined.ts';
import type { LiveRoom, Page } from './live-room.ts';
import type { Presence } from './presence.ts';
import { Stay } from './stay.ts';

export interface SessionParts extends AdmissionParts {
  chat: ChatService;
  rooms: RoomService;
  hub: Hub;
  presence: Presence;
  log: Logger;
}

/** The way to the client. */
export interface Line {
  /** Sends frames, in order with all others; they may wait for the end of the turn, or for `flush`. */
  send(...frames: string[]): void;
  flush(): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /** Sends what waits, and closes. */
  end(reason: Disconnect): void;
}

type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

const MAX_LISTED_USERS = 100;
/** Rooms that one connection may be in. */
const MAX_ROOMS = 1000;

/** Who a client is, the rooms it is in, and what its frames do. Every method throws `ChatError`s. */
export class Session {
  #state: State = { joined: false };
  readonly #admission: Admission;

  constructor(
    private readonly parts: SessionParts,
    private readonly line: Line,
    caller: Caller,
  ) {
    this.#admission = new Admission(parts, caller, (reason) => line.end(reason));
  }

  /** To be called before any frame is taken up, and to be waited for; it never rejects. */
  open(): Promise<void> {
    return this.#admission.open();
  }

  /** Its frames are not counted. */
  get isTrusted(): boolean {
    return this.#admission.isTrusted;
  }

  /** The protocol that the client speaks, once it has joined. */
  get protocol(): 0 | 1 | undefined {
    return this.#state.joined ? this.#state.protocol : undefined;
  }

  /** @returns when the message is committed and its ack is on its way */
  message(frame: FrameOf<'message'>): Promise<void> {
    const { user, protocol, stay } = this.#speaker(frame);
    if (protocol === 0 && frame.data !== undefined) {
      throw new ChatError('invalid_frame', '"data" needs "protocol": 1');
    }
    stay.checkMaySpeak();
    const { content, data, id } = frame;
    const visitor = this.#admission.visitor(user);
    return this.parts.chat
      .post({ room: stay.live.room, user, content, clientId: id, data }, visitor)
      .then(({ message: { room, id: messageId, seq, createdAt: timestamp } }) => {
        if (id !== undefined) this.#reply({ type: 'ack', id, room, messageId, seq, timestamp });
      });
  }

  ping(frame: FrameOf<'ping'>): void {
    checkFull(this.#checkJoined({}), 'ping');
    const sentAt = frame.sentAt === undefined ? {} : { sentAt: frame.sentAt };
    this.#reply({ type: 'pong', ...withId(frame), ...sentAt, timestamp: new Date().toISOString() });
  }

  /** The frames that take effect one after the other. */
  async handle(frame: Exclude<ClientFrame, FrameOf<'message' | 'ping'>>): Promise<void> {
    switch (frame.type) {
      case 'join':
        return this.#join(frame);
      case 'leave':
        return this.#leave(frame);
      case 'history':
        return this.#history(frame);
      case 'typing':
        return this.#typing(frame);
      case 'event':
        return this.#event(frame);
      case 'auth':
        return this.#auth(frame);
    }
  }

  /** The connection was lost at `at`. */
  drop(at: Date): void {
    this.#admission.close();
    if (!this.#state.joined) return;
    for (const stay of [...this.#state.rooms.values()]) {
      this.#exit(this.#state, stay);
      this.parts.presence.drop(stay.live.name, this.#state.user, at);
    }
  }

  async #join(frame: FrameOf<'join'>): Promise<void> {
    const protocol = frame.protocol ?? this.protocol ?? 0;
    if (this.#state.joined) checkSameAs(this.#state, frame.username, protocol);
    if (protocol === 0 && (frame.since !== undefined || frame.epoch !== undefined)) {
      throw new ChatError('invalid_frame', '"since" and "epoch" need "protocol": 1');
    }
    const { rooms, hub } = this.parts;
    const name = parseRoomName(frame.room ?? DEFAULT_ROOM);
    const user = await this.#enter(frame);
    if (this.#state.joined && this.#state.rooms.size >= MAX_ROOMS && !this.#state.rooms.has(name)) {
      const most = `A connection may be in ${MAX_ROOMS} rooms`;
      throw new ChatError('overloaded', `${most}; leave one, or open another connection.`);
    }
    for (;;) {
      const { changes } = hub;
      const visitor = this.#admission.visitor(user);
      const { room, place } = await rooms.enter(visitor, name, hub.find(name));
      const live = await hub.open(room, changes);
      if (!live) continue;
      const fetched = await live.fetch(frame).catch((error) => {
        hub.release(live);
        throw error;
      });
      if (changes === hub.changes) {
        const page = live.page(frame, fetched);
        this.#state = this.#state.joined ? this.#state : this.#begin(user, protocol);
        this.#arrive(this.#state, frame, live, place, page);
        return;
      }
      hub.release(live);
    }
  }

  /**
   * The synchronous step in which a client is shown what there is, and subscribes to what follows; if
   * it could wait, a change could slip through between.
   */
  #arrive(state: Joined, frame: { id?: string }, live: LiveRoom, place: Place, page: Page): void {
    if (page.complete) this.#settle(state, live, place);
    else this.#stayOut(state, live);
    if (state.protocol === 0) this.#welcome(state.user, live, page);
    else this.line.send(this.#joined(frame, state.user, live, page));
    this.line.flush();
    if (page.complete) this.line.subscribe(topicOf(state, live));
  }

  async #enter({ username, token }: FrameOf<'join'>): Promise<Person> {
    if (!this.#state.joined) return this.#admission.enter(username, token);
    if (token !== undefined) await this.#admission.renew(token, this.#state.rooms.keys());
    return this.#state.user;
  }

  #begin(user: Person, protocol: 0 | 1): Joined {
    if (protocol === 1) {
      this.#admission.warnBy((seconds) => this.#reply({ type: 'expiring', seconds }));
    }
    return { joined: true, user, protocol, rooms: new Map() };
  }

  #settle(state: Joined, live: LiveRoom, place: Place): void {
    const { rooms, user } = state;
    if (rooms.has(live.name)) {
      this.parts.hub.release(live);
      return;
    }
    const visitor = () => this.#admission.visitor(user);
    const topic = topicOf(state, live);
    const line = {
      pause: () => this.line.unsubscribe(topic),
      resume: () => this.line.subscribe(topic),
    };
    const stay = new Stay(
      live,
      place,
      visitor,
      (reason) => this.#putOut(state, stay, reason),
      line,
    );
    rooms.set(live.name, stay);
    this.parts.presence.enter(live.name, user);
  }

  /** A page that is not the last one: the client is not in the room, or no longer. */
  #stayOut(state: Joined, live: LiveRoom): void {
    this.parts.hub.release(live);
    const stay = state.rooms.get(live.name);
    if (!stay) return;
    this.#exit(state, stay);
    this.parts.presence.drop(live.name, state.user, new Date());
  }

  /** The client may no longer be in a room. */
  #putOut(state: Joined, stay: Stay, { code, message }: ChatError): void {
    this.#exit(state, stay);
    this.#reply({ type: 'error', code, content: message });
    this.parts.presence.leave(stay.live.name, state.user);
  }

  #welcome({ username }: Person, { name }: LiveRoom, { changes }: Page): void {
    const recent = changes.map(({ message }) => basicMessage(message));
    this.line.send(systemFrame(name, `Welcome ${username}!`), ...recent);
  }

  #joined(frame: { id?: string }, { username }: Person, live: LiveRoom, page: Page): string {
    const { presence } = this.parts;
    return withMessages(
      {
        type: 'joined',
        ...withId(frame),
        room: live.name,
        username,
        rev: page.rev,
        epoch: live.epoch,
        complete: page.complete,
        reset: page.reset,
        users: presence.some(live.name, MAX_LISTED_USERS),
        userCount: presence.count(live.name),
      },
      page.changes,
    );
  }

  #leave(frame: FrameOf<'leave'>): void {
    const state = this.#checkJoined(frame);
    const left = frame.room === undefined ? [...state.rooms.values()] : [stayIn(state, frame.room)];
    if (left.length === 0) throw notJoined();
    for (const stay of left) {
      const room = stay.live.name;
      this.#exit(state, stay);
      this.parts.presence.leave(room, state.user);
      if (state.protocol === 1) this.#reply({ type: 'left', ...withId(frame), room });
    }
  }

  async #history(frame: FrameOf<'history'>): Promise<void> {
    const { live } = this.#speaker(frame).stay;
    const { texts, more } = await live.history(frame);
    const reply = { type: 'history', ...withId(frame), room: live.name, more } as const;
    this.line.send(withMessages(reply, texts));
  }

  #typing(frame: FrameOf<'typing'>): void {
    const { user, stay } = this.#speaker(frame);
    stay.checkMaySpeak();
    this.parts.chat.typing(stay.live.room, user);
    this.#acknowledge(frame);
  }

  #event(frame: FrameOf<'event'>): void {
    const { user, stay } = this.#speaker(frame);
    stay.checkMaySpeak();
    this.parts.chat.event(stay.live.room, frame, this.#admission.visitor(user));
    this.#acknowledge(frame);
  }

  async #auth(frame: FrameOf<'auth'>): Promise<void> {
    const state = this.#checkJoined({});
    checkFull(state, 'auth');
    await this.#admission.renew(frame.token, state.rooms.keys());
    // Its role may be another one.
    for (const stay of [...state.rooms.values()]) stay.check();
    this.#acknowledge(frame);
  }

  #exit(state: Joined, stay: Stay): void {
    stay.end();
    state.rooms.delete(stay.live.name);
    this.line.unsubscribe(topicOf(state, stay.live));
    this.parts.hub.release(stay.live);
  }

  /** Who speaks and where, or the reason why not. */
  #speaker(frame: FrameOf<'message' | 'history' | 'typing' | 'event'>) {
    const state = this.#checkJoined(frame);
    if (frame.type !== 'message') checkFull(state, frame.type);
    const [only] = state.rooms.size === 1 ? state.rooms.keys() : [];
    return { ...state, stay: stayIn(state, frame.room ?? only ?? DEFAULT_ROOM) };
  }

  #checkJoined({ username, room }: { username?: string; room?: string }): Joined {
    if (!this.#state.joined) throw notJoined(room);
    if (username !== undefined && !isSameName(username, this.#state.user.username)) {
      throw new ChatError('forbidden', notYou(this.#state.user));
    }
    return this.#state;
  }

  #acknowledge({ id }: { id?: string }): void {
    if (id !== undefined) this.#reply({ type: 'ack', id });
  }

  #reply(frame: ServerFrame): void {
    this.line.send(encode(frame));
  }
}
