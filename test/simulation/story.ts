/** How many of the latest lines a failure can tell of. */
const KEPT = 200_000;

/** A breach of a promise. */
export class Breach extends Error {
  override readonly name = 'Breach';
}

/** What happened, line by line: its hash tells whether two runs are the same, and its lines what went wrong. */
export class Story {
  readonly #hash = new Bun.CryptoHasher('sha256');
  #lines: string[] = [];
  /** The first promise that was seen broken. */
  breach: Breach | undefined;
  count = 0;

  constructor(private readonly time: () => number) {}

  /** Notes what someone did or saw. */
  tell(who: string, what: string): void {
    const line = `${clock(this.time())} ${who.padEnd(8)} ${what}`;
    this.#hash.update(line);
    this.#hash.update('\n');
    this.#lines.push(line);
    this.count += 1;
    if (this.#lines.length > 2 * KEPT) this.#lines = this.#lines.slice(-KEPT);
  }

  /** Notes that a promise was broken; only the first one counts, since others may follow from it. */
  accuse(what: string): void {
    this.tell('BREACH', what);
    this.breach ??= new Breach(what);
  }

  get hash(): string {
    return this.#hash.copy().digest('hex');
  }

  /** The latest lines, those that match if a pattern is given. */
  latest(count: number, pattern?: RegExp): string[] {
    return this.#lines.filter((line) => !pattern || pattern.test(line)).slice(-count);
  }
}

/** `0:12:03.250` */
function clock(ms: number): string {
  const [h, m, s] = [ms / 3600_000, (ms / 60_000) % 60, (ms / 1000) % 60].map(Math.floor);
  const pad = (n: number | undefined, width = 2) => `${Math.floor(n ?? 0)}`.padStart(width, '0');
  return `${h}:${pad(m)}:${pad(s)}.${pad(ms % 1000, 3)}`;
}
