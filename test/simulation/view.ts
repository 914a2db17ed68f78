import type { ChangeFrame, ServerFrameOf } from '../../src/protocol/frames.ts';

type Joined = ServerFrameOf<'joined'>;

/** The state of a room at one client of protocol 1. */
export class View {
  rev = 0;
  epoch: string | undefined;
  /** Every change after this `rev` must be here. */
  from = 0;
  state: 'out' | 'joining' | 'live' = 'out';
  readonly messages = new Map<number, ChangeFrame>();
  /** The pages in a row that brought nothing, and were not the last. */
  #empty = 0;

  /** @param isFromStart whether it begins with the room's first message rather than its newest ones */
  constructor(
    readonly isFromStart: boolean,
    private readonly accuse: (what: string) => void,
  ) {}

  /** The cursor of the next join. */
  get cursor(): { since?: number; epoch?: string } {
    if (this.epoch !== undefined) return { since: this.rev, epoch: this.epoch };
    return this.isFromStart ? { since: 0 } : {};
  }

  join({ rev, epoch, messages, reset, complete }: Joined): void {
    const isNew = this.epoch === undefined;
    if (this.epoch !== undefined && this.epoch !== epoch && !reset) {
      this.accuse(`epoch ${epoch} in place of ${this.epoch} without a reset`);
    }
    if (reset) this.messages.clear();
    if (reset || (isNew && !this.isFromStart)) this.from = rev;
    if (!isNew && !reset && rev < this.rev) this.accuse(`joined at ${rev}, after ${this.rev}`);
    const seen = new Set<number>();
    for (const message of messages) {
      if (seen.has(message.id)) this.accuse(`message ${message.id} is twice on a page`);
      seen.add(message.id);
      if (!isNew && !reset && message.rev <= this.rev) {
        this.accuse(`a page after ${this.rev} has the change ${message.rev}`);
      }
      this.#apply(message);
    }
    this.#empty = complete || rev > this.rev ? 0 : this.#empty + 1;
    if (this.#empty > 20) this.accuse(`no page brings anything after ${rev}`);
    this.rev = rev;
    this.epoch = epoch;
    this.state = complete ? 'live' : 'joining';
  }

  /** @returns false for a hole: the client has to resume */
  take(change: ChangeFrame): boolean {
    if (change.rev <= this.rev) {
      this.accuse(`the change ${change.rev} came live after ${this.rev}`);
      return true;
    }
    if (change.rev > this.rev + 1) return false;
    this.#apply(change);
    this.rev = change.rev;
    return true;
  }

  #apply(message: ChangeFrame): void {
    if ((message.type === 'message') !== (message.rev === message.seq)) {
      this.accuse(`the change ${message.rev} of ${message.seq} came as ${message.type}`);
    }
    const known = this.messages.get(message.id);
    if (known && known.rev > message.rev) {
      this.accuse(`message ${message.id} went from ${known.rev} back to ${message.rev}`);
    }
    this.messages.set(message.id, message);
  }
}

/** A message as a client has it, to be compared with the stored one. */
export function describe({ seq, rev, content, deletedAt, reactions = [] }: Described): string {
  const reacted = reactions.map(({ emoji, usernames }) => `${emoji}${usernames.join(',')}`);
  return `${seq} ${rev} ${content} ${deletedAt !== undefined} ${reacted.join(' ')}`;
}

type Described = Partial<Pick<ChangeFrame, 'seq' | 'rev' | 'content' | 'deletedAt' | 'reactions'>>;
