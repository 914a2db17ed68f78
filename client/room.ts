import type { Action } from './changes.ts';
import type { ChatError } from './error.ts';
import { Feed } from './feed.ts';
import { background, load } from './lazy.ts';
import type { ChatMessage } from './messages.ts';
import { quiet } from './quiet.ts';
import type { NewMessage } from './room-types.ts';

/** A room, or a direct conversation. */
export class Room extends Feed {
  /** The messages in order, unconfirmed ones last. The same array until something changes. */
  get messages(): readonly ChatMessage[] {
    return this.list.snapshot;
  }

  /** Whether {@link history} can load earlier ones. */
  get hasMore(): boolean {
    return this.list.from > 1;
  }

  /**
   * Sends a message, which is shown at once. Resolves with it when it is stored; rejects with a
   * {@link ChatError} when it is refused for good.
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

  /** Edits a message of the user's. Resolves and rejects as {@link send}. */
  edit(message: ChatMessage, content: string): Promise<ChatMessage> {
    return this.#change(message, { type: 'edit', content });
  }

  /** Deletes a message of the user's. Resolves and rejects as {@link send}. */
  delete(message: ChatMessage): Promise<ChatMessage> {
    return this.#change(message, { type: 'delete' });
  }

  /** Adds a reaction to a message, or removes it. Resolves and rejects as {@link send}. */
  react(message: ChatMessage, emoji: string, { remove = false } = {}): Promise<ChatMessage> {
    return this.#change(message, { type: 'react', emoji, remove });
  }

  /**
   * Loads earlier messages into {@link messages}.
   *
   * @param limit how many, 1 to 100
   * @returns whether there are more
   */
  history(limit = 50): Promise<boolean> {
    return quiet(load.history().then(({ loadEarlier }) => loadEarlier(this, limit)));
  }

  /** Marks messages as read. @param seq of the last one. Default: the newest */
  read(seq?: number): void {
    background(({ read }) => read(this, seq));
  }

  /** Tells the others that the user is typing; call it with every key. */
  typing(): void {
    background(({ type }) => type(this));
  }

  /** Sends an event that is not stored; rejects without a connection. */
  event(name: string, data?: unknown): Promise<void> {
    return background(({ event }) => event(this, name, data));
  }

  /** Finds the messages that have all of some words, newest first. Rejects with a {@link ChatError}. */
  search(words: string): Promise<ChatMessage[]> {
    return quiet(this.host.api.then((api) => api.search(this.name, words)));
  }

  /** The messages from now on, each once, however slow the loop is. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ChatMessage, void> {
    const place = this.isLive ? Math.max(this.list.newest, this.list.from - 1) : undefined;
    const { follow } = await load.history();
    yield* follow(this, place);
  }

  /** Leaves the room. Unsent messages stay in the outbox until it is entered again. */
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
