import type { Action } from './changes.ts';
import type { ChatError } from './error.ts';
import { Feed } from './feed.ts';
import { ambient, load } from './lazy.ts';
import type { ChatMessage } from './messages.ts';
import { quiet } from './quiet.ts';
import type { NewMessage } from './room-types.ts';

/** A room, or a conversation of two: what is there to be shown, and what the user does. */
export class Room extends Feed {
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
    return quiet(outbox.add(item).then(() => this.list.show(item)));
  }

  /** Says a message of the user's otherwise. Resolves and rejects as {@link send}. */
  edit(message: ChatMessage, content: string): Promise<ChatMessage> {
    return this.#change(message, { type: 'edit', content });
  }

  /** Takes a message of the user's back. Resolves and rejects as {@link send}. */
  delete(message: ChatMessage): Promise<ChatMessage> {
    return this.#change(message, { type: 'delete' });
  }

  /** Reacts with an emoji, or takes that back. Resolves and rejects as {@link send}. */
  react(message: ChatMessage, emoji: string, { remove = false } = {}): Promise<ChatMessage> {
    return this.#change(message, { type: 'react', emoji, remove });
  }

  /**
   * Loads earlier messages into {@link messages}.
   *
   * @param limit 1 to 100
   * @returns whether there are more
   */
  history(limit = 50): Promise<boolean> {
    return quiet(load.older().then(({ loadEarlier }) => loadEarlier(this, limit)));
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

  #change(message: ChatMessage, action: Action): Promise<ChatMessage> {
    return quiet(load.changes().then(({ change }) => change(this, message, action)));
  }
}
