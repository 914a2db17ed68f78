import type { Link, OpenLink } from './link.ts';
import type { ClientFrame, ServerFrame } from './protocol.ts';

/** A message of a tab to the leader. */
export type ToLeader =
  | { to: 'leader'; tab: string; kind: 'hello' | 'bye' }
  | { to: 'leader'; tab: string; kind: 'send'; frame: ClientFrame };

/** A message of the leader to a tab, or to all. */
export type ToTab =
  | { to: string; kind: 'opened' }
  | { to: string; kind: 'received'; text: string }
  | { to: string; kind: 'closed'; code: number; reason: string }
  | { to: 'all'; kind: 'leads' };

/** The tab that has the socket: it passes on the frames of the others, and those of the server to them. */
export class Leader {
  /** By tab: the rooms that it is in. */
  readonly #tabs = new Map<string, Set<string>>();
  /** By the id of a frame: the tab that waits for its answer. */
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
    // A `pong` has no id: it goes to all tabs.
    if (asking) this.tell({ to: asking, kind: 'received', text });
    if (asking && frame.type !== 'joined') return;
    // Between the pages of a join the connection is out of the room: this tells the other tabs what they missed.
    const shown = asking ? JSON.stringify({ ...frame, messages: [] }) : text;
    for (const tab of this.#tabs.keys()) {
      if (tab !== asking) this.tell({ to: tab, kind: 'received', text: shown });
    }
  }
}
