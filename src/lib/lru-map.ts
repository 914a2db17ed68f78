/** A map of bounded size: past its limit it forgets the entry that was set longest ago. */
export class LruMap<Key, Value> {
  readonly #entries = new Map<Key, Value>();

  /** @param limit the most entries that it holds */
  constructor(private readonly limit: number) {}

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  set(key: Key, value: Value): void {
    // Deleted and set again, the entry is the youngest.
    this.#entries.delete(key);
    this.#entries.set(key, value);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.limit) break;
      this.#entries.delete(oldest);
    }
  }
}
