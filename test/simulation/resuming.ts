import type { ChangeFrame, ClientFrame, ServerFrame } from '../../src/protocol/frames.ts';
import { Client } from './client.ts';
import type { Line } from './sockets.ts';
import { View } from './view.ts';

/** A message that is sent again until it is acked or refused. */
interface Unsent {
  target: { room: string } | { to: string };
  content: string;
  /** It is edited as soon as it is acked, so that others may get only its later state. */
  correction?: string | undefined;
  isSent: boolean;
  tries: number;
  /** Set when it was sent for the first time: its place among the messages of its connection. */
  first?: { line: Line | undefined; place: number } | undefined;
}

/** The reply that a message got. */
export interface Acked {
  id: string;
  room: string;
  messageId: number;
  seq: number;
}

/** Refusals that pass. */
const PASSING = ['unavailable', 'overloaded', 'rate_limited', 'not_joined'];

/** A client of protocol 1, which resumes, and sends unacked messages again. */
export class Resuming extends Client {
  /** The rooms that it wants to be in. */
  readonly views = new Map<string, View>();
  readonly outbox = new Map<string, Unsent>();
  readonly acked: Acked[] = [];
  /** The `rev` of each message whose change was acked. */
  readonly changed = new Map<number, number>();
  /** The changes of direct rooms, by room: only shown, never joined. */
  readonly direct = new Map<string, Map<number, ChangeFrame>>();
  readonly #directRev = new Map<string, number>();
  /** The codes of refused joins by room, and of refused `typing` frames. */
  readonly refusals = new Map<string, string>();
  /** The time of the first reply to a join; direct messages come from then on. */
  readyAt = 0;
  isBatching = false;
  #sent = 0;
  /** The latest messages that were stored at the first try. */
  readonly #placed: { room: string; messageId: number; line: Line | undefined; place: number }[] =
    [];

  want(room: string, isFromStart: boolean): void {
    this.views.set(room, new View(isFromStart, (what) => this.accuse(`in ${room}: ${what}`)));
  }

  /** Messages that it knows, in a room that it is in. */
  known(room: string): ChangeFrame[] {
    const view = this.views.get(room);
    return view?.state === 'live' ? [...view.messages.values()] : [];
  }

  post(target: Unsent['target'], content: string, correction?: string): void {
    const id = this.world.uuid();
    this.outbox.set(id, { target, content, correction, isSent: false, tries: 0 });
    this.#sendUnsent();
  }

  /** The page is loaded anew: it knows nothing of its rooms any more. */
  forget(): void {
    for (const [room, { isFromStart }] of this.views) this.want(room, isFromStart);
  }

  protected opened(): void {
    for (const room of this.views.keys()) this.#join(room);
    this.#sendUnsent();
  }

  protected closed(): void {
    for (const view of this.views.values()) view.state = 'out';
    for (const unsent of this.outbox.values()) unsent.isSent = false;
    // The changes of direct rooms begin anew with each connection.
    this.readyAt = 0;
    this.direct.clear();
    this.#directRev.clear();
  }

  rejoin(room: string): void {
    const view = this.views.get(room);
    if (view?.state === 'out' && this.isConnected) this.#join(room);
  }

  #join(room: string): void {
    const view = this.views.get(room) as View;
    view.state = 'joining';
    const batch = this.isBatching ? { batch: true } : {};
    const { name } = this.person;
    const id = this.world.uuid();
    this.ask({ type: 'join', id, username: name, protocol: 1, room, ...batch, ...view.cursor });
  }

  /** In their order; those of a room once it is joined. */
  #sendUnsent(): void {
    if (!this.isConnected) return;
    for (const [id, unsent] of this.outbox) {
      const { target, content, isSent } = unsent;
      const isReady =
        'room' in target
          ? this.views.get(target.room)?.state === 'live'
          : [...this.views.values()].some(({ state }) => state === 'live');
      if (isSent || !isReady) continue;
      unsent.isSent = true;
      this.#sent += 1;
      // A message that is sent again may come later than those sent after it.
      unsent.first = unsent.tries === 0 ? { line: this.line, place: this.#sent } : undefined;
      unsent.tries += 1;
      this.ask({ type: 'message', id, ...target, content });
    }
  }

  protected handle(frame: ServerFrame, asked: ClientFrame | undefined): void {
    switch (frame.type) {
      case 'joined': {
        const view = this.views.get(frame.room);
        if (!view || !asked) {
          this.accuse(`an unasked join of ${frame.room}`);
          return;
        }
        view.join(frame);
        if (this.readyAt === 0) this.readyAt = this.world.time;
        this.refusals.delete(frame.room);
        if (!frame.complete) this.#join(frame.room);
        this.#sendUnsent();
        return;
      }
      case 'message':
      case 'update':
        if ('rev' in frame) this.#take(frame);
        return;
      case 'changes':
        for (const change of frame.changes) this.#take(change);
        return;
      case 'ack':
        if (asked?.type === 'message') this.#acknowledge(frame as unknown as Acked);
        else if (frame.messageId !== undefined && frame.rev !== undefined) {
          const before = this.changed.get(frame.messageId) ?? 0;
          this.changed.set(frame.messageId, Math.max(before, frame.rev));
        }
        return;
      case 'error':
        this.#refused(frame.code, asked, frame.content);
    }
  }

  #take(change: ChangeFrame): void {
    const view = this.views.get(change.room);
    if (!view) {
      this.#takeDirect(change);
    } else if (view.state === 'out') {
      this.accuse(`${change.rev} came from ${change.room}, where it is not`);
    } else if (view.state === 'live' && !view.take(change)) {
      this.world.story.tell(this.name, `misses changes of ${change.room}, and resumes`);
      this.#join(change.room);
    }
    // While it joins, the reply has all that came before.
  }

  #takeDirect(change: ChangeFrame): void {
    if (!change.to) this.accuse(`a change of ${change.room}, which it has not joined`);
    const before = this.#directRev.get(change.room) ?? 0;
    if (change.rev <= before) this.accuse(`${change.room}: ${change.rev} came after ${before}`);
    this.#directRev.set(change.room, change.rev);
    const shown = this.direct.get(change.room) ?? new Map();
    this.direct.set(change.room, shown.set(change.id, change));
  }

  #acknowledge(ack: Acked): void {
    const before = this.acked.find(({ id }) => id === ack.id);
    if (before && before.messageId !== ack.messageId) this.accuse(`two acks of ${ack.id}`);
    const { first, correction } = this.outbox.get(ack.id) ?? {};
    this.#checkOrder(ack, first);
    this.acked.push(ack);
    this.outbox.delete(ack.id);
    if (correction === undefined) return;
    const { messageId } = ack;
    this.ask({ type: 'edit', id: this.world.uuid(), messageId, content: correction });
  }

  /** Rule 8 of delivery: messages of one connection are stored in the order in which they were sent. */
  #checkOrder({ room, messageId }: Acked, first: Unsent['first']): void {
    if (!first) return;
    const { line, place } = first;
    for (const other of this.#placed) {
      if (other.room !== room || other.line !== line) continue;
      // Ids rise in a room, and in the next room of its name.
      if (other.place < place === other.messageId < messageId) continue;
      this.accuse(`${messageId} and ${other.messageId} were sent to ${room} in the other order`);
    }
    this.#placed.push({ room, messageId, line, place });
    if (this.#placed.length > 50) this.#placed.shift();
  }

  #refused(code: string, asked: ClientFrame | undefined, content: string): void {
    if (!asked) {
      // It is out of a room.
      for (const [room, view] of this.views) {
        if (!content.includes(`"${room}"`)) continue;
        view.state = 'out';
        this.#later(5000, () => this.rejoin(room));
      }
      return;
    }
    if (asked.type === 'typing') this.refusals.set(`typing ${asked.room}`, code);
    if (asked.type === 'join') {
      const room = asked.room ?? 'general';
      (this.views.get(room) as View).state = 'out';
      this.refusals.set(room, code);
      this.#later(PASSING.includes(code) ? 1000 : 10_000, () => this.rejoin(room));
    }
    if (asked.type !== 'message' || asked.id === undefined) return;
    const unsent = this.outbox.get(asked.id);
    if (code === 'conflict') this.accuse(`its message ${asked.id} is a conflict`);
    if (!unsent) return;
    if (!PASSING.includes(code)) {
      this.outbox.delete(asked.id);
      return;
    }
    unsent.isSent = false;
    this.#later(1000, () => this.#sendUnsent());
  }

  #later(ms: number, run: () => void): void {
    const { line } = this;
    this.world.after(this.world.between(ms / 2, ms), () => {
      if (line === this.line) run();
    });
  }
}
