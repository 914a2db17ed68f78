import type { ChangeFrame, ServerFrame } from '../../src/protocol/frames.ts';

/** The view that a client of protocol 1 has of a room, and every breach of the guarantees. */
export class View {
  rev = 0;
  epoch: string | undefined;
  readonly messages = new Map<number, ChangeFrame>();
  readonly breaches: string[] = [];

  /** @param gaps whether a change may be left out live, since a later one that is known has replaced it */
  constructor(private readonly gaps: 'allowed' | 'forbidden' = 'forbidden') {}

  /** Applies the frames that a connection was sent. */
  take(frames: ServerFrame[]): void {
    for (const frame of frames) {
      if (frame.type === 'joined') this.#join(frame);
      else if ((frame.type === 'message' || frame.type === 'update') && 'rev' in frame) {
        const isNext = this.gaps === 'allowed' ? frame.rev > this.rev : frame.rev === this.rev + 1;
        if (!isNext) this.breaches.push(`${frame.rev} came after ${this.rev}`);
        this.#apply(frame);
      }
    }
  }

  /** The contents of the messages that are not deleted, by `seq`. */
  get contents(): string[] {
    const shown = [...this.messages.values()].filter(({ deletedAt }) => !deletedAt);
    return shown.sort((a, b) => a.seq - b.seq).map(({ content }) => content);
  }

  #join({ rev, epoch, messages, reset }: Extract<ServerFrame, { type: 'joined' }>): void {
    if (reset) {
      this.messages.clear();
      this.rev = 0;
    }
    const isNew = this.rev === 0;
    if (new Set(messages.map(({ id }) => id)).size < messages.length) {
      this.breaches.push('a page holds a message twice');
    }
    for (const message of messages) {
      // Newcomers and clients after a reset get the newest messages by `seq`; all others the changes, by `rev`.
      if (!isNew && message.rev <= this.rev) {
        this.breaches.push(`a page brings ${message.rev} after ${this.rev}`);
      }
      this.#apply(message);
    }
    this.rev = rev;
    this.epoch = epoch;
  }

  #apply(message: ChangeFrame): void {
    if ((message.type === 'message') !== (message.rev === message.seq)) {
      this.breaches.push(`${message.rev} came as ${message.type}`);
    }
    this.rev = Math.max(this.rev, message.rev);
    this.messages.set(message.id, message);
  }
}
