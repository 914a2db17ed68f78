import type { Cancel, Clock } from '../../lib/clock.ts';
import { RetryLoop } from '../../lib/retry.ts';
import type { Logger } from '../../log.ts';

/** The list of isolated servers, in the database that all servers share. */
export interface Roll {
  /** Lists this server as running now. */
  say(server: string): Promise<void>;
  /** The servers that were listed in the last seconds. */
  all(): Promise<string[]>;
}

/** How often the list is read while it has servers, in milliseconds. */
const LOOK_EVERY_MS = 2000;

interface IsolatedServersParts {
  roll: Roll;
  clock: Clock;
  log: Logger;
  /** Names this server. */
  server: string;
  /** Whether a server reaches this one. */
  isReachable(server: string): boolean;
  /** The last isolated server has ended, or is back. */
  onGone(): void;
}

/** The servers that may run although no event of theirs arrives: they commit changes that they cannot publish. */
export class IsolatedServers {
  #servers = new Set<string>();
  readonly #looking: RetryLoop;
  readonly #saying: RetryLoop;
  #cancel: Cancel = () => {};
  #isClosed = false;

  constructor(private readonly parts: IsolatedServersParts) {
    this.#looking = new RetryLoop({
      ...parts,
      name: 'looking for isolated servers',
      work: () => this.look(),
    });
    this.#saying = new RetryLoop({
      ...parts,
      name: 'listing this server as isolated',
      work: () => parts.roll.say(parts.server),
    });
  }

  get isEmpty(): boolean {
    return this.#servers.size === 0;
  }

  /** No event of this server arrives any more: it has ended, or is cut off. */
  lost(server: string): void {
    this.#servers.add(server);
    this.#looking.trigger();
  }

  /** Lists this server, which does not reach the others. */
  say(): void {
    this.#saying.trigger();
  }

  /** Reads the list. @throws the errors of the database */
  async look(): Promise<void> {
    const wasEmpty = this.isEmpty;
    const found = await this.parts.roll.all();
    const { server, isReachable } = this.parts;
    this.#servers = new Set(found.filter((name) => name !== server && !isReachable(name)));
    if (!wasEmpty && this.isEmpty) this.parts.onGone();
    this.#cancel();
    if (this.isEmpty || this.#isClosed) return;
    this.#cancel = this.parts.clock.timer(LOOK_EVERY_MS, () => this.#looking.trigger());
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#looking.close();
    this.#saying.close();
  }
}
