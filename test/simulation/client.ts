import type { ChangeFrame, ClientFrame, ServerFrame } from '../../src/protocol/frames.ts';
import type { Server } from './server.ts';
import type { ClientEnd, Line } from './sockets.ts';
import { View } from './view.ts';
import type { World } from './world.ts';

export interface Person {
  name: string;
  /** An account has a token; a guest has none. */
  isAccount: boolean;
}

/** A message that is sent again until it is acked or refused. */
interface Unsent {
  target: { room: string } | { to: string };
  content: string;
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

/** How long a client waits for an answer to its ping before it connects anew, in milliseconds. */
const PING_MS = 10_000;
/** Contract 4, promise 10, and the way there and back. */
const ANSWER_WITHIN_MS = 6000;
/** Refusals that pass. */
const PASSING = ['unavailable', 'overloaded', 'rate_limited', 'not_joined'];

/** What all simulated clients do: connect, come back, and expect an answer to all that they ask. */
export abstract class Client implements ClientEnd {
  line: Line | undefined;
  server: Server | undefined;
  connectedAt = 0;
  isAway = false;
  #isWaiting = false;
  #absences = 0;
  #heardAt = 0;
  /** The frames without an answer. */
  protected readonly asked = new Map<string, { frame: ClientFrame; at: number }>();

  constructor(
    protected readonly world: World,
    readonly name: string,
    readonly person: Person,
    private readonly servers: Server[],
  ) {
    this.#keepAlive();
  }

  get isConnected(): boolean {
    return this.line !== undefined;
  }

  /** Connects to any server that serves, as soon as there is one. */
  connect(): void {
    if (this.isConnected || this.isAway || this.#isWaiting) return;
    const serving = this.servers.filter(({ isServing }) => isServing);
    if (serving.length === 0) {
      this.#connectLater(500);
      return;
    }
    const server = this.world.pick(serving);
    this.#isWaiting = true;
    const token = JSON.stringify({ username: this.person.name, role: 'user', isForeign: false });
    const give = (ms: number) => {
      this.#isWaiting = false;
      this.#connectLater(ms);
    };
    const { process, core } = server;
    // A server that has ended meanwhile never answers.
    const cancel = this.world.after(8000, () => give(0));
    process.deliver(async () => {
      try {
        const identity = await core?.auth.identify(this.person.isAccount ? token : undefined);
        cancel();
        if (!identity || !server.isServing || !server.sockets) return give(500);
        this.#isWaiting = false;
        if (this.isAway) return;
        const address = `10.0.0.${this.name.slice(1)}`;
        const end = this.#end();
        this.line = server.sockets.connect(identity, address, end);
        end.line = this.line;
        this.server = server;
        this.connectedAt = this.world.time;
        this.#heardAt = this.world.time;
        this.world.story.tell(this.name, `${this.person.name} connects to ${server.name}`);
        this.opened();
      } catch {
        cancel();
        give(3000);
      }
    });
  }

  /** Closes the connection, and stays away for a while. */
  leaveFor(ms: number): void {
    this.#absences += 1;
    const absence = this.#absences;
    this.world.story.tell(this.name, `goes away for ${ms} ms`);
    this.isAway = true;
    this.line?.close();
    this.#lost();
    this.world.after(ms, () => {
      if (absence === this.#absences) this.comeBack();
    });
  }

  comeBack(): void {
    this.isAway = false;
    this.connect();
  }

  onFrame(text: string): void {
    const frame: ServerFrame = JSON.parse(text);
    this.#heardAt = this.world.time;
    this.world.story.tell(this.name, `gets ${text.slice(0, 400)}`);
    if (frame.type === 'error' && frame.code === 'internal') this.accuse(`got ${text}`);
    const id = 'id' in frame && typeof frame.id === 'string' ? frame.id : '';
    const asked = this.asked.get(id);
    this.asked.delete(id);
    this.handle(frame, asked?.frame);
  }

  onClose(code: number): void {
    this.world.story.tell(this.name, `is closed with ${code}`);
    this.#lost();
    this.#connectLater(code === 4401 || code === 4403 ? 10_000 : this.world.between(50, 3000));
  }

  /** Sends a frame, whose answer must come if it has an id. */
  ask(frame: ClientFrame): void {
    const text = JSON.stringify(frame);
    this.world.story.tell(this.name, `sends ${text}`);
    if ('id' in frame && frame.id !== undefined) {
      this.asked.set(frame.id, { frame, at: this.world.time });
    }
    this.line?.send(text);
  }

  accuse(what: string): void {
    const { name } = this.person;
    this.world.story.accuse(`${name} (on ${this.server?.name}): ${what}`, this.name);
  }

  protected abstract opened(): void;
  protected abstract closed(): void;
  protected abstract handle(frame: ServerFrame, asked: ClientFrame | undefined): void;

  /** Handlers of one connection: what comes from an earlier one is late. */
  #end(): ClientEnd & { line?: Line } {
    const end: ClientEnd & { line?: Line } = {
      onFrame: (text) => {
        if (this.line === end.line) this.onFrame(text);
      },
      onClose: (code) => {
        if (this.line === end.line) this.onClose(code);
      },
    };
    return end;
  }

  #lost(): void {
    this.line = undefined;
    this.asked.clear();
    this.closed();
  }

  #connectLater(ms: number): void {
    this.world.after(ms, () => this.connect());
  }

  #keepAlive(): void {
    this.world.after(1000, () => {
      this.#keepAlive();
      if (!this.line) return;
      this.#checkAnswers();
      const silence = this.world.time - this.#heardAt;
      if (silence > 2 * PING_MS) {
        this.world.story.tell(this.name, 'hears nothing, and connects anew');
        this.line.close();
        this.#lost();
        this.connect();
      } else if (silence > PING_MS) {
        this.line.send('{"type":"ping"}');
      }
    });
  }

  #checkAnswers(): void {
    const { line, server } = this;
    if (!line?.isHealthy || !server) return;
    const since = Math.max(line.healthySince, server.resumedAt);
    for (const { frame, at } of this.asked.values()) {
      const waits = this.world.time - Math.max(at, since);
      if (waits > ANSWER_WITHIN_MS && !server.process.isPaused) {
        this.accuse(`no answer for ${waits} ms to ${JSON.stringify(frame)}`);
      }
    }
  }
}

/** A client of protocol 1, which resumes, and sends again what was not acked. */
export class Resuming extends Client {
  /** The rooms that it wants to be in. */
  readonly views = new Map<string, View>();
  readonly outbox = new Map<string, Unsent>();
  readonly acked: Acked[] = [];
  /** The `rev` of each message whose change was acked. */
  readonly changed = new Map<number, number>();
  /** What came of direct rooms, by room: only shown, never joined. */
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

  post(target: Unsent['target'], content: string): void {
    const id = this.world.uuid();
    this.outbox.set(id, { target, content, isSent: false, tries: 0 });
    this.#sendUnsent();
  }

  protected opened(): void {
    for (const room of this.views.keys()) this.#join(room);
    this.#sendUnsent();
  }

  protected closed(): void {
    for (const view of this.views.values()) view.state = 'out';
    for (const unsent of this.outbox.values()) unsent.isSent = false;
    // What is shown of direct rooms begins anew with each connection.
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
      // What is sent again may come later than what was sent after it.
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
    this.#checkOrder(ack, this.outbox.get(ack.id)?.first);
    this.acked.push(ack);
    this.outbox.delete(ack.id);
  }

  /** Contract 4, promise 8: messages of one connection are stored in the order in which they were sent. */
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

/** A client of protocol 0, in one room: it is only shown messages. */
export class Basic extends Client {
  /** The messages of this connection, by id. */
  shown = new Map<number, { seq: number; content: string }>();
  isJoined = false;

  constructor(
    world: World,
    name: string,
    person: Person,
    servers: Server[],
    readonly room: string,
  ) {
    super(world, name, person, servers);
  }

  protected opened(): void {
    this.shown = new Map();
    this.isJoined = false;
    this.#join();
  }

  protected closed(): void {
    this.isJoined = false;
  }

  #join(): void {
    const { name } = this.person;
    this.ask({ type: 'join', username: name, room: this.room });
  }

  protected handle(frame: ServerFrame): void {
    if (frame.type === 'system' && frame.event === 'welcome') {
      this.isJoined = true;
      this.shown = new Map();
    }
    if (frame.type === 'error') {
      this.isJoined = false;
      this.world.after(this.world.between(1000, 5000), () => {
        if (this.line && !this.isJoined) this.#join();
      });
    }
    if (!['message', 'system', 'error', 'pong', 'ack'].includes(frame.type)) {
      this.accuse(`protocol 0 got ${frame.type}`);
    }
    if (frame.type !== 'message') return;
    const { id, seq, content } = frame as { id: number; seq: number; content: string };
    if (this.shown.has(id)) this.accuse(`message ${id} is shown twice`);
    this.shown.set(id, { seq, content });
  }
}
