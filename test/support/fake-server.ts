import type { StoredMessage, WebSocketConstructor, WebSocketLike } from '../../client/index.ts';

type Frame = Record<string, unknown> & { type: string; id?: string; room?: string };

interface FakeRoom {
  epoch: string;
  rev: number;
  messages: StoredMessage[];
}

const PAGE = 500;

/** A server in the process of the test, with the part of protocol 1 that the library needs and sockets without a network. */
export class FakeServer {
  readonly sockets = new Set<FakeSocket>();
  /** Every received frame, in order. */
  readonly received: Frame[] = [];
  readonly rooms = new Map<string, FakeRoom>();
  /** No connection can be opened. */
  isAway = false;
  /** Frames that arrive are lost silently. */
  isSilent = false;
  connects = 0;
  /** Takes a frame in place of the server; false leaves it to the server. */
  intercept: (frame: Frame, socket: FakeSocket) => boolean = () => false;

  readonly WebSocket: WebSocketConstructor;

  constructor() {
    const server = this;
    this.WebSocket = class extends FakeSocket {
      constructor() {
        super(server);
      }
    };
  }

  room(name: string): FakeRoom {
    const room = this.rooms.get(name) ?? { epoch: `epoch of ${name}`, rev: 0, messages: [] };
    this.rooms.set(name, room);
    return room;
  }

  /** A user posts a message. */
  say(name: string, content: string, username = 'ben', clientId?: string): StoredMessage {
    const room = this.room(name);
    const known = room.messages.find((m) => clientId && m.clientId === clientId);
    if (known) return known;
    room.rev += 1;
    const { rev } = room;
    const createdAt = new Date(0).toISOString();
    const place = { id: rev, room: name, seq: rev, rev, userId: 1, username, content, createdAt };
    const message = { ...place, ...(clientId && { clientId }) };
    room.messages.push(message);
    this.publish(name, { type: 'message', ...message });
    return message;
  }

  /** A user changes a message. */
  edit(name: string, id: number, content: string): number {
    const room = this.room(name);
    room.rev += 1;
    const index = room.messages.findIndex((message) => message.id === id);
    const edited = { ...(room.messages[index] as StoredMessage), content, rev: room.rev };
    room.messages[index] = edited;
    this.publish(name, { type: 'update', ...edited });
    return room.rev;
  }

  publish(room: string, frame: object): void {
    for (const socket of this.sockets) if (socket.joined.has(room)) socket.tell(frame);
  }

  /** A user posts several messages at once. */
  sayTogether(name: string, contents: string[]): void {
    const changes: object[] = [];
    const { publish } = this;
    this.publish = (_, frame) => void changes.push(frame);
    for (const content of contents) this.say(name, content);
    this.publish = publish;
    this.publish(name, { type: 'changes', room: name, changes });
  }

  /** Closes every connection. */
  close(code: number, reason = ''): void {
    for (const socket of [...this.sockets]) socket.end(code, reason);
  }

  handle(frame: Frame, socket: FakeSocket): void {
    this.received.push(frame);
    if (this.isSilent || this.intercept(frame, socket)) return;
    const { type, id, room: name = '' } = frame;
    const room = this.room(name);
    if (type === 'ping') socket.tell({ type: 'pong', sentAt: frame.sentAt });
    if (type === 'join') this.#join(frame, socket);
    if (type === 'leave') socket.joined.delete(name);
    if (type === 'message') {
      const { seq, id: messageId } = this.say(name, `${frame.content}`, 'ana', id);
      socket.tell({ type: 'ack', id, room: name, messageId, seq, timestamp: '' });
    }
    if (type === 'edit') {
      for (const [each, { messages }] of this.rooms) {
        if (!messages.some((message) => message.id === frame.messageId)) continue;
        const rev = this.edit(each, frame.messageId as number, `${frame.content}`);
        socket.tell({ type: 'ack', id, room: each, messageId: frame.messageId, rev });
      }
    }
    if (type === 'history') {
      const { before = Infinity, after = 0, limit = 50 } = frame as Record<string, number>;
      const found = room.messages.filter(({ seq }) => seq < before && seq > after);
      const page = 'after' in frame ? found.slice(0, limit) : found.slice(-limit);
      const messages = page.map((message) => ({ type: 'message', ...message }));
      socket.tell({ type: 'history', id, room: name, messages, more: found.length > limit });
    }
  }

  #join({ id, room: name = '', since, epoch }: Frame, socket: FakeSocket): void {
    const room = this.room(name);
    const isReset = epoch !== undefined && (epoch !== room.epoch || Number(since) > room.rev);
    const isFirst = since === undefined || isReset;
    const newer = room.messages
      .filter(({ rev }) => since !== '$' && rev > Number(since))
      .sort((a, b) => a.rev - b.rev);
    const page = isFirst ? room.messages.slice(-10) : newer.slice(0, PAGE);
    const complete = isFirst || newer.length <= PAGE;
    socket.joined.delete(name);
    if (complete) socket.joined.add(name);
    socket.tell({
      type: 'joined',
      id,
      room: name,
      username: 'ana',
      rev: complete ? room.rev : page.at(-1)?.rev,
      epoch: room.epoch,
      messages: page.map((message) => ({ type: 'message', ...message })),
      complete,
      reset: isReset,
      unread: 0,
      lastRead: 0,
      users: ['ana'],
      userCount: 1,
    });
  }
}

class FakeSocket implements WebSocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly joined = new Set<string>();

  constructor(private readonly server: FakeServer) {
    server.connects += 1;
    queueMicrotask(() => {
      if (server.isAway) return this.end(1006, '');
      server.sockets.add(this);
      this.onopen?.({} as never);
    });
  }

  send(text: string): void {
    queueMicrotask(
      () => this.server.sockets.has(this) && this.server.handle(JSON.parse(text), this),
    );
  }

  close(): void {
    this.server.sockets.delete(this);
  }

  /** Sends a frame, or text as it is. */
  tell(frame: object | string): void {
    const data = typeof frame === 'string' ? frame : JSON.stringify(frame);
    if (!this.server.isSilent) queueMicrotask(() => this.onmessage?.({ data } as never));
  }

  end(code: number, reason: string): void {
    this.server.sockets.delete(this);
    this.onclose?.({ code, reason } as never);
  }
}
