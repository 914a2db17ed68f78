import type { ClientFrame, ServerFrame } from '../../src/protocol/frames.ts';
import type { Server } from './server.ts';
import type { ClientEnd, Line } from './sockets.ts';
import type { World } from './world.ts';

export interface Person {
  name: string;
  /** An account has a token; a guest has none. */
  isAccount: boolean;
}

/** How long a client waits for an answer to its ping before it connects anew, in milliseconds. */
const PING_MS = 10_000;
/** Rule 10 of delivery, and the way there and back. */
const ANSWER_WITHIN_MS = 6000;
/** A simulated client: it connects, comes back, and expects an answer to every frame that asks for one. */
export abstract class Client implements ClientEnd {
  line: Line | undefined;
  server: Server | undefined;
  connectedAt = 0;
  isAway = false;
  #isWaiting = false;
  #absences = 0;
  #heardAt = 0;
  /** Earlier connections that became silent. */
  readonly #silent: Line[] = [];
  /** The frames without an answer. */
  protected readonly asked = new Map<string, { frame: ClientFrame; at: number }>();
  /** Sees every answer, with the time of its question. */
  onAnswer: (frame: ServerFrame, asked: ClientFrame, at: number) => void = () => {};

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

  /** Whether servers may list the user, since they have yet to notice that an earlier connection is silent. */
  get isUnnoticed(): boolean {
    return this.#silent.some((line) => line.isUnnoticed);
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
    if (asked) this.onAnswer(frame, asked.frame, asked.at);
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

  /** The handlers of a connection: frames of an earlier one are late. */
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
    if (this.line?.isSilent) this.#silent.push(this.line);
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
    // A frame may need several answers of the database, each of which is slow.
    const isSlow = this.world.time - server.databaseLine.quickSince < ANSWER_WITHIN_MS;
    const most = isSlow ? 3 * ANSWER_WITHIN_MS : ANSWER_WITHIN_MS;
    for (const { frame, at } of this.asked.values()) {
      const waits = this.world.time - Math.max(at, since);
      if (waits > most && !server.process.isPaused) {
        this.accuse(`no answer for ${waits} ms to ${JSON.stringify(frame)}`);
      }
    }
  }
}
