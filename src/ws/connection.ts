import { toChatError } from '../db/failures.ts';
import { ChatError, Disconnect, errorCodes } from '../errors.ts';
import { rootMessage } from '../lib/root-cause.ts';
import { type Limits, tooFast } from '../limits/limits.ts';
import { Strikes, type TokenBucket } from '../limits/token-bucket.ts';
import { encode, withId } from '../live/encode.ts';
import type { Logger } from '../log.ts';
import type { ClientFrame, ServerFrame } from '../protocol/frames.ts';
import { FrameError, parseFrame } from '../protocol/parse-frame.ts';
import type { Begin, Command, Commands } from './commands.ts';
import type { Handshake } from './credentials.ts';
import { Inbox } from './inbox.ts';
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

export interface ConnectionParts extends SessionParts {
  /** Whether the database answers; while it does not, nothing waits for longer than {@link ANSWER_WITHIN_MS}. */
  isAnswering(): boolean;
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
/** How often the state of the database is checked during a wait, in milliseconds. */
const LOOK_EVERY_MS = 250;

/**
 * A client's connection: frames are handled in order, replies leave in order, and a frame that cannot be carried out
 * is answered with an error. The meaning of the frames is the business of the {@link Session}.
 */
export class Connection implements Outbound {
  #open = true;
  /** The server has ended the connection: its queued frames, in and out, are dropped. */
  #ended = false;
  #outbox: string[] = [];
  readonly #session: Session;
  readonly #inbox: Inbox<Received | (() => Promise<void>)>;

  readonly #frames: TokenBucket;
  // Made when first needed: most clients make no such mistakes.
  #invalid: Strikes | undefined;
  #tooFast: Strikes | undefined;

  constructor(private readonly parts: ConnectionParts & { socket: Socket; handshake: Handshake }) {
    const { handshake } = parts;
    this.#frames = parts.limits.forFrames();
    this.#session = new Session({ ...parts, outbound: this });
    this.#inbox = new Inbox(
      (item) => (typeof item === 'function' ? item() : this.#handle(item)),
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

  /** @returns a promise when the next frame has to wait for this one; it never rejects */
  #handle({ raw, at }: Received): Promise<void> | undefined {
    if (this.#ended) return;
    let id: string | undefined;
    try {
      const frame = parseFrame(raw);
      id = frame.id;
      const until = at + ANSWER_WITHIN_MS;
      if (this.#isTooLate(until)) throw noAnswer();
      const command: Command = this.parts.commands[frame.type];
      if (!command.isCountedAsMessage) this.#count();
      if ('queued' in command) return this.#queue(frame, command, until);
      this.#session.check(frame, command.needs);
      if ('immediate' in command) {
        command.immediate(this.#session, frame);
        return;
      }
      const begun = command.pipelined(this.#session, frame);
      const cost = raw.length + FRAME_COST;
      if (!(begun instanceof Promise)) return this.#begin(begun, { id, at, cost });
      return this.#answered(begun, until)
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
    until: number,
  ): Promise<void> {
    let isGivenUp = false;
    try {
      await this.#answered(this.#inbox.settled(), until);
      this.#session.check(frame, command.needs);
      if (command.isCountedAsMessage) await this.#answered(this.#session.confirmUser(), until);
      const work = command.queued(this.#session, frame, () => isGivenUp);
      const giveUp = () => {
        isGivenUp = true;
      };
      const reply = await this.#answered(work, until, giveUp);
      reply?.();
    } catch (error) {
      this.#refuse(error, frame.id);
    }
  }

  #isTooLate(until: number): boolean {
    return this.parts.clock.monotonic() >= until && !this.parts.isAnswering();
  }

  /**
   * Waits for some work while the database answers, or up to a deadline; only the wait is given up, not the work.
   *
   * @param onGivenUp is called in the step in which the wait is given up
   * @throws {ChatError} `unavailable`
   */
  async #answered<Result>(
    work: Result | Promise<Result>,
    until: number,
    onGivenUp = () => {},
  ): Promise<Result> {
    if (!(work instanceof Promise)) return work;
    const { clock } = this.parts;
    const { promise: late, reject } = Promise.withResolvers<never>();
    let cancel = () => {};
    const wait = (ms: number) => {
      cancel = clock.timer(ms, () => {
        if (!this.#isTooLate(until)) return wait(LOOK_EVERY_MS);
        onGivenUp();
        reject(noAnswer());
      });
    };
    wait(Math.max(0, until - clock.monotonic()));
    try {
      return await Promise.race([work, late]);
    } finally {
      cancel();
    }
  }

  #begin(
    begin: Begin,
    { id, at, cost }: { id: string | undefined; at: number; cost: number },
  ): undefined {
    this.#inbox.begin(cost);
    void begin()
      .then(() => this.parts.onAck(this.parts.clock.monotonic() - at))
      .catch((error) => this.#refuse(error, id))
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
    const wait = this.#session.isTrusted ? 0 : this.#frames.take('frames');
    if (wait > 0) throw tooFast('Too many frames', wait);
  }

  /** Counts refusals that are the client's own fault, those of messages included. */
  #countRefusal(error: ChatError): ChatError {
    const isOurs = errorCodes[error.code].status >= 500;
    if (isOurs || error.code === 'rate_limited' || error instanceof Disconnect) return error;
    const wait = this.#session.isTrusted ? 0 : this.#frames.take('refusals');
    return wait > 0 ? tooFast('Too many refused frames', wait) : error;
  }

  end({ closeCode, message }: Disconnect): void {
    if (this.#ended) return;
    this.flush();
    this.#ended = true;
    if (this.#open) this.parts.socket.close(closeCode, message);
    this.#open = false;
  }

  /** Replies of one turn of the event loop, such as the acks of one batch, leave in one write. */
  send(...frames: string[]): void {
    if (this.#outbox.length === 0) queueMicrotask(() => this.flush());
    this.#outbox.push(...frames);
  }

  subscribe(topic: string): void {
    if (this.#open) this.parts.socket.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    if (this.#open) this.parts.socket.unsubscribe(topic);
  }

  flush(): void {
    if (this.#outbox.length === 0) return;
    const frames = this.#outbox;
    this.#outbox = [];
    if (this.#open) this.parts.socket.send(frames);
  }
}

function noAnswer(): ChatError {
  return new ChatError('unavailable', 'The database does not answer; try again.', 1);
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
