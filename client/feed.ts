import type { Api } from './api.ts';
import type { Connection } from './connection.ts';
import { Emitter } from './emitter.ts';
import { ChatError } from './error.ts';
import { background, load } from './lazy.ts';
import { type ChatMessage, Messages, type MessagesHost } from './messages.ts';
import { PASSING } from './outbox.ts';
import type { Platform } from './platform.ts';
import type { ClientFrame, ServerFrame, ServerFrameOf, StoredMessage } from './protocol.ts';
import { quiet } from './quiet.ts';
import type { Refuse } from './requests.ts';
import type { RoomEvents, RoomOptions, RoomStatus } from './room-types.ts';

/** The position in a room from which a join resumes. */
export interface Where {
  room: string;
  since: number | '$' | undefined;
  epoch: string | undefined;
}

/** The client of a room. */
export interface RoomHost extends MessagesHost {
  readonly platform: Platform;
  readonly connection: Connection;
  readonly api: Promise<Api>;
  readonly keep: number;
  /** Sends a frame, and calls back in the same turn of the event loop in which the answer comes. */
  ask(frame: ClientFrame, reply: (frame: never) => void, refuse: Refuse): void;
  joinFrame(where: Where): ClientFrame;
  readonly joinQueue: { add(room: Feed): void };
  left(room: Feed): void;
  emit(name: 'message', message: ChatMessage): void;
  report(error: unknown): void;
}

/** Receives the changes of a room, each once and in order, and resumes where some are missing. */
export class Feed extends Emitter<RoomEvents> {
  /** The name of the room; `''` for a direct room without a message. */
  name: string;
  /** In a direct room, the name of the other user. */
  readonly to: string | undefined;
  status: RoomStatus = { state: 'joining' };
  /** The users in the room, 100 names at most. Like all lists here, the same array until it changes. */
  users: readonly string[] = [];
  /** The number of users in the room. */
  userCount = 0;
  /** The names of the users who are typing. */
  typists: readonly string[] = [];
  /** The `seq` up to which the user has read. */
  lastRead = 0;
  /** In a direct room, the `seq` up to which the other user has read. */
  partnerRead = 0;
  /** The number of others' messages after `lastRead`; 100 means 100 or more. */
  unread = 0;
  /** @internal */
  readonly list: Messages;
  /** @internal Changes of earlier messages that came while those were being loaded. */
  strays: StoredMessage[] | undefined;
  /** The `rev` of the newest change. */
  #rev = 0;
  #epoch: string | undefined;
  #isJoining = false;
  /** The messages from before the first join have been loaded: later ones are new. */
  #isCaughtUp = false;

  /** @internal @param key the name of the room, or `@` and the name of the other user */
  constructor(
    readonly key: string,
    /** @internal */
    readonly host: RoomHost,
    private readonly options: RoomOptions = {},
  ) {
    super(host.report);
    this.to = key[0] === '@' ? key.slice(1) : undefined;
    this.name = this.to ? '' : key;
    this.list = new Messages(host, key, host.keep);
  }

  /** @internal */
  get isLive(): boolean {
    return this.status.state === 'live';
  }

  /**
   * @internal Joins the room, or resumes.
   * @param done is called after the answer, with the seconds after which to join again, or 0
   */
  join(done: (wait?: number) => void): void {
    if (this.#isJoining || this.status.state === 'left') return void done();
    this.#isJoining = true;
    const { host, name } = this;
    const epoch = this.#epoch;
    const since = epoch ? this.#rev : this.options.since;
    const reply = (page: ServerFrameOf<'joined'>) => {
      this.#isJoining = false;
      this.#take(page);
      if (!page.complete) return void this.join(done);
      done();
      this.setStatus({ state: 'live' });
      host.outbox.resumed(this.key);
      // Then a message can be changed without a connection, too.
      quiet(load.changes());
    };
    const refuse: Refuse = (error) => {
      this.#isJoining = false;
      const isPassing = error && [...PASSING, 'internal'].includes(error.code);
      const wait = isPassing ? error.retryAfter || 1 : 0;
      done(wait);
      if (!error || wait) return;
      this.setStatus({ state: 'failed', error });
      this.emit('error', error);
    };
    host.ask(host.joinFrame({ room: name, since, epoch }), reply, refuse);
  }

  /** @internal Joins again, from the newest change. */
  resume(): void {
    if (!this.isLive) return;
    this.setStatus({ state: 'joining' });
    this.host.joinQueue.add(this);
  }

  /** @internal Gives a direct room its name. */
  named(name: string): void {
    if (this.name) return;
    this.name = name;
    this.host.joinQueue.add(this);
  }

  /** @internal */
  setStatus(status: RoomStatus): void {
    this.status = status;
    this.typists = [];
    this.changed();
  }

  /** @internal The messages, or the unsent ones among them, have changed. */
  touched(): void {
    this.host.outbox.reached(this.key, this.#rev);
    this.list.changed();
    this.changed();
  }

  /** @internal */
  receive(frame: ServerFrame): void {
    if (frame.type === 'message' || frame.type === 'update') this.#change(frame);
    else if (frame.type === 'changes') for (const change of frame.changes) this.#change(change);
    else if (frame.type !== 'joined') background(({ shown }) => shown(this, frame));
    // Another tab has joined on the shared connection, and this one missed changes.
    else if (frame.complete && frame.rev > this.#rev) this.resume();
  }

  /** Handles a live change. During a join it is ignored: the answer has it. */
  #change(message: StoredMessage): void {
    if (!this.isLive) return;
    const { rev } = message;
    if (this.host.connection.link?.isGapless && rev !== this.#rev + 1) {
      if (rev > this.#rev) this.resume();
      else this.host.report(new ChatError('protocol', `${rev} came after ${this.#rev}`));
      return;
    }
    this.#rev = Math.max(this.#rev, rev);
    this.#show(message);
  }

  #take({ messages, rev, epoch, reset, complete, ...page }: ServerFrameOf<'joined'>): void {
    const isNew = !this.#epoch || reset;
    if (isNew) {
      this.#isCaughtUp = false;
      const { since } = this.options;
      const first = Math.min(...messages.map(({ seq }) => seq), rev + 1);
      this.list.clear(typeof since === 'number' && !reset ? since + 1 : first);
      if (reset) this.emit('reset', undefined);
    }
    this.#rev = rev;
    this.#epoch = epoch;
    for (const message of messages) this.#show(message);
    this.#isCaughtUp ||= complete;
    background(({ entered }) => entered(this, page, isNew));
    this.touched();
  }

  #show(message: StoredMessage): void {
    const { host, list } = this;
    const before = list.take(message);
    const isOld = before === message;
    host.outbox.seen(message);
    this.touched();
    if (isOld) this.strays?.push(message);
    if (!this.#isCaughtUp || (before && !isOld && before.rev >= message.rev)) return;
    const view = list.view(message);
    background(({ heard }) => heard(this, view, before));
    this.emit(before ? 'update' : 'message', view);
    if (!before) host.emit('message', view);
  }
}
