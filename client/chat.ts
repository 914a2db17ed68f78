import type { Api, ApiParts } from './api.ts';
import { Connection, type ConnectionHost, type Status } from './connection.ts';
import { Emitter } from './emitter.ts';
import { Entrance } from './entrance.ts';
import { ChatError } from './error.ts';
import type { Feed, RoomHost, Where } from './feed.ts';
import { ambient, load, openLink } from './lazy.ts';
import type { OpenLink } from './link.ts';
import type { ChatMessage } from './messages.ts';
import { Notifications } from './notifications.ts';
import type { ChatOptions } from './options.ts';
import { type Item, Outbox, type OutboxHost } from './outbox.ts';
import { type Platform, platform as realPlatform } from './platform.ts';
import type { ClientFrame, Notification, ServerFrame } from './protocol.ts';
import { Questions, type Refuse } from './questions.ts';
import { Room } from './room.ts';
import type { RoomOptions } from './room-types.ts';
import { Token } from './token.ts';

/** What happens in a chat. */
export interface ChatEvents {
  status: Status;
  /** Somebody, the user too, has said something in a room that is open here. */
  message: ChatMessage;
  notification: Notification;
  /** Something is amiss; it is dealt with. Without a listener it goes to the console. */
  error: ChatError;
  /** The status or the rooms have changed. */
  change: undefined;
}

/** How long on a connection what is said waits for what an earlier session left, which goes before. */
const RESTORE_SECONDS = 10;

/** A user's side of a chat: rooms, one connection for all of them, and what is on its way. */
export class ChatClient
  extends Emitter<ChatEvents>
  implements ConnectionHost, OutboxHost, RoomHost
{
  /** What waits for the user in any room. */
  readonly notifications: Notifications;
  /** The rooms that are open here. A new array only when one was opened or left. */
  rooms: readonly Room[] = [];
  /** The user's name, as the server spells it once it has said so. */
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
  readonly questions = new Questions();
  /** @internal */
  readonly entrance: Entrance;
  /** By key: the name, or `@` and that of the other one. */
  readonly #rooms = new Map<string, Room>();
  /** The server knows on this connection who the user is, or was told. */
  /** @internal */
  isJoined = false;
  #isIntroduced = false;
  #isReporting = false;

  /**
   * Connects at once, and again whenever the connection is lost.
   *
   * @param url of the server: `https://chat.example`, or `/` in a page that it serves
   * @throws {TypeError} when it is no URL
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
    this.entrance = new Entrance(this.platform, this.connection);
    this.#begin();
    this.connection.open();
  }

  /** What the client is doing; another object only when that changed. */
  get status(): Status {
    return this.connection.status;
  }

  /** REST, loaded when it is first asked for: `(await chat.api).signIn(…)`. */
  get api(): Promise<Api> {
    return load.api().then(({ Api }) => new Api(this.#parts));
  }

  /** A room, which is entered; the same object for the same name until it is left. */
  room(name: string, options?: RoomOptions): Room {
    return this.#open(name.toLowerCase(), options);
  }

  /** The conversation with another user; the same object for the same name until it is left. */
  direct(username: string): Room {
    return this.#open(`@${username.toLowerCase()}`);
  }

  /** Connects at once where it waits to try again, and again after {@link close} or after the server closed for good. */
  connect(): void {
    this.connection.open();
  }

  /** Ends the connection. What is unsent stays, and is sent after {@link connect}. */
  close(): void {
    this.connection.close('closed');
  }

  /** @internal Notifications come to those who have entered a room. */
  override listened(name: keyof ChatEvents): void {
    if (name === 'notification' && this.connection.isOpen) this.#begin();
  }

  /** @internal */
  openLink(failures: number): OpenLink | Promise<OpenLink> {
    return openLink({ ...this.#parts, platform: this.platform }, this.#options, failures);
  }

  /** @internal */
  opened(): void {
    this.#isIntroduced = false;
    this.entrance.add(...this.rooms);
    this.#begin();
  }

  /** @internal */
  lost(): void {
    this.isJoined = false;
    this.entrance.lost();
    for (const room of this.rooms) room.resume();
    this.questions.lost();
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
    this.questions.add(id, { askedAt: this.platform.now(), reply, refuse });
    this.connection.send({ ...frame, id });
  }

  /** @internal */
  roomOf({ room }: Item): Room | undefined {
    return this.#rooms.get(room);
  }

  /** @internal */
  joinFrame(where: Where): ClientFrame {
    // What is undefined does not travel.
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
    if (this.questions.answer(frame)) return;
    const room = this.rooms.find(({ name }) => 'room' in frame && name === frame.room);
    // What is for the user may name a room, too.
    if (room && frame.type !== 'notification') room.receive(frame);
    else ambient(({ personal }) => personal(this, frame));
  }

  #open(key: string, options?: RoomOptions): Room {
    const known = this.#rooms.get(key);
    if (known) {
      // It may have been opened for what was unsent there, or for want of another room.
      if (options) ambient(({ extend }) => extend(known, options));
      return known;
    }
    const room = new Room(key, this, options);
    this.#rooms.set(key, room);
    this.#roomsChanged();
    this.entrance.add(room);
    if (this.connection.isOpen) this.#begin();
    return room;
  }

  #roomsChanged(): void {
    this.rooms = [...this.#rooms.values()];
    this.changed();
  }

  #begin(): void {
    // What could not be loaded is tried again.
    const again = () => this.platform.after(1000, () => this.#begin());
    ambient(({ begin }) => begin(this, this.#options, this.#parts.base)).catch(again);
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
