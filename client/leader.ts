import type { Link, OpenLink } from './link.ts';
import type { ClientFrame, ServerFrame } from './protocol.ts';

/** What tabs tell each other: a tab to the one that leads, … */
export type ToLeader =
  | { to: 'leader'; tab: string; kind: 'hello' | 'bye' }
  | { to: 'leader'; tab: string; kind: 'send'; frame: ClientFrame };

/** … and that one to a tab, or to all. */
export type ToTab =
  | { to: string; kind: 'opened' }
  | { to: string; kind: 'received'; text: string }
  | { to: string; kind: 'closed'; code: number; reason: string }
  | { to: 'all'; kind: 'leads' };

/** The tab that has the socket: passes on what the others send, and what comes to whom it is for. */
export class Leader {
  /** The rooms that each tab is in. */
  readonly #tabs = new Map<string, Set<string>>();
  /** Which tab waits for the answer to a frame, by its id. */
  readonly #askedBy = new Map<string, string>();
  #link: Link | undefined;
  #isOpen = false;

  constructor(
    private readonly open: OpenLink,
    private readonly tell: (message: ToTab) => void,
  ) {}

  receive(message: ToLeader): void {
    const { tab } = message;
    if (message.kind === 'hello') this.#enter(tab);
    if (message.kind === 'bye') this.#exit(tab);
    if (message.kind === 'send') this.#send(tab, message.frame);
  }

  /** Another tab leads from now on. */
  close(): void {
    this.#link?.close();
  }

  #enter(tab: string): void {
    if (!this.#tabs.has(tab)) {
      this.#tabs.set(tab, new Set());
      void navigator.locks.request(tab, () => this.#exit(tab));
    }
    if (this.#isOpen) this.tell({ to: tab, kind: 'opened' });
    this.#link ??= this.open({
      opened: () => {
        this.#isOpen = true;
        for (const each of this.#tabs.keys()) this.tell({ to: each, kind: 'opened' });
      },
      received: (text) => this.#deliver(text),
      closed: (code, reason) => {
        for (const each of this.#tabs.keys()) this.tell({ to: each, kind: 'closed', code, reason });
        this.#lost();
      },
    });
  }

  #exit(tab: string): void {
    for (const room of this.#tabs.get(tab) ?? []) this.#send(tab, { type: 'leave', room });
    if (this.#tabs.delete(tab) && this.#tabs.size === 0) {
      this.#link?.close();
      this.#lost();
    }
  }

  #lost(): void {
    this.#link = undefined;
    this.#isOpen = false;
    this.#tabs.clear();
    this.#askedBy.clear();
  }

  #send(tab: string, frame: ClientFrame): void {
    const rooms = this.#tabs.get(tab);
    if (!rooms) return;
    if (frame.type === 'join') rooms.add(frame.room ?? '');
    if (frame.type === 'leave') {
      rooms.delete(frame.room ?? '');
      if ([...this.#tabs.values()].some((others) => others.has(frame.room ?? ''))) return;
    }
    if (frame.id) this.#askedBy.set(frame.id, tab);
    if (this.#isOpen) this.#link?.send(frame);
  }

  #deliver(text: string): void {
    const frame: ServerFrame = JSON.parse(text);
    const id = 'id' in frame && typeof frame.id === 'string' ? frame.id : '';
    const asking = this.#askedBy.get(id);
    this.#askedBy.delete(id);
    // A `pong` has no id, and is a sign of life for all.
    if (asking) this.tell({ to: asking, kind: 'received', text });
    if (asking && frame.type !== 'joined') return;
    // While a tab enters a room page by page, the connection is out of it: the others see by this that they missed something.
    const shown = asking ? JSON.stringify({ ...frame, messages: [] }) : text;
    for (const tab of this.#tabs.keys()) {
      if (tab !== asking) this.tell({ to: tab, kind: 'received', text: shown });
    }
  }
}
