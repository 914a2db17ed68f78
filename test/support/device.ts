import type { ChangeFrame, ServerFrame } from '../../src/protocol/frames.ts';
import { parseServerFrame } from './server-frame.ts';

type Message = ChangeFrame;

/** A device's view of a room: its messages, each in the state of the last change that it has seen. */
interface View {
  rev: number;
  epoch?: string;
  messages: Map<number, Message>;
  /** In the room on the open connection, out of it, or between: changes that come meanwhile are in the reply. */
  state: 'out' | 'joining' | 'live';
}

/** A change that a user makes to a message. */
export type Deed =
  | { type: 'edit'; content: string }
  | { type: 'delete' }
  | { type: 'react'; emoji: string; remove: boolean };

/** The messages and changes of a user over all devices, and those of them that were acknowledged. */
export class Author {
  readonly unacked = new Map<string, { room: string; content: string }>();
  readonly acked = new Map<string, { room: string; seq: number; messageId: number }>();
  readonly tried = new Map<string, { messageId: number; deed: Deed }>();
  /** By room and `rev`. */
  readonly done = new Map<string, { messageId: number; deed: Deed }>();

  constructor(readonly username: string) {}
}

/** The prefix of the ids of joins. */
const JOIN = 'join ';
const EXPECTED: string[] = ['not_joined', 'unavailable', 'not_found'];

/**
 * A well-written client: it keeps its state, resumes from there, and sends unacknowledged frames again. It
 * notes every breach of the server's guarantees.
 */
export class Device {
  readonly views = new Map<string, View>();
  readonly breaches: string[] = [];
  #socket: WebSocket | undefined;
  readonly #settling = new Map<string, () => void>();

  /** @param holes whether a hole in the live changes is to be resumed; otherwise it is a breach */
  constructor(
    readonly author: Author,
    rooms: string[],
    private readonly holes: 'resumed' | 'forbidden' = 'forbidden',
  ) {
    for (const room of rooms) this.views.set(room, { rev: 0, messages: new Map(), state: 'out' });
  }

  get isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** @returns whether it worked; a server that was just killed is no breach */
  async connect(url: string): Promise<boolean> {
    const socket = new WebSocket(url);
    this.#socket = socket;
    for (const view of this.views.values()) view.state = 'out';
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#receive(parseServerFrame(data));
    };
    return new Promise((done) => {
      socket.onopen = () => done(true);
      socket.onclose = () => done(false);
    });
  }

  /** The connection is cut: no close frame, and frames on their way are lost. */
  drop(): void {
    const socket = this.#socket as (WebSocket & { terminate(): void }) | undefined;
    this.#socket = undefined;
    socket?.terminate();
  }

  /** Enters a room, or resumes it, from where this device is. */
  join(room: string): void {
    const view = this.#view(room);
    if (!this.isConnected || view.state === 'joining') return;
    view.state = 'joining';
    const where = { room, since: view.rev, ...(view.epoch && { epoch: view.epoch }) };
    const id = `${JOIN}${room}`;
    this.#send({ type: 'join', username: this.author.username, protocol: 1, id, ...where });
  }

  leave(room: string): void {
    const view = this.#view(room);
    if (view.state !== 'live') return;
    view.state = 'out';
    this.#send({ type: 'leave', room });
  }

  /** Posts a new message, in a room that it is in. */
  say(room: string, content: string): void {
    if (this.#view(room).state !== 'live') return;
    const id = crypto.randomUUID();
    this.author.unacked.set(id, { room, content });
    this.#send({ type: 'message', room, content, id });
  }

  /** Changes a message that it sees. A change that is not acknowledged is not tried again. */
  change(messageId: number, deed: Deed): void {
    const id = crypto.randomUUID();
    this.author.tried.set(id, { messageId, deed });
    this.#send({ ...deed, messageId, id });
  }

  /** Returns when the server has handled all frames of this connection, or the connection is cut. */
  async settle(): Promise<void> {
    const socket = this.#socket;
    if (!socket || !this.isConnected) return;
    const id = crypto.randomUUID();
    const settled = new Promise<void>((done) => {
      this.#settling.set(id, done);
      socket.addEventListener('close', () => done());
    });
    // Refused in its turn, since the device is not in this room.
    this.#send({ type: 'leave', room: 'nowhere', id });
    await settled;
    this.#settling.delete(id);
  }

  /** Sends all unacknowledged messages again, from whichever device they were posted. */
  resend(): void {
    for (const [id, { room, content }] of this.author.unacked) {
      if (this.#view(room).state === 'live') {
        this.#send({ type: 'message', room, content, id });
      }
    }
  }

  #send(frame: object): void {
    if (this.isConnected) this.#socket?.send(JSON.stringify(frame));
  }

  #receive(frame: ServerFrame): void {
    if (frame.type === 'error' && frame.id !== undefined) this.#failed(frame.id);
    if (frame.type === 'joined') this.#joined(frame);
    else if (frame.type === 'message' || frame.type === 'update') this.#change(frame as Message);
    else if (frame.type === 'ack') this.#ack(frame as Required<typeof frame>);
    // A change may come too late for a message that someone has deleted meanwhile.
    else if (frame.type === 'error' && !EXPECTED.includes(frame.code)) {
      this.#breach(`an unexpected error: ${JSON.stringify(frame)}`);
    }
  }

  #failed(id: string): void {
    this.#settling.get(id)?.();
    if (id.startsWith(JOIN)) this.#view(id.slice(JOIN.length)).state = 'out';
  }

  #joined({
    room,
    rev,
    epoch,
    messages,
    complete,
    reset,
  }: Extract<ServerFrame, { type: 'joined' }>) {
    const view = this.#view(room);
    if (reset) this.#breach(`${room} was reset at ${view.rev}`);
    if (new Set(messages.map(({ id }) => id)).size < messages.length) {
      this.#breach(`${room}: joined holds a message twice`);
    }
    for (const message of messages) this.#take(view, message, 'any');
    if (view.rev !== rev)
      this.#breach(`${room}: joined says ${rev}, its messages lead to ${view.rev}`);
    view.epoch = epoch;
    view.state = complete ? 'live' : 'out';
    if (!complete) this.join(room);
  }

  #change(message: Message): void {
    const view = this.#view(message.room);
    // Changes that were on their way when it left are not counted, so that a resume brings them.
    if (view.state !== 'live') return;
    const isHole = (message.rev ?? 0) > view.rev + 1;
    if (!isHole || this.holes === 'forbidden') {
      this.#take(view, message, 'next');
      return;
    }
    view.state = 'out';
    this.join(message.room);
  }

  /** Live, each change is the next one; the reply to a join lacks those that a later one replaced. */
  #take(view: View, message: Message, which: 'next' | 'any'): void {
    const { rev = 0, room, id, type, seq } = message;
    if (which === 'next' ? rev !== view.rev + 1 : rev <= view.rev) {
      this.#breach(`${room}: ${rev} came after ${view.rev}`);
    }
    if ((type === 'message') !== (rev === seq)) this.#breach(`${room}: ${rev} came as ${type}`);
    view.rev = rev;
    view.messages.set(id, message);
  }

  #ack({ id, room, seq, messageId, rev }: Required<Extract<ServerFrame, { type: 'ack' }>>): void {
    const tried = this.author.tried.get(id);
    if (tried) {
      this.author.done.set(`${room} ${rev}`, tried);
      return;
    }
    const before = this.author.acked.get(id);
    if (before && (before.seq !== seq || before.messageId !== messageId)) {
      this.#breach(`${id} was acknowledged as ${before.seq} and as ${seq}`);
    }
    this.author.acked.set(id, { room, seq, messageId });
    this.author.unacked.delete(id);
  }

  #view(room: string): View {
    return this.views.get(room) as View;
  }

  #breach(fault: string): void {
    this.breaches.push(`${this.author.username}: ${fault}`);
  }
}
