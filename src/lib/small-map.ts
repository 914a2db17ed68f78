/** The most entries that are kept in an array, which is searched from its beginning. */
const FEW = 8;

/** A map of which there are many, most of them with few entries: a `Map` of one entry takes more than 300 bytes. */
export class SmallMap<Key, Value> {
  #few: { key: Key; value: Value }[] = [];
  /** All entries, once there have been more than a few. */
  #many: Map<Key, Value> | undefined;

  get size(): number {
    return this.#many?.size ?? this.#few.length;
  }

  get(key: Key): Value | undefined {
    if (this.#many) return this.#many.get(key);
    return this.#few.find((entry) => entry.key === key)?.value;
  }

  /** Adds an entry, whose key must be new. */
  add(key: Key, value: Value): void {
    if (!this.#many && this.#few.length < FEW) {
      this.#few.push({ key, value });
      return;
    }
    this.#many ??= new Map(this.#few.splice(0).map((entry) => [entry.key, entry.value]));
    this.#many.set(key, value);
  }

  delete(key: Key): void {
    if (this.#many) this.#many.delete(key);
    else this.#few = this.#few.filter((entry) => entry.key !== key);
  }

  keys(): Key[] {
    return this.#many ? [...this.#many.keys()] : this.#few.map(({ key }) => key);
  }

  values(): IteratorObject<Value> {
    return this.#many?.values() ?? this.#few.map(({ value }) => value).values();
  }
}
