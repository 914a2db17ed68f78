import type { ChatError } from './error.ts';
import type { Item, Outbox } from './outbox.ts';
import type { StoredMessage } from './protocol.ts';

type Place = 'id' | 'seq' | 'rev' | 'userId';

/** A message as an application shows it. It is immutable: a change replaces it by another object. */
export type ChatMessage = Readonly<
  Omit<StoredMessage, Place> &
    // A message that is not acknowledged has none of these.
    Partial<Pick<StoredMessage, Place>> & {
      /** The key of a list: the same before and after the message is stored. */
      key: string;
      /** The state of the message, or of the user's last change of it. */
      state: 'sending' | 'sent' | 'failed';
      /** Why it failed. */
      error?: ChatError;
      /** In the state `failed`: sends the message or the change again. */
      retry?: () => void;
      /** In the state `failed`: drops the message or the change. */
      discard?: () => void;
    }
>;

/** A message of the server, which is shown as it is unless the user is changing it. */
export type KeptMessage = StoredMessage & { key: string; state: 'sent' };

/** A message with the user's unconfirmed changes applied, and the states of those. */
interface View {
  of: string;
  message: ChatMessage;
}

/** The client of a room's messages. */
export interface MessagesHost {
  readonly username: string;
  readonly outbox: Outbox;
}

/** The messages of a room from a `seq` on, each as it now is, and after them the unconfirmed ones. */
export class Messages {
  /** By `seq`. */
  sorted: KeptMessage[] = [];
  #snapshot: readonly ChatMessage[] | undefined;
  readonly #views = new WeakMap<object, View>();
  /** The `seq` from which all messages are here. */
  from = 0;
  #extra = 0;

  /**
   * @param room the key of the room
   * @param keep how many messages are kept, not counting those that `history` loaded
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

  /** Returns a message of the server as it is shown: the same object, since a copy would cost the most here. */
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

  /** Forgets all messages. @param from the `seq` from which the following ones are complete */
  clear(from: number): void {
    this.sorted = [];
    this.from = from;
    this.#extra = 0;
  }

  /** Makes room for earlier messages. @param from the `seq` from which they are complete */
  extend(from: number, count: number): void {
    this.from = from;
    this.#extra += count;
  }

  /**
   * Adds a message, or replaces an older state of it.
   *
   * @returns the state that was known; undefined for a new message; the message itself if it is too old to keep
   */
  take(message: StoredMessage): StoredMessage | undefined {
    const { sorted } = this;
    const kept = this.view(message);
    // From the end, since most messages are new.
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

  /** Invalidates the snapshot. */
  changed(): void {
    this.#snapshot = undefined;
  }

  /** All messages. The same array until something changes. */
  get snapshot(): readonly ChatMessage[] {
    this.#snapshot ??= this.#render();
    return this.#snapshot;
  }

  /** Returns an unconfirmed message as it is shown. */
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

  /** Applies the user's changes to a message. @returns the same object for the same states */
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
    // Not one at a time, which would move all the others every time.
    const excess = this.sorted.length - this.keep - this.#extra;
    if (excess <= this.keep / 10) return;
    this.sorted.splice(0, excess);
    this.from = this.sorted[0]?.seq ?? 0;
  }
}

/** The message of an item, with its place in the room once that is acknowledged. */
function posted({ id, at, room, frame, ack }: Item, username: string): Partial<ChatMessage> {
  const { type: _, ...rest } = frame;
  const createdAt = new Date(at).toISOString();
  const { messageId, seq, timestamp } = ack ?? {};
  const place = ack && { id: messageId, room: ack.room, seq, rev: seq, createdAt: timestamp };
  return { room, username, content: '', clientId: id, createdAt, ...rest, ...place } as ChatMessage;
}
