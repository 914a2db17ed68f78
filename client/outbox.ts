import { ChatError } from './error.ts';
import type { ChatMessage } from './messages.ts';
import type { Platform } from './platform.ts';
import type { ClientFrame, ServerFrame, StoredMessage } from './protocol.ts';
import type { Refuse } from './requests.ts';
import type { OutboxEntry } from './store/store.ts';

/** The server's confirmation. */
export type Ack = Omit<Extract<ServerFrame, { type: 'ack' }>, 'type' | 'id'>;

/** The part of an item that is an edit, a deletion or a reaction. */
export interface Change {
  /** Returns the message as it will be. */
  apply(message: Partial<ChatMessage>): Partial<ChatMessage>;
  /** Decides after a resume whether the item is sent again: only if it undoes nobody's change. */
  check(): void;
  /** Handles the confirmation. */
  acked(ack: Ack): void;
}

/** A message or a change of the user's that is not confirmed. */
export interface Item extends Omit<OutboxEntry, 'error'> {
  /** An `acked` item stays until its frame has come. */
  state: 'waiting' | 'checking' | 'flying' | 'acked' | 'failed';
  error?: ChatError;
  change?: Change;
  /** Set in the state `acked`. */
  ack?: Ack;
  done?(ack: Ack): void;
  fail?(error: ChatError): void;
}

/** The codes of refusals that pass by themselves. */
export const PASSING = ['rate_limited', 'overloaded', 'unavailable'];
/** How long to wait after a refusal without `retryAfter`, in seconds. */
const RETRY_SECONDS = 1;
/** The default `MESSAGE_RATE` of a server, in messages a second. */
const RATE = 20;
/** The longest frame that a server takes, less the id that is added to it. */
const MAX_FRAME_BYTES = 64 * 1024 - 60;
/** The most items that may wait. */
const MAX_ITEMS = 10_000;
/** The most items that may wait for an ack at once. */
const MAX_FLYING = 1000;

/** The store of the items. */
interface Keeper {
  put(item: Item): void;
  delete(id: string): void;
}

/** The room of an item. */
interface ItemRoom {
  readonly name: string;
  readonly isLive: boolean;
  /** An item of the room was added or removed, or has another state. */
  touched(): void;
  /** An ack tells the room's name. */
  named(name: string): void;
  /** The server has the user outside of the room. */
  resume(): void;
}

/** The client of an outbox. */
export interface OutboxHost {
  readonly platform: Platform;
  /** Whether the server has answered a join. */
  readonly isJoined: boolean;
  roomOf(item: Item): ItemRoom | undefined;
  ask(frame: ClientFrame, reply: (ack: Ack) => void, refuse: Refuse, id: string): void;
}

/**
 * The queue of messages and changes that are not acknowledged. They are sent in order, and again under the
 * same id until the server answers. A server that limits the rate could refuse a message and accept the
 * next one; so after a burst each waits for the ack of the one before it.
 */
export class Outbox {
  /** By id, in order. */
  readonly items = new Map<string, Item>();
  /** Undefined until the items of an earlier session are loaded. */
  keeper: Keeper | undefined;
  #flying = 0;
  #credit = 0;
  #creditAt = 0;
  #lastAt = 0;
  #isHeld = false;
  #cancel = () => {};

  /** @param burst how many items may wait for an ack at once */
  constructor(
    private readonly host: OutboxHost,
    private burst: number,
  ) {}

  /** The items of a room, in order. */
  of(room: string): Item[] {
    return [...this.items.values()].filter((item) => item.room === room);
  }

  /** Creates an item, with an id and a place in the order. */
  create(entry: Omit<OutboxEntry, 'id' | 'at' | 'error'>): Item {
    this.#lastAt = Math.max(this.host.platform.now(), this.#lastAt + 0.001);
    return { ...entry, id: crypto.randomUUID(), at: this.#lastAt, state: 'waiting' };
  }

  /** Adds an item. Resolves with the ack; rejects when the server refuses for good. */
  add(item: Item): Promise<Ack> {
    const acked = new Promise<Ack>((done, fail) => Object.assign(item, { done, fail }));
    const bytes = new Blob([JSON.stringify(item.frame)]).size;
    this.items.set(item.id, item);
    if (this.items.size > MAX_ITEMS) this.fail(item, 'overloaded', 'full');
    else if (bytes > MAX_FRAME_BYTES) this.fail(item, 'too_long', 'over 64 KiB');
    else this.retry(item);
    return acked;
  }

  /** Sends the items that may be sent now. */
  flush(): void {
    for (const item of this.items.values()) {
      if (item.state !== 'waiting' || !this.#isReady(item)) continue;
      if (this.#isHeld || !this.#mayFly()) return;
      this.#flying++;
      item.state = 'flying';
      const reply = (ack: Ack) => {
        this.#flying--;
        this.settle(item, ack);
        this.flush();
      };
      const refuse: Refuse = (error) => {
        this.#flying--;
        this.#refused(item, error);
        this.flush();
      };
      this.host.ask(item.frame, reply, refuse, item.id);
    }
  }

  /** Handles a message of the room: one of the user's own is confirmed by it. */
  seen({ id: messageId, clientId, room, seq, createdAt: timestamp }: StoredMessage): void {
    const item = this.items.get(clientId ?? '');
    if (!item) return;
    this.settle(item, { messageId, room, seq, timestamp });
    this.#remove(item);
  }

  /** Removes the confirmed items of a room that has received all changes up to a `rev`. */
  reached(room: string, rev: number): void {
    for (const item of this.items.values()) {
      if (item.room === room && item.ack && (item.ack.seq ?? item.ack.rev ?? 0) <= rev) {
        this.#remove(item);
      }
    }
  }

  /** Checks and sends the items of a room that has resumed. */
  resumed(room: string): void {
    for (const item of this.of(room)) {
      if (item.state === 'waiting') item.change?.check();
    }
    this.flush();
  }

  /** Gives up on an item. */
  fail(item: Item, code: ChatError['code'], message: string): void {
    item.state = 'failed';
    const error = new ChatError(code, message);
    item.error = error;
    item.fail?.(error);
    this.keeper?.put(item);
    this.host.roomOf(item)?.touched();
  }

  /** Sends an item that is new, or has failed. */
  retry(item: Item): void {
    delete item.error;
    this.keeper?.put(item);
    this.wait(item);
  }

  /** Drops an item that has failed. */
  discard(item: Item): void {
    this.keeper?.delete(item.id);
    this.#remove(item);
  }

  /** Sends nothing for some seconds, or until {@link release}. */
  hold(seconds = RETRY_SECONDS): void {
    this.#isHeld = true;
    this.#cancel();
    this.#cancel = this.host.platform.after(seconds * 1000, () => this.release());
  }

  /** Sends again. */
  release(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** Rejects the promises of all items, which stay. */
  close(reason: string): void {
    for (const { fail } of this.items.values()) fail?.(new ChatError('closed', reason));
  }

  /** Lets an item wait until it may be sent. */
  wait(item: Item): void {
    item.state = item.error ? 'failed' : 'waiting';
    this.host.roomOf(item)?.touched();
    this.flush();
  }

  /** Confirms an item. */
  settle(item: Item, ack: Ack): void {
    if (item.state === 'acked') return;
    item.state = 'acked';
    item.ack = ack;
    this.keeper?.delete(item.id);
    item.change?.acked(ack);
    item.done?.(ack);
    const room = this.host.roomOf(item);
    room?.named(ack.room ?? '');
    room?.touched();
  }

  #refused(item: Item, error?: ChatError): void {
    if (item.state === 'acked') return;
    if (error && PASSING.includes(error.code)) {
      // The server has a lower limit than the default.
      if (error.code === 'rate_limited') this.burst = this.#credit = 0;
      this.hold(error.retryAfter);
    } else if (error?.code === 'not_joined') this.host.roomOf(item)?.resume();
    else if (error) return void this.fail(item, error.code, error.message);
    this.wait(item);
  }

  #remove(item: Item): void {
    this.items.delete(item.id);
    this.host.roomOf(item)?.touched();
  }

  #isReady(item: Item): boolean | undefined {
    const room = this.host.roomOf(item);
    // A direct room begins with its first message.
    return room?.name === '' ? this.host.isJoined && !item.frame.messageId : room?.isLive;
  }

  #mayFly(): boolean {
    const now = this.host.platform.now();
    const earned = ((now - this.#creditAt) / 1000) * RATE;
    this.#credit = Math.min(this.burst, this.#credit + earned);
    this.#creditAt = now;
    if (this.#flying >= MAX_FLYING || (this.#flying > 0 && this.#credit < 1)) return false;
    this.#credit = Math.max(0, this.#credit - 1);
    return true;
  }
}
