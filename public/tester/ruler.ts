import type { AnyFrame } from './wire.ts';

/** How a change came: as it happened, by a resume, not yet, or more than once. */
export type Mark = 'live' | 'resumed' | 'missing' | 'twice';

/** Changes that are remembered. */
const KEPT = 2000;

/** Holds a room's changes, as the library hands them out, against the numbers that they must have. */
export class Ruler {
  readonly marks = new Map<number, Mark>();
  /** The newest change that anything is known of. */
  top = 0;
  /** How many came by a resume. */
  resumed = 0;
  twice = 0;
  /** How often one came after a later one. */
  disorder = 0;
  #begun = false;
  #last = 0;
  /** What a `joined` holds: it comes by a resume. */
  #inReply = new Set<number>();

  get missing(): number {
    return [...this.marks.values()].filter((mark) => mark === 'missing').length;
  }

  /** A frame of the room came in on the wire. */
  frame({ type, rev, messages = [], changes = [], reset }: AnyFrame, isDropped: boolean): void {
    for (const change of changes) this.#reach(change.rev);
    if (rev === undefined) return;
    if (type !== 'joined') return void this.#reach(rev);
    if (isDropped) return;
    if (!this.#begun || reset) return void this.#begin(rev);
    this.#reach(rev);
    this.#inReply = new Set(messages.map((message) => message.rev));
    // A message that changed twice in between comes once, as it now is.
    for (const [number, mark] of this.marks) {
      if (mark === 'missing' && number <= rev && !this.#inReply.has(number)) this.#resume(number);
    }
  }

  /** The library handed out a change. */
  shown(rev: number): void {
    this.#reach(rev);
    const mark = this.marks.get(rev);
    if (mark === undefined) return;
    if (mark !== 'missing') {
      this.twice++;
      this.marks.set(rev, 'twice');
    } else if (this.#inReply.has(rev)) this.#resume(rev);
    else this.marks.set(rev, 'live');
    if (rev < this.#last) this.disorder++;
    this.#last = Math.max(this.#last, rev);
  }

  #begin(rev: number): void {
    this.#begun = true;
    this.marks.clear();
    this.top = this.#last = rev;
  }

  #resume(rev: number): void {
    this.marks.set(rev, 'resumed');
    this.resumed++;
  }

  #reach(rev: number): void {
    if (!this.#begun) return;
    while (this.top < rev) this.marks.set(++this.top, 'missing');
    for (const [number] of this.marks) {
      if (this.marks.size <= KEPT) return;
      this.marks.delete(number);
    }
  }
}
