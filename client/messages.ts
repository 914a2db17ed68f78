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

/** A message of the server. It is its own view, unless something of the user's changes it. */
export type KeptMessage = StoredMessage & { key: string; state: 'sent' };

/** The view of a message with the user's unconfirmed changes, and what it was made of. */
interface View {
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
  /** By `seq`. */
  sorted: KeptMessage[] = [];
  #snapshot: readonly ChatMessage[] | undefined;
  readonly #views = new WeakMap<object, View>();
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

  /** A message of the server as it is shown: the same object, since copies are what costs most here. */
  view(stored: StoredMessage): KeptMessage {
    const isOwn = stored.username === this.host.username;
    const kept = stored as KeptMessage;
    kept.key = (isOwn && stored.clientId) || `#${stored.id}`;
    kept.state = 'sent';
    return kept;
  }

  find(id: number): StoredMessage | undefined {
    return this.sorted.find((message) => message.id === id);
  }

  /** Begins anew: what is before this `seq` is not here. */
  clear(from: number): void {
    this.sorted = [];
    this.from = from;
    this.#extra = 0;
  }

  /** More was loaded, from this `seq` on. */
  extend(from: number, count: number): void {
    this.from = from;
    this.#extra += count;
  }

  /**
   * Takes a message as it now is.
   *
   * @returns what was known of it: nothing of a new one; the message itself when it is too old to be kept
   */
  take(message: StoredMessage): StoredMessage | undefined {
    const { sorted } = this;
    const kept = this.view(message);
    // From the end: most are new.
    const index = sorted.findLastIndex(({ seq }) => seq <= message.seq);
    const before = sorted[index];
    if (before?.seq === message.seq) {
      if (before.rev < message.rev) sorted[index] = kept;
      return before;
    }
    if (message.seq < this.from) return message;
    sorted.splice(index + 1, 0, kept);
    this.#trim();
    return undefined;
  }

  /** Something has changed: the next snapshot is another one. */
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
    const changes = items.filter(({ frame }) => frame.messageId);
    const changesOf = (id?: number) => changes.filter(({ frame }) => frame.messageId === id);
    return [
      ...(changes[0]
        ? this.sorted.map((kept) => this.#show(kept, changesOf(kept.id)))
        : this.sorted),
      ...items
        .filter((item) => !item.frame.messageId)
        .map((item) => this.#show(undefined, [item, ...changesOf(item.ack?.messageId)])),
    ];
  }

  /** @returns the same object for the same things */
  #show(stored: KeptMessage | undefined, items: Item[]): ChatMessage {
    if (stored && !items[0]) return stored;
    const source = stored ?? (items[0] as Item);
    const of = items.map(({ id, state }) => id + state).join();
    const known = this.#views.get(source);
    if (known?.of === of) return known.message;
    const failed = items.findLast(({ state }) => state === 'failed');
    const isSent = items.every(({ state }) => state === 'acked');
    let message: Partial<ChatMessage> = stored ?? posted(items[0] as Item, this.host.username);
    for (const { state, change } of items) {
      if (state !== 'failed') message = change?.apply(message) ?? message;
    }
    const shown = {
      ...message,
      key: stored?.key ?? message.clientId,
      state: failed ? 'failed' : isSent ? 'sent' : 'sending',
      ...(failed?.error && {
        error: failed.error,
        retry: () => this.host.outbox.retry(failed),
        discard: () => this.host.outbox.discard(failed),
      }),
    } as ChatMessage;
    this.#views.set(source, { of, message: shown });
    return shown;
  }

  #trim(): void {
    // Not one by one, which would move all the others every time.
    const excess = this.sorted.length - this.keep - this.#extra;
    if (excess <= this.keep / 10) return;
    this.sorted.splice(0, excess);
    this.from = this.sorted[0]?.seq ?? 0;
  }
}

/** A message that has not come from the server yet; once it is acknowledged its place in the room is known. */
function posted({ id, at, room, frame, ack }: Item, username: string): Partial<ChatMessage> {
  const { type: _, ...rest } = frame;
  const createdAt = new Date(at).toISOString();
  const { messageId, seq, timestamp } = ack ?? {};
  const place = ack && { id: messageId, room: ack.room, seq, rev: seq, createdAt: timestamp };
  return { room, username, content: '', clientId: id, createdAt, ...rest, ...place } as ChatMessage;
}
