import type { Client } from './client.ts';
import type { seeded } from './random.ts';
import type { Rights, Town, Townsman } from './town.ts';

/** Long enough for what was said to come to everyone who is there. */
const HEARD_MS = 200;

/** Those who have settled in the rooms of a town, and may have been put out of some since. */
export class Eavesdroppers {
  readonly #inside: { person: Townsman; token: string | undefined; client: Client }[] = [];

  constructor(
    private readonly town: Town,
    private readonly random: ReturnType<typeof seeded>,
  ) {}

  /** Everyone comes anew, each to one of some servers. */
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

  /** Says something in each room. @returns who hears it where, as the keys of {@link Town.truth} */
  async hear(urls: string[]): Promise<string[]> {
    const said = `probe ${crypto.randomUUID()}`;
    for (const room of this.town.rooms) {
      const message = { username: 'owner', content: said, room };
      await this.town.rule(this.random.pick(urls), 'POST', '/messages', message);
    }
    await Bun.sleep(HEARD_MS);
    return this.#inside.flatMap(({ person, token, client }) => {
      // A name that was claimed and a token that was ended are good for nobody.
      const by = token === person.token ? '' : ', as before';
      return client.received.flatMap((frame) =>
        frame.type === 'message' && frame.content === said
          ? [`${person.name} ${frame.room}${by}`]
          : [],
      );
    });
  }

  /** Those who hear what they may not, once that has lasted for so many milliseconds. */
  async within(most: number, urls: () => string[]): Promise<string[]> {
    const deadline = performance.now() + most;
    for (;;) {
      const truth = await this.town.truth();
      const found = overheard(truth, await this.hear(urls()));
      if (found.length === 0 || performance.now() > deadline) return found;
    }
  }
}

/** Those of whom the truth does not say that they may hear what they have heard. */
export function overheard(truth: Map<string, Rights>, heard: string[]): string[] {
  return heard.filter((who) => truth.get(who)?.doors.enter !== 'yes');
}
