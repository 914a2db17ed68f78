import { ChatError } from './error.ts';
import { subjectOf } from './jwt.ts';
import type { LinkParts } from './lazy.ts';
import type { Link, LinkEvents, OpenLink, WebSocketConstructor } from './link.ts';
import type {
  ChangeFrame,
  ClientFrame,
  ErrorCode,
  Notification,
  OwnRoom,
  ServerFrame,
  StoredMessage,
} from './protocol.ts';
import { type Method, type Query, type RequestOptions, rest } from './rest.ts';
import { Streams } from './streams.ts';

type FrameOf<Type extends ClientFrame['type']> = Extract<ClientFrame, { type: Type }>;

/** The interval at which rooms that do not stream are polled, in milliseconds. */
const POLL_MS = 3000;
/** The waits before a WebSocket is tried again, in milliseconds: the first, which doubles, and the longest. */
const FIRST_PROBE_MS = 1000;
const MAX_PROBE_MS = 60_000;
/** How many messages are loaded when a room is entered for the first time. */
const FIRST_PAGE = 10;

/** A frame as protocol 1 would have it. */
type Reply = ServerFrame & { id?: string | number };

/**
 * Protocol 1 over Server-Sent Events and REST, for networks that let no WebSocket through: one room
 * streams, the others are polled. `read` and `typing` do not reach the server.
 *
 * @param WebSocket is tried again from time to time; when it opens, this link ends
 */
export function fallbackLink(parts: LinkParts, WebSocket?: WebSocketConstructor): OpenLink {
  return (events) => new Fallback(parts, events, WebSocket);
}

class Fallback implements Link {
  readonly isGapless = false;
  readonly #streams = new Streams({
    request: (...args) => this.#request(...args),
    received: (text) => this.events.received(text),
    ended: (reason) => this.#end(reason),
  });
  #isOver = false;
  #cancelPoll = () => {};
  #cancelProbe = () => {};
  #newestNotification = 0;
  /** Frames take effect in the order in which they were sent. */
  #last: Promise<unknown>;

  constructor(
    private readonly parts: LinkParts,
    private readonly events: LinkEvents,
    WebSocket: WebSocketConstructor | undefined,
  ) {
    this.#last = this.#begin().catch((error) => this.#end(error));
    if (WebSocket) this.#probeLater(WebSocket);
  }

  send(frame: ClientFrame): void {
    this.#last = this.#last
      // After a request that failed nothing is sent: it would arrive before that one.
      .then(() => (this.#isOver ? undefined : this.#handle(frame)))
      .catch((error) => this.#refuse(frame, error));
  }

  close(): void {
    this.#isOver = true;
    this.#streams.close();
    this.#cancelPoll();
    this.#cancelProbe();
  }

  async #begin(): Promise<void> {
    // A first join creates the guest; over REST this does.
    const { username } = this.#as();
    if (username) await this.#request('POST', '/users', { body: { username } });
    else await this.#request('GET', '/health');
    if (this.#isOver) return;
    this.events.opened();
    this.#pollLater();
  }

  async #handle(frame: ClientFrame): Promise<void> {
    const { id } = frame;
    switch (frame.type) {
      case 'join':
        return this.#join(frame);
      case 'leave':
        this.#streams.leave(frame.room ?? '');
        return;
      case 'ping':
        await this.#request('GET', '/health');
        return this.#tell({
          type: 'pong',
          sentAt: frame.sentAt,
          timestamp: new Date().toISOString(),
        });
      case 'message':
        return this.#post(frame);
      case 'edit':
        return this.#change(frame, 'PATCH', '', { content: frame.content });
      case 'delete':
        return this.#change(frame, 'DELETE', '');
      case 'react': {
        const path = `/reactions/${encodeURIComponent(frame.emoji)}`;
        return this.#change(frame, frame.remove ? 'DELETE' : 'PUT', path);
      }
      case 'history': {
        const { room = '', before, after, limit = 50 } = frame;
        const query = { room, before, after, limit };
        const response = await this.#request('GET', '/messages', { query });
        const messages: StoredMessage[] = await response.json();
        const more = response.headers.has('link');
        return this.#tell({
          type: 'history',
          ...(id && { id }),
          room,
          messages: messages.map(asFrame),
          more,
        });
      }
      case 'event': {
        const { name, data } = frame;
        await this.#request('POST', `/rooms/${frame.room}/events`, { body: { name, data } });
        break;
      }
      case 'read':
      case 'typing':
        this.#streams.show(frame.room ?? '');
    }
    if (id) this.#tell({ type: 'ack', id });
  }

  async #join({ room = '', since, epoch, id }: FrameOf<'join'>): Promise<void> {
    const from = typeof since === 'number' ? since : undefined;
    const place = from === undefined ? undefined : `${from}@${epoch ?? ''}`;
    const start = await this.#streams
      .startOf(room, place)
      .catch((error) => this.#create(room, error));
    const startEpoch = start.slice(start.indexOf('@') + 1);
    const reset = epoch !== undefined && epoch !== startEpoch;
    const isFirst = since === undefined || reset;
    const query = { room, limit: FIRST_PAGE };
    const messages = isFirst ? await this.#json<StoredMessage[]>('/messages', query) : [];
    const [rooms, users] = await Promise.all([
      this.#ownRooms(),
      this.#json<string[]>('/users/active', { room }),
    ]);
    const own = rooms.find(({ name }) => name === room);
    const rev = reset || from === undefined ? Number.parseInt(start, 10) : from;
    this.#tell({
      type: 'joined',
      ...(id && { id }),
      room,
      username: this.parts.username() || subjectOf(this.parts.token()) || '',
      rev,
      epoch: startEpoch,
      messages: messages.map(asFrame),
      complete: true,
      reset,
      unread: own?.unread ?? 0,
      lastRead: own?.lastRead ?? 0,
      users,
      userCount: users.length,
    });
    this.#streams.enter(room, `${rev}@${startEpoch}`);
  }

  /**
   * Creates a room that is missing, as the first join over a WebSocket does; over REST only accounts may.
   *
   * @returns where its stream begins
   */
  async #create(room: string, missing: unknown): Promise<string> {
    const isMissing = missing instanceof ChatError && missing.code === 'not_found';
    if (!isMissing || !this.parts.token()) throw missing;
    await this.#request('POST', '/rooms', { body: { name: room } }).catch((error: ChatError) => {
      // Somebody else has created it just now; or it is there, and not for this user.
      if (error.code !== 'conflict') throw missing;
    });
    return this.#streams.startOf(room);
  }

  async #post({ type: _, username: __, ...body }: FrameOf<'message'>): Promise<void> {
    // `API_KEY` names nobody.
    const username = this.parts.username() || undefined;
    const response = await this.#request('POST', '/messages', { body: { ...body, username } });
    const { id: messageId, room, seq, createdAt: timestamp }: StoredMessage = await response.json();
    if (body.id) this.#tell({ type: 'ack', id: body.id, room, messageId, seq, timestamp });
    this.#streams.show(room);
  }

  async #change(
    { id, messageId }: FrameOf<'edit' | 'delete' | 'react'>,
    method: Method,
    path: string,
    body?: object,
  ): Promise<void> {
    const options = { query: this.#as(), ...(body && { body }) };
    const response = await this.#request(method, `/messages/${messageId}${path}`, options);
    const { room, rev }: StoredMessage = await response.json();
    if (id) this.#tell({ type: 'ack', id, room, messageId, rev });
  }

  #pollLater(): void {
    this.#cancelPoll = this.parts.platform.after(POLL_MS, () => {
      this.#last = this.#last.then(() => this.#poll()).catch((error) => this.#end(error));
    });
  }

  async #poll(): Promise<void> {
    await this.#streams.catchUp(
      new Map((await this.#ownRooms()).map(({ name, rev }) => [name, rev])),
    );
    const waiting = await this.#json<Notification[]>('/notifications', this.#as());
    for (const notification of waiting.toReversed()) {
      if (notification.id <= this.#newestNotification) continue;
      this.#newestNotification = notification.id;
      this.#tell({ type: 'notification', ...notification, unread: waiting.length });
    }
    if (!this.#isOver) this.#pollLater();
  }

  #probeLater(WebSocket: WebSocketConstructor, delay = FIRST_PROBE_MS): void {
    this.#cancelProbe = this.parts.platform.after(delay, () => {
      const socket = new WebSocket(`${this.parts.base.replace('http', 'ws')}/ws`);
      socket.onerror = () => {};
      socket.onclose = () =>
        this.#isOver || this.#probeLater(WebSocket, Math.min(2 * delay, MAX_PROBE_MS));
      socket.onopen = () => {
        socket.close();
        this.#end('WebSockets are let through again');
      };
    });
  }

  #refuse({ id }: ClientFrame, error: unknown): void {
    if (!(error instanceof ChatError)) {
      this.#end(error);
      return;
    }
    const { code, message: content, retryAfter } = error;
    // It is sent again on the next link.
    if (code === 'unavailable') {
      this.#end(content);
      return;
    }
    this.#tell({
      type: 'error',
      code: code as ErrorCode,
      content,
      ...(id && { id }),
      ...(retryAfter && { retryAfter }),
    });
  }

  #end(reason: unknown): void {
    if (this.#isOver) return;
    this.close();
    this.events.closed(1006, `${reason instanceof Error ? reason.message : reason}`);
  }

  #tell(frame: Reply): void {
    if (!this.#isOver) this.events.received(JSON.stringify(frame));
  }

  #ownRooms(): Promise<OwnRoom[]> {
    return this.#json('/me/rooms', this.#as());
  }

  /** The user of a request, where no token tells it. */
  #as(): { username?: string } {
    const username = this.parts.username();
    return this.parts.token() || !username ? {} : { username };
  }

  async #json<Answer>(path: string, query: Query): Promise<Answer> {
    return (await this.#request('GET', path, { query })).json();
  }

  #request(method: Method, path: string, options: RequestOptions = {}): Promise<Response> {
    return rest(this.parts, method, path, options);
  }
}

function asFrame(message: StoredMessage): ChangeFrame {
  return { type: message.rev === message.seq ? 'message' : 'update', ...message };
}
