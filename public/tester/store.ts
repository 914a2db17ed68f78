import { useSyncExternalStore } from 'preact/compat';
import { useCallback } from 'preact/hooks';

/** What tells when it can be read anew; the client's objects are such. */
export interface Source {
  readonly subscribe: (listener: () => void) => () => void;
}

/** A value that components follow. */
export class Store<Value> implements Source {
  readonly #listeners = new Set<() => void>();

  constructor(public value: Value) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  set(value: Value): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const listener of [...this.#listeners]) listener();
  }
}

export function useStore<Value>(store: Store<Value>): Value {
  return useSyncExternalStore(store.subscribe, () => store.value);
}

/** Follows a source that may change hundreds of times a second: looks once in each frame of the screen. */
export function useLive<Value>(source: Source, read: () => Value): Value {
  const subscribe = useCallback(
    (tell: () => void) => {
      let frame = 0;
      const end = source.subscribe(() => {
        frame ||= requestAnimationFrame(() => {
          frame = 0;
          tell();
        });
      });
      return () => {
        end();
        cancelAnimationFrame(frame);
      };
    },
    [source],
  );
  return useSyncExternalStore(subscribe, read);
}
