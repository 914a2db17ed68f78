import type { Api, ApiParts } from './api.ts';
import { Connection, type ConnectionHost, type Status } from './connection.ts';
import { Emitter } from './emitter.ts';
import { ChatError } from './error.ts';
import type { Feed, RoomHost, Where } from './feed.ts';
import { JoinQueue } from './join-queue.ts';
import { background, load, openLink } from './lazy.ts';
import type { OpenLink } from './link.ts';
import type { ChatMessage } from './messages.ts';
import { Notifications } from './notifications.ts';
import type { ChatOptions } from './options.ts';
import { type Item, Outbox, type OutboxHost } from './outbox.ts';
import { type Platform, platform as realPlatform } from './platform.ts';
import type { ClientFrame, Notification, ServerFrame } from './protocol.ts';
import { PendingRequests, type Refuse } from './requests.ts';
import { Room } from './room.ts';
import type { RoomOptions } from './room-types.ts';
import { Token } from './token.ts';

/** The events of a client. Example: `chat.on('status', ({ state }) => …)`. */
export interface ChatEvents {
  /** The connection has another status. */
  status: Status;
  /** A new message in a room that is open here, of this user or of another one: once for each. */
  message: ChatMessage;
  /** A mention, a direct message or a notice of a back end. */
  notification: Notification;
  /** A fault that the library has handled. Without a listener it is logged to the console. */
  error: ChatError;
  /** `status` or `rooms` has changed. */
  change: undefined;
}

/** How long new messages wait for those that an earlier session left unsent, in seconds. */
const RESTORE_SECONDS = 10;

/** A client of a chat server: one user, with one connection for all rooms. */
export class ChatClient
  extends Emitter<ChatEvents>
  implements ConnectionHost, OutboxHost, RoomHost
{
  /** The user's notifications. */
  readonly notifications: Notifications;
  /** The rooms that are open here. The same array until a room is opened or left. */
  rooms: readonly Room[] = [];
  /** The user's name; after the first join, as the server spells it. */
  username: string;
  /** @internal */
  readonly platform: Platform;
  /** @internal */
  readonly connection: Connection;
  /** @internal */
  readonly outbox: Outbox;
  /** @internal */
  readonly keep: number;
  /** @internal */
  readonly token: Token;
  readonly #options: ChatOptions;
  readonly #parts: ApiParts;
  /** @internal */
  readonly requests = new PendingRequests();
  /** @internal */
  readonly joinQueue: JoinQueue;
  /** By key: the name of the room, or `@` and the name of the other user. */
  readonly #rooms = new Map<string, Room>();
  /** @internal The server has answered a join on this connection. */
  isJoined = false;
  /** A join was sent on this connection. */
  #isIntroduced = false;
  #isReporting = false;

  /**
   * Connects at once, and again whenever the connection is lost.
   *
   * @param url the address of the server: `https://chat.example`, or `/` in a page that it serves
   * @throws {TypeError} when `url` is no URL
   */
  constructor(url: string, options: ChatOptions = {}) {
    super((error) => this.report(error));
    const { href } = new URL(url, globalThis.location?.href);
    const base = href.replace(/^ws/, 'http').replace(/(\/ws)?\/*$/, '');
    this.#options = options;
    this.platform = options.platform ?? realPlatform;
    this.keep = options.keep ?? 1000;
    this.username = options.username ?? '';
    this.token = new Token(options.token);
    this.#parts = { base, token: () => this.token.value, username: () => this.username };
    this.notifications = new Notifications(this, this.report);
    this.connection = new Connection(this, this.platform, this.token, options.backoff);
    this.outbox = new Outbox(this, options.burst ?? 20);
    this.joinQueue = new JoinQueue(this.platform, this.connection);
    this.connection.open();
  }

  /** The status of the connection. The same object until it changes. */
  get status(): Status {
    return this.connection.status;
  }

  /** The REST calls, loaded on first use: `(await chat.api).signIn(…)`. */
  get api(): Promise<Api> {
    return load.api().then(({ Api }) => new Api(this.#parts));
  }

  /** Enters a room. @returns the same object for the same name, until the room is left */
  room(name: string, options?: RoomOptions): Room {
    return this.#open(name.toLowerCase(), options);
  }

  /** Opens the conversation with another user. @returns the same object for the same name, until it is left */
  direct(username: string): Room {
    return this.#open(`@${username.toLowerCase()}`);
  }

  /** Connects now: before the next attempt is due, or after the client was closed. */
  connect(): void {
    this.connection.open();
  }

  /** Closes the connection. Unsent messages stay, and are sent after {@link connect}. */
  close(): void {
    this.connection.close('closed');
  }

  /** @internal Notifications come only to users who have entered a room. */
  override listened(name: keyof ChatEvents): void {
    if (name === 'notification') this.#begin();
  }

  /** @internal */
  openLink(failures: number): OpenLink | Promise<OpenLink> {
    return openLink({ ...this.#parts, platform: this.platform }, this.#options, failures);
  }

  /** @internal */
  opened(): void {
    this.#isIntroduced = false;
    this.joinQueue.add(...this.rooms);
    this.#begin();
  }

  /** @internal */
  lost(): void {
    this.isJoined = false;
    this.joinQueue.lost();
    for (const room of this.rooms) room.resume();
    this.requests.lost();
  }

  /** @internal */
  statusChanged(): void {
    const { status } = this;
    if (status.state === 'closed') {
      const error = new ChatError('closed', status.reason);
      this.outbox.close(status.reason);
      for (const room of this.rooms) room.setStatus({ state: 'failed', error });
    }
    this.emit('status', status);
    this.changed();
  }

  /** @internal */
  failed(code: 'protocol' | 'store', error: unknown): void {
    this.report(new ChatError(code, `${error}`));
  }

  /** @internal */
  ask(
    frame: ClientFrame,
    reply: (frame: never) => void,
    refuse: Refuse,
    id: string = crypto.randomUUID(),
  ): void {
    this.requests.add(id, { askedAt: this.platform.now(), reply, refuse });
    this.connection.send({ ...frame, id });
  }

  /** @internal */
  roomOf({ room }: Item): Room | undefined {
    return this.#rooms.get(room);
  }

  /** @internal */
  joinFrame(where: Where): ClientFrame {
    // JSON leaves out what is undefined.
    const username = this.username || undefined;
    const token = this.#isIntroduced ? undefined : this.token.value;
    this.#isIntroduced = true;
    return { type: 'join', protocol: 1, batch: true, username, token, ...where } as ClientFrame;
  }

  /** @internal */
  left({ key }: Feed): void {
    this.#rooms.delete(key);
    this.#roomsChanged();
  }

  /** @internal */
  readonly report = (error: unknown): void => {
    const known = error instanceof ChatError ? error : new ChatError('listener', `${error}`);
    if (this.#isReporting || !this.has('error')) return void console.error(known);
    this.#isReporting = true;
    this.emit('error', known);
    this.#isReporting = false;
  };

  /** @internal */
  received(frame: ServerFrame): void {
    if (frame.type === 'joined') this.#joined(frame);
    if (frame.type === 'error' && frame.code === 'unauthorized') {
      return void this.connection.refused(frame.content);
    }
    if (this.requests.answer(frame)) return;
    const room = this.rooms.find(({ name }) => 'room' in frame && name === frame.room);
    // A frame for the user may name a room, too.
    if (room && frame.type !== 'notification') room.receive(frame);
    else background(({ personal }) => personal(this, frame));
  }

  #open(key: string, options?: RoomOptions): Room {
    const known = this.#rooms.get(key);
    if (known) {
      // The library may have opened it: for unsent messages, or as the home room.
      background(({ extend }) => extend(known, options));
      return known;
    }
    const room = new Room(key, this, options);
    this.#rooms.set(key, room);
    this.#roomsChanged();
    this.joinQueue.add(room);
    this.#begin();
    return room;
  }

  #roomsChanged(): void {
    this.rooms = [...this.#rooms.values()];
    this.changed();
  }

  #begin(): void {
    // A part that could not be loaded is loaded again.
    const again = () => this.platform.after(1000, () => this.#begin());
    background(({ begin }) => begin(this, this.#options, this.#parts.base)).catch(again);
  }

  #joined({ username }: { username: string }): void {
    this.username = username;
    if (this.isJoined) return;
    this.isJoined = true;
    if (!this.outbox.keeper) this.outbox.hold(RESTORE_SECONDS);
    this.outbox.flush();
    this.#begin();
  }
}
