import { rootMessage, toChatError } from '../db/failures.ts';
import { ChatError } from '../errors.ts';
import { FrameError, parseFrame, type ServerFrame } from '../types/websocket.ts';
import { encode, withId } from './frames.ts';
import { Inbox } from './inbox.ts';
import { Session, type SessionParts } from './session.ts';

/** What a connection needs of its WebSocket. */
export interface Socket {
  /** Sends frames in order, in one write where it can. */
  send(frames: string[]): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

/** What a frame costs beside its text. */
const FRAME_COST = 200;

/**
 * One client's line: what comes is taken up in order, what goes out leaves in order, and what cannot
 * be done is answered by an error. What the frames mean is for its {@link Session} to say.
 */
export class Connection {
  #open = true;
  #outbox: string[] = [];
  readonly #session: Session;
  readonly #inbox: Inbox<string | Uint8Array | { closedAt: Date }> = new Inbox((item) =>
    typeof item === 'object' && 'closedAt' in item
      ? this.#inbox.settled().then(() => this.#session.drop(item.closedAt))
      : this.#handle(item),
  );

  constructor(
    private readonly socket: Socket,
    private readonly parts: SessionParts,
  ) {
    this.#session = new Session(parts, {
      send: (...frames) => this.#send(...frames),
      flush: () => this.#flush(),
      subscribe: (topic) => this.#open && socket.subscribe(topic),
      unsubscribe: (topic) => this.#open && socket.unsubscribe(topic),
    });
  }

  /** The protocol that the client speaks, once it has joined. */
  get protocol(): 0 | 1 | undefined {
    return this.#session.protocol;
  }

  /** A frame came. */
  receive(raw: string | Uint8Array): void {
    if (this.#inbox.push(raw, raw.length + FRAME_COST)) return;
    this.#refuse(
      new ChatError('overloaded', 'Too many frames at once; wait for replies.', 1),
      idOf(raw),
    );
  }

  /** The socket is gone. What came before still takes effect. */
  closed(): void {
    this.#open = false;
    this.#inbox.push({ closedAt: new Date() }, 0);
  }

  /** Sends a frame that is no reply. */
  notify(frame: ServerFrame): void {
    this.#send(encode(frame));
  }

  /**
   * Messages follow each other without waiting; whatever else reads or changes where the user is
   * waits for those before it, so that nobody is seen to leave before having spoken.
   *
   * @returns a promise when the next frame has to wait for this one; it never rejects
   */
  #handle(raw: string | Uint8Array): Promise<void> | undefined {
    let id: string | undefined;
    try {
      const frame = parseFrame(raw);
      id = frame.id;
      switch (frame.type) {
        case 'message': {
          const posted = this.#session.message(frame);
          const cost = raw.length + FRAME_COST;
          this.#inbox.begin(cost);
          void posted
            .catch((error) => this.#refuse(error, id))
            .then(() => this.#inbox.settle(cost));
          return;
        }
        case 'ping':
          this.#session.ping(frame);
          return;
        default:
          return this.#inbox
            .settled()
            .then(() => this.#session.handle(frame))
            .catch((error) => this.#refuse(error, id));
      }
    } catch (error) {
      this.#refuse(error, id);
    }
  }

  #refuse(error: unknown, id?: string): void {
    const { code, message, retryAfter } = toChatError(error);
    if (code === 'internal') this.parts.log.error({ reason: rootMessage(error) }, 'a frame failed');
    this.notify({
      type: 'error',
      code,
      content: message,
      ...withId({ id: id ?? (error instanceof FrameError ? error.id : undefined) }),
      ...(retryAfter !== undefined && { retryAfter }),
    });
  }

  /** Replies of one turn of the event loop, such as the acks of one batch, leave in one write. */
  #send(...frames: string[]): void {
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush());
    this.#outbox.push(...frames);
  }

  #flush(): void {
    if (this.#outbox.length === 0) return;
    const frames = this.#outbox;
    this.#outbox = [];
    if (this.#open) this.socket.send(frames);
  }
}

function idOf(raw: string | Uint8Array): string | undefined {
  try {
    return parseFrame(raw).id;
  } catch (error) {
    return error instanceof FrameError ? error.id : undefined;
  }
}
