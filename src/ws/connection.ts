import { rootMessage, toChatError } from '../db/failures.ts';
import { ChatError, Disconnect, errorCodes } from '../errors.ts';
import { type Limits, tooFast } from '../services/limits.ts';
import { type RateLimit, Strikes } from '../services/rate-limit.ts';
import { FrameError, parseFrame } from '../types/parse-frame.ts';
import type { ClientFrame, ServerFrame } from '../types/websocket.ts';
import type { Caller } from './admission.ts';
import { encode, withId } from './frames.ts';
import { Inbox } from './inbox.ts';
import { Session, type SessionParts } from './session.ts';

/** What a connection needs of its WebSocket. */
export interface Socket {
  /** Sends frames in order, in one write where it can. */
  send(frames: string[]): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  close(code: number, reason: string): void;
}

export interface ConnectionParts extends SessionParts {
  limits: Limits;
}

/** Frames that are refused in a minute, before the connection is closed: those that make no sense … */
const MAX_INVALID_FRAMES = 20;
/** … and those that come too fast. */
const MAX_TOO_FAST = 100;
const MINUTE_MS = 60_000;
/** Over every door; all else is counted here. */
const COUNTED_WHERE_SAID = new Set(['message', 'edit', 'delete', 'react', 'event']);
/** What a frame costs beside its text. */
const FRAME_COST = 200;

/**
 * One client's line: what comes is taken up in order, what goes out leaves in order, and what cannot
 * be done is answered by an error. What the frames mean is for its {@link Session} to say.
 */
export class Connection {
  #open = true;
  /** It was sent away: what it sent and what waits for it counts no more. */
  #ended = false;
  #outbox: string[] = [];
  readonly #session: Session;
  readonly #inbox: Inbox<string | Uint8Array | (() => Promise<void>)> = new Inbox((item) =>
    typeof item === 'function' ? item() : this.#handle(item),
  );

  readonly #frames: RateLimit;
  readonly #invalid = new Strikes(MAX_INVALID_FRAMES, MINUTE_MS);
  readonly #tooFast = new Strikes(MAX_TOO_FAST, MINUTE_MS);

  constructor(
    private readonly socket: Socket,
    private readonly parts: ConnectionParts,
    caller: Caller,
  ) {
    this.#frames = parts.limits.forFrames();
    const line = {
      send: (...frames: string[]) => this.#send(...frames),
      flush: () => this.#flush(),
      subscribe: (topic: string) => this.#open && socket.subscribe(topic),
      unsubscribe: (topic: string) => this.#open && socket.unsubscribe(topic),
      end: (reason: Disconnect) => this.#end(reason),
    };
    this.#session = new Session(parts, line, caller);
    this.#inbox.push(() => this.#session.open(), 0);
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
    const at = new Date();
    this.#inbox.push(() => this.#inbox.settled().then(() => this.#session.drop(at)), 0);
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
    if (this.#ended) return;
    let id: string | undefined;
    try {
      const frame = parseFrame(raw);
      id = frame.id;
      if (!COUNTED_WHERE_SAID.has(frame.type)) this.#count();
      switch (frame.type) {
        case 'message': {
          const prepared = this.#session.prepare(frame);
          const post = () => this.#post(frame, raw.length + FRAME_COST);
          if (prepared) return prepared.then(post, (error) => this.#refuse(error, id));
          post();
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

  #post(frame: Extract<ClientFrame, { type: 'message' }>, cost: number): void {
    this.#inbox.begin(cost);
    void this.#session
      .message(frame)
      .catch((error) => this.#refuse(error, frame.id))
      .then(() => this.#inbox.settle(cost));
  }

  #refuse(error: unknown, id?: string): void {
    const known = this.#countRefusal(toChatError(error));
    const { code, message, retryAfter } = known;
    if (code === 'internal') this.parts.log.error({ reason: rootMessage(error) }, 'a frame failed');
    this.notify({
      type: 'error',
      code,
      content: message,
      ...withId({ id: id ?? (error instanceof FrameError ? error.id : undefined) }),
      ...(retryAfter !== undefined && { retryAfter }),
    });
    if (known instanceof Disconnect) this.#end(known);
    const isInvalid = code === 'invalid_frame' || code === 'unknown_type';
    if (isInvalid && this.#invalid.add()) {
      this.#end(new Disconnect(new ChatError(code, 'Too many invalid frames.')));
    }
    if (code === 'rate_limited' && this.#tooFast.add()) this.#end(new Disconnect(known));
  }

  #count(): void {
    const wait = this.#session.isTrusted ? 0 : this.#frames.take('frames');
    if (wait > 0) throw tooFast('Too many frames', wait);
  }

  /** What is refused for the client's own fault is counted too, messages included. */
  #countRefusal(error: ChatError): ChatError {
    const isOurs = errorCodes[error.code].status >= 500;
    if (isOurs || error.code === 'rate_limited' || error instanceof Disconnect) return error;
    const wait = this.#session.isTrusted ? 0 : this.#frames.take('refusals');
    return wait > 0 ? tooFast('Too many refused frames', wait) : error;
  }

  #end({ closeCode, message }: Disconnect): void {
    if (this.#ended) return;
    this.#flush();
    this.#ended = true;
    if (this.#open) this.socket.close(closeCode, message);
    this.#open = false;
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
