/** The number of latest lines that a failure can print. */
const KEPT = 200_000;

/** A breach of a promise. */
export class Breach extends Error {
  override readonly name = 'Breach';
}

/** The events of a run, line by line: equal hashes mean equal runs, and the lines explain a failure. */
export class Story {
  readonly #hash = new Bun.CryptoHasher('sha256');
  #lines: string[] = [];
  /** The first promise that was seen broken. */
  breach: Breach | undefined;
  /** The client or server that it concerns. */
  #concerned: string | undefined;
  count = 0;

  constructor(private readonly time: () => number) {}

  /** Notes an event at a client or a server. */
  tell(who: string, what: string): void {
    const line = `${clock(this.time())} ${who.padEnd(8)} ${what}`;
    this.#hash.update(line);
    this.#hash.update('\n');
    this.#lines.push(line);
    this.count += 1;
    if (this.#lines.length > 2 * KEPT) this.#lines = this.#lines.slice(-KEPT);
  }

  /** Notes that a promise was broken; only the first one counts, since others may follow from it. */
  accuse(what: string, whom?: string): void {
    this.tell('BREACH', `${whom ?? ''} ${what}`);
    if (!this.breach) this.#concerned = whom;
    this.breach ??= new Breach(whom === undefined ? what : `${whom}: ${what}`);
  }

  get hash(): string {
    return this.#hash.copy().digest('hex');
  }

  /** The latest lines that tell how the breach came about: faults, changes of rights, and the frames of its victim. */
  latest(count: number, pattern = this.#relevant): string[] {
    const short = (line: string) =>
      line.replaceAll(/\b0{8}-0000-4000-8000-0*|\be+-e+-e+-e+-e+/g, '#');
    return this.#lines
      .filter((line) => pattern.test(line))
      .slice(-count)
      .map(short);
  }

  get #relevant(): RegExp {
    return new RegExp(
      `^\\S+ (fault|operator|rights|check|BREACH|s\\d|${this.#concerned ?? 'c\\d+'}) `,
    );
  }
}

/** `0:12:03.250` */
function clock(ms: number): string {
  const [h, m, s] = [ms / 3600_000, (ms / 60_000) % 60, (ms / 1000) % 60].map(Math.floor);
  const pad = (n: number | undefined, width = 2) => `${Math.floor(n ?? 0)}`.padStart(width, '0');
  return `${h}:${pad(m)}:${pad(s)}.${pad(ms % 1000, 3)}`;
}
