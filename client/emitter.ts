type Listener<Value> = (value: Value) => void;

/** Calls listeners by the name of an event. A listener that throws harms no other. */
export class Emitter<Events extends { change: undefined }> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();
  #isTelling = false;

  /** @param onThrow is given what a listener threw */
  constructor(private readonly onThrow: (error: unknown) => void) {}

  /** Calls the listener with every event of this name. @returns the function that ends it */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    this.listened(name);
    return () => void listeners.delete(listener);
  }

  /** Calls the listener after every change of what can be read here: `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => this.on('change', listener);

  /** @internal Somebody listens from now on. */
  listened(_name: keyof Events): void {}

  /** @internal */
  has(name: keyof Events): number | undefined {
    return this.#listeners.get(name)?.size;
  }

  /** @internal Tells, once for all that happens in this turn, that something can be read anew. */
  changed(): void {
    if (this.#isTelling || !this.has('change')) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this.emit('change', undefined as Events['change']);
    });
  }

  /** @internal */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as Listener<Events[Name]>)(value);
      } catch (error) {
        this.onThrow(error);
      }
    }
  }
}
