/**
 * How long something stays when no component uses it, in milliseconds. Strict mode, hot reload and a move
 * to another page take what they use away and give it back at once; a render may also never be shown.
 */
const GRACE_MS = 1000;

/** How something is made, heard and given up. */
export interface Leased<Thing> {
  make(): Thing;
  /** Calls with every change. @returns the function that ends it */
  listen(thing: Thing, listener: () => void): () => void;
  /** @returns whether it could be given up; otherwise it stays a while longer */
  end(thing: Thing): boolean;
}

/** The leases that are in use, by what they are for. */
export type Leases<Thing> = Map<string, Lease<Thing>>;

/** Something that components share, which is made when the first of them needs it and ends after the last. */
export class Lease<Thing> {
  #thing: Thing | undefined;
  #holders = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly leases: Leases<Thing>,
    private readonly key: string,
    private readonly leased: Leased<Thing>,
  ) {}

  /** The thing: the same one until it ends. */
  readonly get = (): Thing => {
    if (this.#thing === undefined) {
      this.#thing = this.leased.make();
      this.leases.set(this.key, this);
      this.#wait();
    }
    return this.#thing;
  };

  /** Keeps the thing. @returns the function that lets go of it */
  readonly subscribe = (listener: () => void): (() => void) => {
    const off = this.leased.listen(this.get(), listener);
    this.#holders++;
    return () => {
      off();
      this.#holders--;
      this.#wait();
    };
  };

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#thing === undefined || this.#holders > 0) return;
      if (!this.leased.end(this.#thing)) return this.#wait();
      this.#thing = undefined;
      this.leases.delete(this.key);
    }, GRACE_MS);
  }
}
