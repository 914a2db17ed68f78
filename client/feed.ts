import type { Api } from './api.ts';
import type { Connection } from './connection.ts';
import { Emitter } from './emitter.ts';
import { ChatError } from './error.ts';
import { ambient, load } from './lazy.ts';
import { type ChatMessage, Messages, type MessagesHost } from './messages.ts';
import { PASSING } from './outbox.ts';
import type { Platform } from './platform.ts';
import type { ClientFrame, ServerFrame, ServerFrameOf, StoredMessage } from './protocol.ts';
import type { Refuse } from './questions.ts';
import { quiet } from './quiet.ts';
import type { RoomEvents, RoomOptions, RoomStatus } from './room-types.ts';

/** Where to go on in a room. */
export interface Where {
  room: string;
  since: number | '$' | undefined;
  epoch: string | undefined;
}

/** The client that a room is of. */
export interface RoomHost extends MessagesHost {
  readonly platform: Platform;
  readonly connection: Connection;
  readonly api: Promise<Api>;
  readonly keep: number;
  /** Asks, and calls back within the turn in which the answer comes. */
  ask(frame: ClientFrame, reply: (frame: never) => void, refuse: Refuse): void;
  joinFrame(where: Where): ClientFrame;
  readonly entrance: { add(room: Feed): void };
  left(room: Feed): void;
  emit(name: 'message', message: ChatMessage): void;
  report(error: unknown): void;
}

/** The changes of a room, each once and in order: where the user is in them, and how it goes on. */
export class Feed extends Emitter<RoomEvents> {
  /** `''` for a direct room that nobody has spoken in. */
  name: string;
  /** The name of the other one, in a direct room. */
  readonly to: string | undefined;
  status: RoomStatus = { state: 'joining' };
  /** Who is there: 100 names at most. Like all lists here, a new array only when it changed. */
  users: readonly string[] = [];
  /** How many are there. */
  userCount = 0;
  /** Who is typing. */
  typists: readonly string[] = [];
  /** The `seq` up to which the user has read. */
  lastRead = 0;
  /** The `seq` up to which the other one of a direct room has read. */
  partnerRead = 0;
  /** The others' messages behind `lastRead`, counted to 100. */
  unread = 0;
  /** @internal */
  readonly list: Messages;
  /** @internal Changes that came while older messages were being loaded. */
  strays: StoredMessage[] | undefined;
  /** The number of the last change that was seen. */
  #rev = 0;
  #epoch: string | undefined;
  #isJoining = false;
  /** All that was there when the user entered has come: what comes now is news. */
  #isCaughtUp = false;

  /** @internal @param key the name, or `@` and that of the other one */
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
   * @internal Enters the room, or goes on from where it was.
   * @param done is called when it has its answer, with the seconds after which it is to be asked again, or 0
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
      // So that a message can be changed when the connection is lost again.
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

  /** @internal Asks what is new. */
  resume(): void {
    if (!this.isLive) return;
    this.setStatus({ state: 'joining' });
    this.host.entrance.add(this);
  }

  /** @internal A direct room has its name. */
  named(name: string): void {
    if (this.name) return;
    this.name = name;
    this.host.entrance.add(this);
  }

  /** @internal */
  setStatus(status: RoomStatus): void {
    this.status = status;
    this.typists = [];
    this.changed();
  }

  /** @internal What is on its way has changed, or was seen. */
  touched(): void {
    this.host.outbox.reached(this.key, this.#rev);
    this.list.changed();
    this.changed();
  }

  /** @internal */
  receive(frame: ServerFrame): void {
    if (frame.type === 'message' || frame.type === 'update') this.#change(frame);
    else if (frame.type === 'changes') for (const change of frame.changes) this.#change(change);
    else if (frame.type !== 'joined') ambient(({ shown }) => shown(this, frame));
    // Another tab has entered the room on the same connection, and this one missed something.
    else if (frame.complete && frame.rev > this.#rev) this.resume();
  }

  /** A change came live. What comes while the room is being entered is in the answer. */
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
    ambient(({ entered }) => entered(this, page, isNew));
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
    ambient(({ heard }) => heard(this, view, before));
    this.emit(before ? 'update' : 'message', view);
    if (!before) host.emit('message', view);
  }
}
