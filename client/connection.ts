import { type Backoff, backoff } from './backoff.ts';
import type { Link, OpenLink } from './link.ts';
import type { Platform } from './platform.ts';
import type { ClientFrame, ServerFrame } from './protocol.ts';
import type { Token } from './token.ts';

/** The status of the connection. */
export type Status =
  | { readonly state: 'connecting' }
  | {
      readonly state: 'live';
      /** The time from a ping to its pong, in milliseconds; missing before the first pong. */
      readonly roundTrip?: number;
    }
  | {
      readonly state: 'reconnecting';
      readonly reason: string;
      /** The time of the next attempt, in milliseconds since 1970. */
      readonly nextTry: number;
    }
  | { readonly state: 'closed'; readonly reason: string };

/** How long a link may take to open, in milliseconds. */
const OPEN_MS = 10_000;
/** How long the application may take to fetch a token, in milliseconds. */
const TOKEN_MS = 30_000;
/** The interval of pings, in milliseconds: proxies cut connections that are silent for a minute. */
const PING_MS = 25_000;
/** How long a pong may take, in milliseconds; a server answers within 5 s. */
const PONG_MS = 10_000;
/** After how long without a frame the server has dropped the connection, in milliseconds. */
const SILENCE_MS = 60_000;
/** A connection that lasted so long may be replaced without a wait, in milliseconds. */
const SOON_MS = 1000;
/** A connection that lasted so long resets the backoff, in milliseconds. */
const GOOD_MS = 5000;
/** How long a client that sent too fast waits, in milliseconds. */
const FLOODED_MS = 60_000;
/** How many tokens in a row may be refused before the client gives up. */
const MAX_REFUSALS = 3;
const SILENT = 'no answer';

/** The client of a connection. */
export interface ConnectionHost {
  /** @param failures how many links in a row failed to open */
  openLink(failures: number): OpenLink | Promise<OpenLink>;
  /** The link is open; no join was sent on it. */
  opened(): void;
  /** The link is gone; another one may follow. */
  lost(): void;
  /** @throws when the frame breaks the protocol */
  received(frame: ServerFrame): void;
  statusChanged(): void;
  failed(code: 'protocol', error: unknown): void;
}

/** The connection to the server: a link, and another one whenever it is lost, until a close code forbids it. */
export class Connection {
  status: Status = { state: 'closed', reason: '' };
  /** Whether frames can be sent. */
  isOpen = false;
  link: Link | undefined;
  /** Rises with every link, to recognise late events of an old one. */
  #turn = 0;
  #attempt = 0;
  #failures = 0;
  #refusals = 0;
  #openedAt = 0;
  #heardAt = 0;
  #cancel = () => {};
  #stopWaking = () => {};

  constructor(
    private readonly host: ConnectionHost,
    private readonly platform: Platform,
    private readonly token: Token,
    private readonly backoff: Backoff | undefined,
  ) {}

  open(): void {
    if (this.status.state === 'reconnecting') return void this.#connect();
    if (this.status.state !== 'closed') return;
    this.#stopWaking = this.platform.onWake(() => this.#wake());
    this.#attempt = this.#failures = this.#refusals = 0;
    void this.#connect();
  }

  /** Closes the connection for good. */
  close(reason: string): void {
    this.#stopWaking();
    this.#drop();
    this.#setStatus({ state: 'closed', reason });
  }

  send(frame: ClientFrame): void {
    if (this.isOpen) this.link?.send(frame);
  }

  /** Handles a token that the server refused. */
  refused(reason: string): void {
    if (!this.token.isRenewable || ++this.#refusals > MAX_REFUSALS) return void this.close(reason);
    this.token.value = undefined;
    this.again(reason, 0);
  }

  async #connect(): Promise<void> {
    this.#drop();
    const turn = this.#turn;
    const isCurrent = () => turn === this.#turn;
    this.#setStatus({ state: 'connecting' });
    this.#later(TOKEN_MS, () => this.again('no token'));
    try {
      await this.token.fetch();
      const open = await this.host.openLink(this.#failures++);
      if (!isCurrent()) return;
      this.#later(OPEN_MS, () => this.again(SILENT));
      this.link = open({
        opened: () => isCurrent() && this.#opened(),
        received: (text) => isCurrent() && this.#received(text),
        closed: (code, reason) => isCurrent() && this.#closed(code, reason || `${code}`),
      });
    } catch (error) {
      if (isCurrent()) this.again(`${error}`);
    }
  }

  #opened(): void {
    this.isOpen = true;
    this.#failures = 0;
    this.#heardAt = this.#openedAt = this.platform.now();
    this.host.opened();
    this.#check();
  }

  #received(text: string): void {
    this.#heardAt = this.platform.now();
    try {
      const frame: ServerFrame = JSON.parse(text);
      if (frame.type === 'pong')
        this.#live({ roundTrip: this.#heardAt - (frame.sentAt as number) });
      if (frame.type === 'joined' && this.status.state !== 'live') this.#live({});
      this.host.received(frame);
    } catch (error) {
      this.host.failed('protocol', error);
      this.again('protocol');
    }
  }

  #live(roundTrip: { roundTrip?: number }): void {
    this.#refusals = 0;
    this.#setStatus({ state: 'live', ...roundTrip });
  }

  /** Checks the connection, or connects at once: the network or the tab is back. */
  #wake(): void {
    if (this.isOpen) this.#check();
    else if (this.status.state === 'reconnecting') void this.#connect();
  }

  /** Sends a ping, and the next one in due time. */
  #check(): void {
    const sentAt = this.platform.now();
    if (sentAt - this.#heardAt > SILENCE_MS) return void this.again(SILENT, 0);
    this.send({ type: 'ping', sentAt });
    this.#later(PONG_MS, () => {
      if (this.#heardAt < sentAt) this.again(SILENT, 0);
      // At once, if the machine has slept meanwhile.
      else this.#later(sentAt + PING_MS - this.platform.now(), () => this.#check());
    });
  }

  /** @see the table of close codes in the contract; a test holds that this agrees with it */
  #closed(code: number, reason: string): void {
    if ([1009, 4400, 4403].includes(code)) this.close(reason);
    else if (code === 4401) this.refused(reason);
    else if (code === 4408) this.again(reason, 0);
    else if (code === 4429) this.again(reason, FLOODED_MS * (1 + this.platform.random() / 10));
    else this.again(reason);
  }

  /** Sets the one timer, in place of the one before. */
  #later(delay: number, run: () => void): void {
    this.#cancel();
    this.#cancel = this.platform.after(delay, run);
  }

  /**
   * Replaces the link.
   *
   * @param wait until the next attempt, in milliseconds; 0 is at once, unless the link was too short-lived
   */
  again(reason: string, wait?: number): void {
    const { now, random } = this.platform;
    const age = this.isOpen ? now() - this.#openedAt : 0;
    if (age > GOOD_MS) this.#attempt = 0;
    const isNow = wait === 0 && age > SOON_MS;
    const delay = isNow ? 0 : wait || backoff(this.#attempt++, random(), this.backoff);
    this.#drop();
    this.#later(delay, () => void this.#connect());
    this.#setStatus({ state: 'reconnecting', reason, nextTry: now() + delay });
  }

  #drop(): void {
    this.#turn++;
    this.#cancel();
    this.link?.close();
    this.link = undefined;
    if (!this.isOpen) return;
    this.isOpen = false;
    this.host.lost();
  }

  #setStatus(status: Status): void {
    this.status = status;
    this.host.statusChanged();
  }
}
