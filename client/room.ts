import type { ChatError } from './error.ts';
import { Feed } from './feed.ts';
import { ambient, load } from './lazy.ts';
import type { ChatMessage } from './messages.ts';
import { quiet } from './quiet.ts';
import type { NewMessage } from './room-types.ts';
import type { OutboxFrame } from './store/store.ts';

/** A room, or a conversation of two: what is there to be shown, and what the user does. */
export class Room extends Feed {
  #loading: Promise<boolean> | undefined;

  /** In order, those on their way last. A new array only when something changed. */
  get messages(): readonly ChatMessage[] {
    return this.list.snapshot;
  }

  /** Whether {@link history} can load earlier ones. */
  get hasMore(): boolean {
    return this.list.from > 1;
  }

  /**
   * Says something. It is shown at once, and sent until the server has it.
   *
   * @returns resolves when it is stored; rejects with a {@link ChatError} when it was refused for good
   */
  send(message: string | NewMessage): Promise<ChatMessage> {
    const said = typeof message === 'string' ? { content: message } : message;
    const where = this.to ? { to: this.to } : { room: this.name };
    const { outbox } = this.host;
    const item = outbox.create({
      room: this.key,
      frame: { type: 'message', ...where, ...said },
    });
    const acked = outbox.add(item);
    const sent = acked.then(({ messageId, seq, timestamp }) => ({
      ...this.list.show(item),
      id: messageId,
      seq,
      rev: seq,
      createdAt: timestamp,
    }));
    return quiet(sent as Promise<ChatMessage>);
  }

  /** Says a message of the user's otherwise. Resolves and rejects as {@link send}. */
  edit({ id = 0 }: ChatMessage, content: string): Promise<ChatMessage> {
    return this.#change({ type: 'edit', messageId: id, content });
  }

  /** Takes a message of the user's back. Resolves and rejects as {@link send}. */
  delete({ id = 0 }: ChatMessage): Promise<ChatMessage> {
    return this.#change({ type: 'delete', messageId: id });
  }

  /** Reacts with an emoji, or takes that back. Resolves and rejects as {@link send}. */
  react({ id = 0 }: ChatMessage, emoji: string, { remove = false } = {}): Promise<ChatMessage> {
    return this.#change({ type: 'react', messageId: id, emoji, remove });
  }

  /**
   * Loads earlier messages into {@link messages}.
   *
   * @param limit 1 to 100
   * @returns whether there are more
   */
  history(limit = 50): Promise<boolean> {
    this.#loading ??= load
      .older()
      .then(({ loadEarlier }) => loadEarlier(this, limit))
      .finally(() => {
        this.#loading = undefined;
      });
    return quiet(this.#loading);
  }

  /** Has read up to a message: the newest, unless its `seq` is given. */
  read(seq?: number): void {
    ambient(({ read }) => read(this, seq));
  }

  /** Shows the others that the user is typing; to be called with every key. */
  typing(): void {
    ambient(({ type }) => type(this));
  }

  /** Shows the others something that is not stored; rejects where it cannot be shown now. */
  event(name: string, data?: unknown): Promise<void> {
    return ambient(({ event }) => event(this, name, data));
  }

  /** The messages that have all of some words, newest first. Rejects with a {@link ChatError}. */
  search(words: string): Promise<ChatMessage[]> {
    return quiet(this.host.api.then((api) => api.search(this.name, words)));
  }

  /** What is new from now on, once each, however long a turn of the loop takes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ChatMessage, void> {
    const place = this.isLive ? Math.max(this.list.newest, this.list.from - 1) : undefined;
    const { follow } = await load.older();
    yield* follow(this, place);
  }

  /** Goes out. What is on its way stays in the outbox until the room is entered again. */
  leave(): void {
    const { state } = this.status;
    if (state === 'live' || state === 'joining') {
      this.host.connection.send({ type: 'leave', room: this.name });
    }
    this.setStatus({ state: 'left' });
    this.host.left(this);
  }

  #change(frame: OutboxFrame): Promise<ChatMessage> {
    return quiet(load.changes().then(({ change }) => change(this, frame)));
  }
}
