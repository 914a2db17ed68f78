import type { ServerFrame } from '../../src/types/websocket.ts';

type Message = Extract<ServerFrame, { type: 'message' | 'update' }>;

/** What a device has of a room: all of its changes so far, in the order in which they came. */
interface View {
  rev: number;
  epoch?: string;
  messages: Message[];
  /** In the room on the open connection, out of it, or between: what comes meanwhile is in the reply. */
  state: 'out' | 'joining' | 'live';
}

/** What a user has said and what was acknowledged of it, over all of the user's devices. */
export class Author {
  readonly unacked = new Map<string, { room: string; content: string }>();
  readonly acked = new Map<string, { room: string; seq: number; messageId: number }>();

  constructor(readonly username: string) {}
}

/**
 * A client as one ought to be written: it keeps what it saw, resumes from there, and sends again what
 * was not acknowledged. It notes every breach of what the server promises.
 */
export class Device {
  readonly views = new Map<string, View>();
  readonly breaches: string[] = [];
  #socket: WebSocket | undefined;

  constructor(
    readonly author: Author,
    rooms: string[],
  ) {
    for (const room of rooms) this.views.set(room, { rev: 0, messages: [], state: 'out' });
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
      if (this.#socket === socket) this.#receive(JSON.parse(data));
    };
    return new Promise((done) => {
      socket.onopen = () => done(true);
      socket.onclose = () => done(false);
    });
  }

  /** The line is cut: no close frame, and what is on its way is lost. */
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
    this.#send({ type: 'join', username: this.author.username, protocol: 1, ...where });
  }

  leave(room: string): void {
    const view = this.#view(room);
    if (view.state !== 'live') return;
    view.state = 'out';
    this.#send({ type: 'leave', room });
  }

  /** Says something new, in a room that it is in. */
  say(room: string, content: string): void {
    if (this.#view(room).state !== 'live') return;
    const id = crypto.randomUUID();
    this.author.unacked.set(id, { room, content });
    this.#send({ type: 'message', room, content, id });
  }

  /** Sends again whatever was not acknowledged, on whichever device it was said. */
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
    if (frame.type === 'joined') this.#joined(frame);
    else if (frame.type === 'message') this.#change(frame);
    else if (frame.type === 'ack') this.#ack(frame as Required<typeof frame>);
    else if (frame.type === 'error' && !['not_joined', 'unavailable'].includes(frame.code)) {
      this.#breach(`an unexpected error: ${JSON.stringify(frame)}`);
    }
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
    for (const message of messages) this.#take(view, message);
    if (view.rev !== rev)
      this.#breach(`${room}: joined says ${rev}, its messages lead to ${view.rev}`);
    view.epoch = epoch;
    view.state = complete ? 'live' : 'out';
    if (!complete) this.join(room);
  }

  #change(message: Message): void {
    const view = this.#view(message.room);
    // What was on its way when it left is not counted, so that a resume brings it.
    if (view.state === 'live') this.#take(view, message);
  }

  #take(view: View, message: Message): void {
    if (message.rev !== view.rev + 1) {
      this.#breach(`${message.room}: ${message.rev} came after ${view.rev}`);
    }
    view.rev = message.rev ?? 0;
    view.messages.push(message);
  }

  #ack({ id, room, seq, messageId }: Required<Extract<ServerFrame, { type: 'ack' }>>): void {
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

  #breach(what: string): void {
    this.breaches.push(`${this.author.username}: ${what}`);
  }
}
