import { ChatError, type Disconnect } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Position as ReadPosition } from '../services/read-positions.ts';
import type { Person } from '../types/identity.ts';
import type { Place } from '../types/room.ts';
import { isSameName, parseRoomName } from '../types/text.ts';
import { type ClientFrame, DEFAULT_ROOM, type ServerFrame } from '../types/websocket.ts';
import { Admission, type AdmissionParts, type Caller } from './admission.ts';
import type { Attendance } from './attendance.ts';
import { Conversation, type ConversationParts, type FrameOf } from './conversation.ts';
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
import type { LiveRoom } from './live-room.ts';
import type { Notifier } from './notifier.ts';
import type { Presence } from './presence.ts';
import type { Page } from './room-log.ts';
import { Stay } from './stay.ts';
import { topics } from './topics.ts';

export interface SessionParts extends AdmissionParts, ConversationParts {
  hub: Hub;
  notifier: Notifier;
  attendance: Attendance;
  presence: Presence;
  log: Logger;
}

/** A room that is being joined, and what the client is told of it. */
interface Arrival {
  live: LiveRoom;
  place: Place;
  page: Page;
  position: ReadPosition;
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

  /** @returns a promise when it must be found out first where this message goes; it may reject */
  prepare(frame: FrameOf<'message'>): Promise<void> | undefined {
    return this.#state.joined ? this.#state.conversation.prepare(frame) : undefined;
  }

  /** @returns when the message is committed and its ack is on its way */
  async message(frame: FrameOf<'message'>): Promise<void> {
    return this.#checkJoined(frame).conversation.message(frame);
  }

  ping(frame: FrameOf<'ping'>): void {
    this.#checkFull(frame).conversation.ping(frame);
  }

  /** The frames that take effect one after the other. */
  async handle(frame: Exclude<ClientFrame, FrameOf<'message' | 'ping'>>): Promise<void> {
    switch (frame.type) {
      case 'join':
        return this.#join(frame);
      case 'leave':
        return this.#leave(frame);
      case 'auth':
        return this.#auth(frame);
      case 'history':
        return this.#checkFull(frame).conversation.history(frame);
      case 'typing':
        return this.#checkFull(frame).conversation.typing(frame);
      case 'event':
        return this.#checkFull(frame).conversation.event(frame);
      case 'read':
        return this.#checkFull(frame).conversation.read(frame);
      case 'edit':
      case 'delete':
      case 'react':
        return this.#checkFull(frame).conversation.change(frame);
    }
  }

  /** The connection was lost at `at`. */
  drop(at: Date): void {
    this.#admission.close();
    if (!this.#state.joined) return;
    this.#state.stopListening();
    for (const stay of [...this.#state.rooms.values()]) {
      this.#exit(this.#state, stay);
      this.parts.attendance.drop(stay.live.name, this.#state.user, at);
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
      if (room.direct && protocol === 0) {
        throw new ChatError('invalid_frame', 'A direct room needs "protocol": 1');
      }
      const live = await hub.open(room, changes);
      if (!live) continue;
      const arrival = await this.#look(frame, user, live).catch((error) => {
        hub.release(live);
        throw error;
      });
      if (changes === hub.changes) {
        const page = live.log.page(frame, arrival.fetched);
        this.#state = this.#state.joined ? this.#state : this.#begin(user, protocol);
        this.#arrive(this.#state, frame, { ...arrival, live, place, page });
        return;
      }
      hub.release(live);
    }
  }

  /** What a join needs of the database; the messages last, since a busy room soon moves on from them. */
  async #look(frame: FrameOf<'join'>, user: Person, live: LiveRoom) {
    const position = await this.parts.positions.enter(user, live.room);
    return { position, fetched: await live.log.fetch(frame) };
  }

  /**
   * The synchronous step in which a client is shown what there is, and subscribes to what follows; if
   * it could wait, a change could slip through between.
   */
  #arrive(state: Joined, frame: { id?: string }, arrival: Arrival): void {
    const { live, page, place } = arrival;
    if (page.complete) this.#settle(state, live, place);
    else this.#stayOut(state, live);
    if (state.protocol === 0) this.#welcome(state.user, live, page);
    else this.line.send(this.#joined(frame, state.user, arrival));
    this.line.flush();
    const topic = topicOf(state, live);
    if (page.complete && topic) this.line.subscribe(topic);
  }

  async #enter({ username, token }: FrameOf<'join'>): Promise<Person> {
    if (!this.#state.joined) return this.#admission.enter(username, token);
    if (token !== undefined) await this.#admission.renew(token, this.#state.rooms.keys());
    return this.#state.user;
  }

  #begin(user: Person, protocol: 0 | 1): Joined {
    const send = (frame: string) => this.line.send(frame);
    const visitor = () => ({ ...this.#admission.visitor(user), user });
    const speaker = { user, protocol, rooms: new Map(), visitor };
    const conversation = new Conversation(this.parts, speaker, send);
    let stopListening = () => {};
    if (protocol === 1) {
      this.line.subscribe(topics.user(user.id));
      stopListening = this.parts.notifier.open(user, send);
      this.#admission.warnBy((seconds) => this.#reply({ type: 'expiring', seconds }));
    }
    return { joined: true, ...speaker, conversation, stopListening };
  }

  #settle(state: Joined, live: LiveRoom, place: Place): void {
    const { rooms, user } = state;
    if (rooms.has(live.name)) {
      this.parts.hub.release(live);
      return;
    }
    const topic = topicOf(state, live);
    const line = topic && {
      pause: () => this.line.unsubscribe(topic),
      resume: () => this.line.subscribe(topic),
    };
    const putOut = (reason: ChatError) => this.#putOut(state, stay, reason);
    const stay = new Stay(live, place, state.visitor, putOut, line || undefined);
    rooms.set(live.name, stay);
    this.parts.attendance.enter(live.name, user);
  }

  /** A page that is not the last one: the client is not in the room, or no longer. */
  #stayOut(state: Joined, live: LiveRoom): void {
    this.parts.hub.release(live);
    const stay = state.rooms.get(live.name);
    if (!stay) return;
    this.#exit(state, stay);
    this.parts.attendance.drop(live.name, state.user, new Date());
  }

  /** The client may no longer be in a room. */
  #putOut(state: Joined, stay: Stay, { code, message }: ChatError): void {
    this.#exit(state, stay);
    this.#reply({ type: 'error', code, content: message });
    this.parts.attendance.leave(stay.live.name, state.user);
  }

  #welcome({ username }: Person, { name }: LiveRoom, { changes }: Page): void {
    const recent = changes.map(({ message }) => basicMessage(message));
    this.line.send(systemFrame(name, `Welcome ${username}!`), ...recent);
  }

  #joined(frame: { id?: string }, { username }: Person, arrival: Arrival): string {
    const { live, page, position } = arrival;
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
        ...position,
        users: presence.some(live.name, MAX_LISTED_USERS),
        userCount: presence.count(live.name),
      },
      page.changes,
    );
  }

  #leave(frame: FrameOf<'leave'>): void {
    const state = this.#checkJoined(frame);
    const left =
      frame.room === undefined ? [...state.rooms.values()] : [stayIn(state.rooms, frame.room)];
    if (left.length === 0) throw notJoined();
    for (const stay of left) {
      const room = stay.live.name;
      this.#exit(state, stay);
      this.parts.attendance.leave(room, state.user);
      if (state.protocol === 1) this.#reply({ type: 'left', ...withId(frame), room });
    }
  }

  async #auth(frame: FrameOf<'auth'>): Promise<void> {
    const state = this.#checkFull(frame);
    await this.#admission.renew(frame.token, state.rooms.keys());
    // Its role may be another one.
    for (const stay of [...state.rooms.values()]) stay.check();
    this.#acknowledge(frame);
  }

  #exit(state: Joined, stay: Stay): void {
    stay.end();
    state.rooms.delete(stay.live.name);
    const topic = topicOf(state, stay.live);
    if (topic) this.line.unsubscribe(topic);
    this.parts.hub.release(stay.live);
  }

  /** For frames that protocol 0 does not have. */
  #checkFull(frame: Exclude<ClientFrame, FrameOf<'join' | 'message' | 'leave'>>): Joined {
    const state = this.#checkJoined('room' in frame ? { room: frame.room } : {});
    checkFull(state, frame.type);
    return state;
  }

  #checkJoined({ username, room }: { username?: string; room?: string | undefined }): Joined {
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
