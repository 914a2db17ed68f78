/**
 * How long a thing that no component uses is kept, in milliseconds. Strict mode, hot reload and navigation
 * unmount components and mount them again at once; and a render may never be mounted.
 */
const GRACE_MS = 1000;

/** How a thing is created, subscribed to and closed. */
export interface Leased<Thing> {
  make(): Thing;
  /** Calls with every change. @returns the function that ends that */
  listen(thing: Thing, listener: () => void): () => void;
  /** Closes it. @returns false if it must stay for a while */
  end(thing: Thing): boolean;
}

/** The leases in use, by the key of the thing. */
export type Leases<Thing> = Map<string, Lease<Thing>>;

/** A thing that components share: created for the first of them, closed after the last. */
export class Lease<Thing> {
  #thing: Thing | undefined;
  #holders = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly leases: Leases<Thing>,
    private readonly key: string,
    private readonly leased: Leased<Thing>,
  ) {}

  /** Returns the thing: the same one until it is closed. */
  readonly get = (): Thing => {
    if (this.#thing === undefined) {
      this.#thing = this.leased.make();
      this.leases.set(this.key, this);
      this.#wait();
    }
    return this.#thing;
  };

  /** Uses the thing. @returns the function that ends that */
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
