import { toChatError } from '../db/failures.ts';
import { ChatError, Disconnect, errorCodes } from '../errors.ts';
import { rootMessage } from '../lib/root-cause.ts';
import { type Limits, tooFast } from '../limits/limits.ts';
import { Strikes } from '../limits/token-bucket.ts';
import { encode, withId } from '../live/encode.ts';
import type { Logger } from '../log.ts';
import type { ClientFrame, ServerFrame } from '../protocol/frames.ts';
import { FrameError, parseFrame } from '../protocol/parse-frame.ts';
import { type AnswerParts, answered, isTooLate, noAnswer } from './answered.ts';
import type { Begin, Command, Commands } from './commands.ts';
import type { Handshake } from './credentials.ts';
import { type Handler, Inbox } from './inbox.ts';
import type { Outbound } from './joined-rooms.ts';
import { Session, type SessionParts } from './session.ts';

/** The part of a WebSocket that a connection needs. */
export interface Socket {
  /** Sends frames in order, in one write if possible. */
  send(frames: string[]): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  close(code: number, reason: string): void;
}

/** A frame, and its time of arrival by the monotonic clock. */
interface Received {
  raw: string | Uint8Array;
  at: number;
}

/** A frame, or the work of the connection itself that has its place among them. */
type Item = Received | (() => Promise<void>);

export interface ConnectionParts extends SessionParts, AnswerParts {
  commands: Commands;
  limits: Limits;
  log: Logger;
  /** Is called for each message that was stored, with the milliseconds since its arrival. */
  onAck(ms: number): void;
}

/** The refused frames a minute that close a connection: frames that make no sense … */
const MAX_INVALID_FRAMES = 20;
/** … and frames that come too fast. */
const MAX_TOO_FAST = 100;
const MINUTE_MS = 60_000;
/** The cost of a frame beside its text. */
const FRAME_COST = 200;
/** The longest that a client waits for a reply while the database does not answer, in milliseconds. */
const ANSWER_WITHIN_MS = 4500;

/**
 * A client's connection: frames are handled in order, replies leave in order, and a frame that cannot be carried out
 * is answered with an error. The meaning of the frames is the business of the {@link Session}.
 */
export class Connection implements Outbound, Handler<Item> {
  #open = true;
  /** The server has ended the connection: its queued frames, in and out, are dropped. */
  #ended = false;
  #outbox: string[] | undefined;
  readonly #session: Session;
  readonly #inbox: Inbox<Item>;

  /** The time of the last frame that took effect, by the monotonic clock. */
  #progressAt = 0;

  // Made when first needed: most clients make no such mistakes.
  #invalid: Strikes | undefined;
  #tooFast: Strikes | undefined;

  constructor(
    private readonly parts: ConnectionParts,
    private readonly socket: Socket,
    handshake: Handshake,
  ) {
    this.#session = new Session(parts, this, handshake);
    this.#inbox = new Inbox(
      this,
      // A back end with `API_KEY` posts for many users.
      handshake.identity.kind === 'key' ? undefined : parts.limits.inFlight(handshake.address),
    );
    this.#inbox.push(() => this.#session.open(), 0);
  }

  /** The protocol that the client speaks, once it has joined. */
  get protocol(): 0 | 1 | undefined {
    return this.#session.protocol;
  }

  /** Takes a frame that has arrived. */
  receive(raw: string | Uint8Array): void {
    const at = this.parts.clock.monotonic();
    if (this.#inbox.push({ raw, at }, raw.length + FRAME_COST) || this.#ended) return;
    const overloaded = new ChatError('overloaded', 'Too many frames at once; wait for replies.', 1);
    this.#refuse(overloaded, idOf(raw));
    if (this.#isTooFast()) this.end(flooding());
  }

  /** The socket is closed. Earlier frames still take effect. */
  closed(): void {
    this.#open = false;
    const at = new Date(this.parts.clock.now());
    this.#inbox.push(() => this.#inbox.settled().then(() => this.#session.drop(at)), 0);
  }

  /** Sends a frame that is no reply. */
  notify(frame: ServerFrame): void {
    this.send(encode(frame));
  }

  /** Handles the next item of the inbox, and is called by it only. */
  handle(item: Item): Promise<void> | undefined {
    return typeof item === 'function' ? item() : this.#handle(item);
  }

  /** @returns a promise when the next frame has to wait for this one; it never rejects */
  #handle({ raw, at }: Received): Promise<void> | undefined {
    if (this.#ended) return;
    let id: string | undefined;
    try {
      const frame = parseFrame(raw);
      id = frame.id;
      const until = at + ANSWER_WITHIN_MS;
      if (isTooLate(until, this.parts)) throw noAnswer();
      const command: Command = this.parts.commands[frame.type];
      if (!command.isCountedAsMessage) this.#count();
      if ('queued' in command) return this.#queue(frame, command, at);
      this.#session.check(frame, command.needs);
      if ('immediate' in command) {
        command.immediate(this.#session, frame);
        return;
      }
      const begun = command.pipelined(this.#session, frame, this.#patience(at));
      const cost = raw.length + FRAME_COST;
      if (!(begun instanceof Promise)) return this.#begin(begun, { id, at, cost });
      return answered(begun, until, this.parts)
        .then((begin) => this.#begin(begin, { id, at, cost }))
        .catch((error) => this.#refuse(error, id));
    } catch (error) {
      this.#refuse(error, id);
    }
  }

  /** Waits for the frames before this one, so that a leave is never seen before the messages sent ahead of it. */
  async #queue(
    frame: ClientFrame,
    command: Extract<Command, { queued: unknown }>,
    at: number,
  ): Promise<void> {
    const until = at + ANSWER_WITHIN_MS;
    let isGivenUp = false;
    try {
      await answered(this.#inbox.settled(), until, this.parts);
      this.#session.check(frame, command.needs);
      if (command.isCountedAsMessage)
        await answered(this.#session.confirmUser(), until, this.parts);
      const work = command.queued(this.#session, frame, {
        isGivenUp: () => isGivenUp,
        until: this.#patience(at),
      });
      const giveUp = () => {
        isGivenUp = true;
      };
      const reply = await answered(work, until, this.parts, giveUp);
      reply?.();
      this.#progressAt = this.parts.clock.monotonic();
    } catch (error) {
      this.#refuse(error, frame.id);
    }
  }

  /**
   * The time at which a change is given up at the latest: as long after the arrival of its frame as any reply may
   * take; or, behind frames that take effect one after the other, after the last of these.
   */
  #patience(at: number): number {
    return Math.max(at, this.#progressAt) + ANSWER_WITHIN_MS;
  }

  #begin(
    begin: Begin,
    { id, at, cost }: { id: string | undefined; at: number; cost: number },
  ): undefined {
    this.#inbox.begin(cost);
    void begin().then(
      () => {
        this.#progressAt = this.parts.clock.monotonic();
        this.parts.onAck(this.#progressAt - at);
        this.#inbox.settle(cost);
      },
      (error) => {
        this.#refuse(error, id);
        this.#inbox.settle(cost);
      },
    );
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
    if (known instanceof Disconnect) this.end(known);
    const isInvalid = code === 'invalid_frame' || code === 'unknown_type';
    if (isInvalid && this.#isTooOften()) {
      this.end(new Disconnect(new ChatError(code, 'Too many invalid frames.')));
    }
    if (code === 'rate_limited' && this.#isTooFast()) this.end(new Disconnect(known));
  }

  /** Counts one more frame that makes no sense. @returns whether these are too many */
  #isTooOften(): boolean {
    const { clock } = this.parts;
    this.#invalid ??= new Strikes({ clock, limit: MAX_INVALID_FRAMES, within: MINUTE_MS });
    return this.#invalid.add();
  }

  /** Counts one more frame that came too fast. @returns whether these are too many */
  #isTooFast(): boolean {
    const { clock } = this.parts;
    this.#tooFast ??= new Strikes({ clock, limit: MAX_TOO_FAST, within: MINUTE_MS });
    return this.#tooFast.add();
  }

  #count(): void {
    const wait = this.#session.isTrusted ? 0 : this.parts.limits.frame(this);
    if (wait > 0) throw tooFast('Too many frames', wait);
  }

  /** Counts refusals that are the client's own fault, those of messages included. */
  #countRefusal(error: ChatError): ChatError {
    const isOurs = errorCodes[error.code].status >= 500;
    if (isOurs || error.code === 'rate_limited' || error instanceof Disconnect) return error;
    const wait = this.#session.isTrusted ? 0 : this.parts.limits.refusal(this);
    return wait > 0 ? tooFast('Too many refused frames', wait) : error;
  }

  end({ closeCode, message }: Disconnect): void {
    if (this.#ended) return;
    this.flush();
    this.#ended = true;
    if (this.#open) this.socket.close(closeCode, message);
    this.#open = false;
  }

  /** Replies of one turn of the event loop, such as the acks of one batch, leave in one write. */
  send(...frames: string[]): void {
    if (this.#outbox) {
      this.#outbox.push(...frames);
      return;
    }
    this.#outbox = frames;
    queueMicrotask(() => this.flush());
  }

  subscribe(topic: string): void {
    if (this.#open) this.socket.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    if (this.#open) this.socket.unsubscribe(topic);
  }

  flush(): void {
    const frames = this.#outbox;
    this.#outbox = undefined;
    if (frames && this.#open) this.socket.send(frames);
  }
}

function flooding(): Disconnect {
  return new Disconnect(
    new ChatError('rate_limited', 'Too many frames; wait a minute before reconnecting.'),
  );
}

function idOf(raw: string | Uint8Array): string | undefined {
  try {
    return parseFrame(raw).id;
  } catch (error) {
    return error instanceof FrameError ? error.id : undefined;
  }
}
