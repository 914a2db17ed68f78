import type { Source } from './store.ts';

export type Direction = 'in' | 'out' | 'note';

/** A frame that passed, or something that happened to the connection. */
export interface LogEntry {
  readonly n: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly direction: Direction;
  readonly type: string;
  /** As it travelled, but for tokens. */
  readonly text: string;
  /** In bytes. */
  readonly size: number;
  /** Milliseconds from a frame to its reply; of both. */
  roundTrip?: number;
  /** The number of the entry that this one answers, or that answers it. */
  other?: number;
  /** The code of the error that the frame caused, or is. */
  error?: string;
  fate?: 'dropped' | 'held';
}

/** What is done to the connection. */
export type Fault =
  | { readonly kind: 'none' | 'drop' | 'hold' | 'kill' }
  | { readonly kind: 'delay'; readonly ms: number };

/** As much of a frame as the inspector looks at. */
export interface AnyFrame {
  readonly type: string;
  readonly id?: string;
  readonly sentAt?: number;
  readonly room?: string;
  readonly rev?: number;
  readonly code?: string;
  readonly messages?: readonly { readonly rev: number }[];
  readonly changes?: readonly { readonly rev: number }[];
  readonly complete?: boolean;
  readonly reset?: boolean;
}

/** Entries that are kept, and their bytes. */
const MAX_ENTRIES = 5000;
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_ASKED = 1000;
const encoder = new TextEncoder();

/** The log of a connection, and the scissors for it. */
export class Wire implements Source {
  entries: readonly LogEntry[] = [];
  fault: Fault = { kind: 'none' };
  #bytes = 0;
  #count = 0;
  readonly #asked = new Map<string, LogEntry>();
  readonly #listeners = new Set<() => void>();
  readonly #watchers = new Set<(frame: AnyFrame, isDropped: boolean) => void>();
  readonly #faultListeners = new Set<(fault: Fault) => void>();
  #pending: LogEntry[] = [];

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Is told of every frame that arrives, before the client is. */
  watch(watcher: (frame: AnyFrame, isDropped: boolean) => void): void {
    this.#watchers.add(watcher);
  }

  onFault(listener: (fault: Fault) => void): () => void {
    this.#faultListeners.add(listener);
    return () => void this.#faultListeners.delete(listener);
  }

  setFault(fault: Fault): void {
    this.fault = fault;
    this.#changed();
    for (const listener of [...this.#faultListeners]) listener(fault);
  }

  /** Writes down a frame. */
  log(direction: Direction, data: string, fate?: LogEntry['fate']): LogEntry {
    const frame = parse(data);
    const text = data.replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, 'eyJ…');
    const entry: LogEntry = {
      n: ++this.#count,
      at: Date.now(),
      direction,
      type: frame.type,
      text,
      size: encoder.encode(data).length,
      ...(fate && { fate }),
      ...(frame.code && direction === 'in' && { error: frame.code }),
    };
    const id = frame.id ?? (frame.sentAt === undefined ? undefined : `${frame.sentAt}`);
    if (id !== undefined) this.#match(entry, id);
    this.#pending.push(entry);
    this.#bytes += entry.size;
    this.#changed();
    return entry;
  }

  /** Writes down what happened to the connection. */
  note(type: 'open' | 'close' | 'connect' | 'fault', details: object): void {
    this.log('note', JSON.stringify({ type, ...details }));
  }

  /** A frame reaches the client, or never does. */
  arrived(data: string, isDropped: boolean): void {
    const frame = parse(data);
    for (const watcher of this.#watchers) watcher(frame, isDropped);
    this.#changed();
  }

  clear(): void {
    this.#pending = [];
    this.entries = [];
    this.#bytes = 0;
    this.#changed();
  }

  /** The entries as they are now; a new array only when there is something new. */
  snapshot(): readonly LogEntry[] {
    if (this.#pending.length === 0) return this.entries;
    const entries = [...this.entries, ...this.#pending];
    this.#pending = [];
    let excess = Math.max(0, entries.length - MAX_ENTRIES);
    for (const { size } of entries.slice(0, excess)) this.#bytes -= size;
    while (this.#bytes > MAX_BYTES) this.#bytes -= entries[excess++]?.size ?? 0;
    this.entries = entries.slice(excess);
    return this.entries;
  }

  #match(entry: LogEntry, id: string): void {
    if (entry.direction === 'out') {
      this.#asked.set(id, entry);
      if (this.#asked.size > MAX_ASKED) this.#asked.delete(this.#asked.keys().next().value ?? '');
      return;
    }
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    asked.roundTrip = entry.roundTrip = entry.at - asked.at;
    asked.other = entry.n;
    entry.other = asked.n;
    if (entry.error) asked.error = entry.error;
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

function parse(data: string): AnyFrame {
  try {
    const frame = JSON.parse(data);
    return typeof frame?.type === 'string' ? frame : { type: '?' };
  } catch {
    return { type: '?' };
  }
}
