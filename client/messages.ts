import type { ChatError } from './error.ts';
import type { Item, Outbox } from './outbox.ts';
import type { StoredMessage } from './protocol.ts';

type Place = 'id' | 'seq' | 'rev' | 'userId';

/** A message as an application shows it. It never changes: another one takes its place. */
export type ChatMessage = Readonly<
  Omit<StoredMessage, Place> &
    // While it is only here it has no place in the room.
    Partial<Pick<StoredMessage, Place>> & {
      /** The same from sending on: what a list is keyed by. */
      key: string;
      /** Of the message, or of what was done to it last. */
      state: 'sending' | 'sent' | 'failed';
      /** Why it failed. */
      error?: ChatError;
      /** Where it failed: sends it again; or forgets the message, or what was done to it. */
      retry?: () => void;
      discard?: () => void;
    }
>;

/** A message that was shown, and of what it was made. */
interface Shown {
  of: string;
  message: ChatMessage;
}

/** Whom the messages of a room serve. */
export interface MessagesHost {
  readonly username: string;
  readonly outbox: Outbox;
}

/** The messages of a room from a `seq` on, as the last change left each, and behind them what is on its way. */
export class Messages {
  readonly #byId = new Map<number, StoredMessage>();
  /** By `seq`. */
  sorted: StoredMessage[] = [];
  #snapshot: readonly ChatMessage[] | undefined;
  /** What an application was shown last. */
  readonly #shown = new WeakMap<object, Shown>();
  /** Messages before this `seq` are not here. */
  from = 0;
  #extra = 0;

  /**
   * @param room the key of the room
   * @param keep messages that are kept, beside those that were asked for
   */
  constructor(
    private readonly host: MessagesHost,
    private readonly room: string,
    private readonly keep: number,
  ) {}

  /** The `seq` of the newest, or 0. */
  get newest(): number {
    return this.sorted.at(-1)?.seq ?? 0;
  }

  /** A message as it is shown. */
  view(stored: StoredMessage): ChatMessage {
    return this.#show(stored, []);
  }

  find(id: number): StoredMessage | undefined {
    return this.#byId.get(id);
  }

  /** Begins anew: what is before this `seq` is not here. */
  clear(from: number): void {
    this.#byId.clear();
    this.sorted = [];
    this.from = from;
    this.#extra = 0;
    this.changed();
  }

  /** More was loaded, from this `seq` on. */
  extend(from: number, count: number): void {
    this.from = from;
    this.#extra += count;
  }

  /**
   * Takes a message as it now is.
   *
   * @returns `new` for one that was not here; undefined when it is too old to be shown, or known
   */
  take(message: StoredMessage): 'new' | 'changed' | undefined {
    const known = this.#byId.get(message.id);
    if (known ? known.rev >= message.rev : message.seq < this.from) return undefined;
    this.#byId.set(message.id, message);
    // From the end: most are new.
    const index = this.sorted.findLastIndex(({ seq }) => seq < message.seq) + 1;
    if (known) this.sorted[index] = message;
    else this.sorted.splice(index, 0, message);
    this.#trim();
    this.changed();
    return known ? 'changed' : 'new';
  }

  /** What is on its way has changed. */
  changed(): void {
    this.#snapshot = undefined;
  }

  /** The same array until something changes. */
  get snapshot(): readonly ChatMessage[] {
    this.#snapshot ??= this.#render();
    return this.#snapshot;
  }

  /** An item that is a message, as it is shown until it comes from the server. */
  show(item: Item): ChatMessage {
    return this.#show(undefined, [item]);
  }

  #render(): readonly ChatMessage[] {
    const items = this.host.outbox.of(this.room);
    const changesOf = (id?: number) => items.filter(({ frame }) => frame.messageId === id);
    return [
      ...this.sorted.map((stored) => this.#show(stored, items.length ? changesOf(stored.id) : [])),
      ...changesOf().map((item) => this.show(item)),
    ];
  }

  /** @returns the same object for the same things */
  #show(stored: StoredMessage | undefined, items: Item[]): ChatMessage {
    const source = stored ?? (items[0] as Item);
    const of = items.map(({ id, state }) => id + state).join();
    const known = this.#shown.get(source);
    if (known?.of === of) return known.message;
    const failed = items.findLast(({ state }) => state === 'failed');
    const isSent = items.every(({ state }) => state === 'acked');
    let message: Partial<ChatMessage> = stored ?? posted(items[0] as Item, this.host.username);
    for (const { state, change } of items) {
      if (state !== 'failed') message = change?.apply(message) ?? message;
    }
    const isOwn = !stored || stored.username === this.host.username;
    const shown = {
      ...message,
      key: (isOwn && message.clientId) || `#${stored?.id}`,
      state: failed ? 'failed' : isSent ? 'sent' : 'sending',
      ...(failed?.error && {
        error: failed.error,
        retry: () => this.host.outbox.retry(failed),
        discard: () => this.host.outbox.discard(failed),
      }),
    } as ChatMessage;
    this.#shown.set(source, { of, message: shown });
    return shown;
  }

  #trim(): void {
    // Not one by one, which would move all the others every time.
    const excess = this.sorted.length - this.keep - this.#extra;
    if (excess <= this.keep / 10) return;
    const dropped = this.sorted.splice(0, excess);
    for (const { id } of dropped) this.#byId.delete(id);
    this.from = this.sorted[0]?.seq ?? 0;
  }
}

/** A message that only the user has seen. */
function posted({ id, at, room, frame }: Item, username: string): Partial<ChatMessage> {
  const { type: _, ...rest } = frame;
  const createdAt = new Date(at).toISOString();
  return { room, username, content: '', clientId: id, createdAt, ...rest };
}
