import type { Client } from './client.ts';
import type { seeded } from './random.ts';
import type { Rights, Town, Townsman } from './town.ts';

/** Long enough for a message to reach every connection in its room. */
const DELIVERED_MS = 200;

/** Connections in the rooms of a town whose rights may have ended since they joined. */
export class Eavesdroppers {
  readonly #inside: { person: Townsman; token: string | undefined; client: Client }[] = [];

  constructor(
    private readonly town: Town,
    private readonly random: ReturnType<typeof seeded>,
  ) {}

  /** Connects all users anew, each to one of the servers. */
  async settle(urls: string[]): Promise<void> {
    this.leave();
    for (const person of this.town.people) {
      const client = await this.town.settle(this.random.pick(urls), person);
      if (client) this.#inside.push({ person, token: person.token, client });
    }
  }

  leave(): void {
    for (const { client } of this.#inside.splice(0)) client.socket.close();
  }

  /** Posts a message to each room. @returns its receivers and their rooms, as the keys of {@link Town.truth} */
  async probe(urls: string[]): Promise<string[]> {
    const said = `probe ${crypto.randomUUID()}`;
    for (const room of this.town.rooms) {
      const message = { username: 'owner', content: said, room };
      await this.town.rule(this.random.pick(urls), 'POST', '/messages', message);
    }
    await Bun.sleep(DELIVERED_MS);
    return this.#inside.flatMap(({ person, token, client }) => {
      // A claimed guest name and a revoked token give no rights.
      const by = token === person.token ? '' : ', as before';
      return client.received.flatMap((frame) =>
        frame.type === 'message' && frame.content === said
          ? [`${person.name} ${frame.room}${by}`]
          : [],
      );
    });
  }

  /** Receivers without the right to read that still get messages after `most` milliseconds. */
  async within(most: number, urls: () => string[]): Promise<string[]> {
    const deadline = performance.now() + most;
    for (;;) {
      const truth = await this.town.truth();
      const found = overheard(truth, await this.probe(urls()));
      if (found.length === 0 || performance.now() > deadline) return found;
    }
  }
}

/** The receivers that, by the database, may not enter the room. */
export function overheard(truth: Map<string, Rights>, receivers: string[]): string[] {
  return receivers.filter((receiver) => truth.get(receiver)?.doors.enter !== 'yes');
}
