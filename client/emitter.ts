type Listener<Value> = (value: Value) => void;

/** An event emitter. A listener that throws does not keep the others from being called. */
export class Emitter<Events extends { change: undefined }> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();
  #isTelling = false;

  /** @param onThrow is called with what a listener threw */
  constructor(private readonly onThrow: (error: unknown) => void) {}

  /** Adds a listener of an event. @returns the function that removes it */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    this.listened(name);
    return () => void listeners.delete(listener);
  }

  /** Adds a listener of `change`, as `useSyncExternalStore` wants it. @returns the function that removes it */
  readonly subscribe = (listener: () => void): (() => void) => this.on('change', listener);

  /** @internal A listener was added. */
  listened(_name: keyof Events): void {}

  /** @internal */
  has(name: keyof Events): number | undefined {
    return this.#listeners.get(name)?.size;
  }

  /** @internal Emits `change`, once for all changes of this turn of the event loop. */
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
