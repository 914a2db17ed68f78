import { ChatError } from './error.ts';
import type { ChatMessage } from './messages.ts';
import type { Platform } from './platform.ts';
import type { ClientFrame, ServerFrame, StoredMessage } from './protocol.ts';
import type { Refuse } from './questions.ts';
import type { OutboxEntry } from './store/store.ts';

/** What the server says of a change that it has made. */
export type Ack = Omit<Extract<ServerFrame, { type: 'ack' }>, 'type' | 'id'>;

/** What an item does that changes a message, rather than being one. */
export interface Change {
  /** The message as it will be. */
  apply(message: Partial<ChatMessage>): Partial<ChatMessage>;
  /** The room has resumed: the item is sent again only if it undoes nothing. */
  check(): void;
  /** The server has made it. */
  acked(ack: Ack): void;
}

/** Something that the user said or did, on its way. */
export interface Item extends Omit<OutboxEntry, 'error'> {
  /** What is `acked` stays until it is seen in the room. */
  state: 'waiting' | 'checking' | 'flying' | 'acked' | 'failed';
  error?: ChatError;
  change?: Change;
  /** What the server answered. */
  ack?: Ack;
  done?(ack: Ack): void;
  fail?(error: ChatError): void;
}

/** Refusals that are over after a while. */
export const PASSING = ['rate_limited', 'overloaded', 'unavailable'];
/** How long to wait where the server does not say, in seconds. */
const RETRY_SECONDS = 1;
/** What a server lets an account say in a second, unless it was set otherwise. */
const RATE = 20;
/** The server takes no longer frame; what is added to it when it is sent is shorter than 60 bytes. */
const MAX_FRAME_BYTES = 64 * 1024 - 60;
/** Items that may wait, and that may be on their way. */
const MAX_ITEMS = 10_000;
const MAX_FLYING = 1000;

/** Where items survive the end of the program. */
interface Keeper {
  put(item: Item): void;
  delete(id: string): void;
}

/** The room of an item. */
interface ItemRoom {
  readonly name: string;
  readonly isLive: boolean;
  /** An item of its came, went or changed its state. */
  touched(): void;
  /** The room's name is known by an ack. */
  named(name: string): void;
  /** The server says that the user is not there. */
  resume(): void;
}

/** Whom an outbox serves. */
export interface OutboxHost {
  readonly platform: Platform;
  /** Whether the server knows who the user is. */
  readonly isJoined: boolean;
  roomOf(item: Item): ItemRoom | undefined;
  ask(frame: ClientFrame, reply: (ack: Ack) => void, refuse: Refuse, id: string): void;
}

/**
 * What was said and done and is not acknowledged yet, in order. It is sent again under the same id
 * until the server answers. A server that counts messages refuses those past its limit, and a later
 * one could pass where an earlier one did not; so beyond a burst each waits for the ack before it.
 */
export class Outbox {
  /** In order. */
  readonly items = new Map<string, Item>();
  /** Undefined until it is known what an earlier session left. */
  keeper: Keeper | undefined;
  #flying = 0;
  #credit = 0;
  #creditAt = 0;
  #lastAt = 0;
  #isHeld = false;
  #cancel = () => {};

  /** @param burst items that may be on their way at once */
  constructor(
    private readonly host: OutboxHost,
    private burst: number,
  ) {}

  /** What is on its way for a room, or failed there, in order. */
  of(room: string): Item[] {
    return [...this.items.values()].filter((item) => item.room === room);
  }

  /** @returns an item with what only a new one has */
  create(entry: Omit<OutboxEntry, 'id' | 'at' | 'error'>): Item {
    this.#lastAt = Math.max(this.host.platform.now(), this.#lastAt + 0.001);
    return { ...entry, id: crypto.randomUUID(), at: this.#lastAt, state: 'waiting' };
  }

  /** @returns what the server answers; rejects when it refuses for good */
  add(item: Item): Promise<Ack> {
    const acked = new Promise<Ack>((done, fail) => Object.assign(item, { done, fail }));
    const bytes = new Blob([JSON.stringify(item.frame)]).size;
    this.items.set(item.id, item);
    if (this.items.size > MAX_ITEMS) this.fail(item, 'overloaded', 'full');
    else if (bytes > MAX_FRAME_BYTES) this.fail(item, 'too_long', 'over 64 KiB');
    else this.retry(item);
    return acked;
  }

  /** Sends what can be sent. */
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

  /** A message of the user's own is seen. */
  seen({ id: messageId, clientId, room, seq, createdAt: timestamp }: StoredMessage): void {
    const item = this.items.get(clientId ?? '');
    if (!item) return;
    this.settle(item, { messageId, room, seq, timestamp });
    this.#remove(item);
  }

  /** The room shows all that was committed up to a `rev`. */
  reached(room: string, rev: number): void {
    for (const item of this.items.values()) {
      if (item.room === room && item.ack && (item.ack.seq ?? item.ack.rev ?? 0) <= rev) {
        this.#remove(item);
      }
    }
  }

  /** A room has resumed: what changes a message is sent only if it may. */
  resumed(room: string): void {
    for (const item of this.of(room)) {
      if (item.state === 'waiting') item.change?.check();
    }
    this.flush();
  }

  /** Gives up an item. */
  fail(item: Item, code: ChatError['code'], message: string): void {
    item.state = 'failed';
    const error = new ChatError(code, message);
    item.error = error;
    item.fail?.(error);
    this.keeper?.put(item);
    this.host.roomOf(item)?.touched();
  }

  /** Sends what is new, or has failed. */
  retry(item: Item): void {
    delete item.error;
    this.keeper?.put(item);
    this.wait(item);
  }

  /** Forgets what has failed. */
  discard(item: Item): void {
    this.keeper?.delete(item.id);
    this.#remove(item);
  }

  /** Sends nothing for so many seconds, unless it is released before. */
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

  /** Whoever waits for an answer is told why none will come. */
  close(reason: string): void {
    for (const { fail } of this.items.values()) fail?.(new ChatError('closed', reason));
  }

  /** Sends an item when it can be sent. */
  wait(item: Item): void {
    item.state = item.error ? 'failed' : 'waiting';
    this.host.roomOf(item)?.touched();
    this.flush();
  }

  /** The server has an item. */
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
      // The server has smaller limits than is usual.
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
