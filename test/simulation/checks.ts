import type { ChangeFrame } from '../../src/protocol/frames.ts';
import { Basic } from './basic.ts';
import type { Client } from './client.ts';
import type { Library } from './library.ts';
import { Resuming } from './resuming.ts';
import type { Server } from './server.ts';
import { describeStored, type Stored, type Truth } from './truth.ts';
import { describe } from './view.ts';
import { allRooms, LOUNGE } from './workload.ts';
import { EPOCH_MS, type World } from './world.ts';

interface CheckParts {
  world: World;
  servers: Server[];
  clients: Client[];
  libraries: Library[];
  truth: Truth;
}

/** The conditions of a quiet point: nothing happens, and everything is whole since some time. */
export class Checks {
  /** The clients and rooms of the last {@link probe}. */
  readonly #probed = new Map<Resuming, Set<string>>();

  constructor(private readonly parts: CheckParts) {}

  /** Asks whether each client may write where it is, which only an answer tells. */
  probe(): void {
    for (const client of this.parts.clients) {
      if (!(client instanceof Resuming)) continue;
      const probed = new Set<string>();
      this.#probed.set(client, probed);
      for (const [room, view] of client.views) {
        client.refusals.delete(`typing ${room}`);
        if (view.state !== 'live') continue;
        probed.add(room);
        client.ask({ type: 'typing', id: this.parts.world.uuid(), room });
      }
    }
  }

  /** Whether all clients have the changes of a second ago, before further ones show that some were missed. */
  async views(): Promise<void> {
    const { world, truth, clients } = this.parts;
    const [revs, stored] = [await truth.revs(), await truth.messages()];
    await world.run(1000, () => world.story.breach !== undefined);
    for (const client of clients) {
      // Some have yet to notice that their line is broken.
      if (!client.line?.isHealthy) continue;
      if (client instanceof Basic) this.#basic(client, stored.get(client.room) ?? []);
      if (!(client instanceof Resuming)) continue;
      for (const [room, view] of client.views) {
        const { rev = 0, epoch } = revs.get(room) ?? {};
        if (view.state !== 'live' || view.epoch !== epoch || view.rev >= rev) continue;
        client.accuse(`still has ${room} up to ${view.rev}, not ${rev}`);
      }
    }
  }

  /** Whether nobody has more rights than are stored, nor fewer where it is, as {@link probe} has asked. */
  async rights(): Promise<void> {
    const rights = await this.parts.truth.rights();
    for (const client of this.parts.clients) {
      if (!(client instanceof Resuming) || !client.line?.isHealthy) continue;
      for (const [room, { state }] of client.views) {
        if (state === 'live')
          this.#rights(client, room, rights.get(`${client.person.name} ${room}`));
      }
    }
  }

  async run(): Promise<void> {
    const { truth, clients, world } = this.parts;
    const { story } = world;
    const [rights, stored, revs] = [
      await truth.rights(),
      await truth.messages(),
      await truth.revs(),
    ];
    const present = new Map<string, Set<string>>(allRooms.map((room) => [room, new Set()]));
    for (const client of clients) {
      if (client.isAway) continue;
      if (!client.isConnected) {
        if (rights.get(`${client.person.name} general`)?.read) client.accuse('is not connected');
        continue;
      }
      if (client instanceof Basic) {
        if (client.isJoined) present.get(client.room)?.add(client.person.name);
        this.#basic(client, stored.get(client.room) ?? []);
      }
      if (!(client instanceof Resuming)) continue;
      for (const [room, view] of client.views) {
        const right = rights.get(`${client.person.name} ${room}`);
        if (view.state === 'live') present.get(room)?.add(client.person.name);
        if (view.state !== 'live' && right?.read) {
          client.accuse(
            `is not in ${room} (${view.state}, ${client.refusals.get(room)}), and may be`,
          );
        }
        if (view.state !== 'live') continue;
        this.#rights(client, room, right);
        const { rev = 0, epoch } = revs.get(room) ?? {};
        if (view.epoch !== epoch) client.accuse(`has epoch ${view.epoch} of ${room}, not ${epoch}`);
        if (view.rev !== rev) client.accuse(`has ${room} up to ${view.rev}, not ${rev}`);
        this.#compare(client, room, view.messages, stored.get(room) ?? [], view.from);
      }
      this.#acks(client, stored);
      this.#direct(client, stored);
      if (client.outbox.size > 0 && this.#mayWriteEverywhere(client, rights)) {
        client.accuse(`${client.outbox.size} messages are neither acked nor refused`);
      }
    }
    const lounge = stored.get(LOUNGE) ?? [];
    for (const library of this.parts.libraries) {
      present.get(LOUNGE)?.add(library.username);
      library.check(lounge);
    }
    this.#presence(present, revs);
    story.tell('check', `${[...revs].map(([name, { rev }]) => `${name} ${rev}`).join(', ')}`);
  }

  #rights(client: Resuming, room: string, right?: { read: boolean; write: boolean }): void {
    if (!right?.read) client.accuse(`is in ${room}, and may not be`);
    if (!this.#probed.get(client)?.has(room)) return;
    const isMuted = client.refusals.get(`typing ${room}`) === 'muted';
    if (isMuted === right?.write) client.accuse(`muted in ${room}: ${isMuted}`);
  }

  #mayWriteEverywhere(client: Resuming, rights: Map<string, { write: boolean }>): boolean {
    return allRooms.every((room) => rights.get(`${client.person.name} ${room}`)?.write);
  }

  /** @param from all changes after this one must be known */
  #compare(
    client: Client,
    room: string,
    known: Map<number, ChangeFrame>,
    stored: Stored[],
    from: number,
  ): void {
    const ids = new Set(stored.map(({ id }) => id));
    for (const { id, seq } of known.values()) {
      if (!ids.has(id)) client.accuse(`has a message ${seq} of ${room} that is not stored`);
    }
    for (const message of stored) {
      const { id, seq, rev } = message;
      const found = known.get(id);
      if (!found) {
        if (rev > from) client.accuse(`lacks the message ${seq} of ${room}, changed at ${rev}`);
        continue;
      }
      const is = describe(found);
      const should = describeStored(message);
      if (is !== should) client.accuse(`has in ${room} "${is}", not "${should}"`);
    }
  }

  #acks(client: Resuming, stored: Map<string, Stored[]>): void {
    const all = new Map([...stored.values()].flat().map((message) => [message.id, message]));
    const byClientId = new Map([...all.values()].map((message) => [message.clientId, message]));
    // Those of rooms that were deleted since are gone.
    const present = new Set(stored.keys());
    for (const { id, room, messageId, seq } of client.acked) {
      const message = byClientId.get(id);
      if (
        message ? message.id === messageId && message.seq === seq : !this.#isThere(room, present)
      ) {
        continue;
      }
      client.accuse(`was acked ${id} as ${messageId} in ${room}, which is not stored so`);
    }
    for (const [messageId, rev] of client.changed) {
      const message = all.get(messageId);
      if (message && message.rev < rev) {
        client.accuse(`was acked a change ${rev} of ${messageId}, which is at ${message.rev}`);
      }
    }
  }

  /** Rooms may have been deleted, and made again. */
  #isThere(room: string, present: Set<string>): boolean {
    return room.startsWith('dm:') || (['general', LOUNGE].includes(room) && present.has(room));
  }

  /** All direct messages of now and since the connection are shown, in their latest state. */
  #direct(client: Resuming, stored: Map<string, Stored[]>): void {
    for (const [room, messages] of stored) {
      if (!room.startsWith('dm:')) continue;
      const shown = client.direct.get(room);
      for (const message of messages) {
        const found = shown?.get(message.id);
        if (!found) continue;
        const should = describeStored(message);
        if (describe(found) !== should) {
          client.accuse(`has in ${room} "${describe(found)}", not "${should}"`);
        }
      }
      const isIts = messages.some(({ username }) => username === client.person.name) || shown;
      if (!isIts) continue;
      const since = client.readyAt + EPOCH_MS;
      const missing = messages.find(({ id, at }) => at > since && !shown?.has(id));
      if (missing && client.readyAt > 0) {
        client.accuse(`lacks the direct message ${missing.seq} of ${room}`);
      }
    }
  }

  /** Between the first and the last message that were shown none is missing, unless it was deleted. */
  #basic(client: Basic, stored: Stored[]): void {
    if (!client.isJoined || client.shown.size === 0) return;
    const first = Math.min(...[...client.shown.values()].map(({ seq }) => seq));
    for (const { id, seq, isDeleted } of stored) {
      if (seq < first || isDeleted || client.shown.has(id)) continue;
      client.accuse(`was never shown the message ${seq} of ${client.room}`);
    }
  }

  #presence(present: Map<string, Set<string>>, revs: Map<string, { id: number }>): void {
    const silent = this.parts.clients.filter(({ isUnnoticed }) => isUnnoticed);
    const unnoticed = new Set(silent.map(({ person }) => person.name));
    for (const { core, name } of this.parts.servers) {
      for (const [room, people] of present) {
        const id = revs.get(room)?.id;
        if (!core || id === undefined) continue;
        const listed = core.live.presence.usernames(undefined, { id, name: room });
        const seen = listed.filter((user) => people.has(user) || !unnoticed.has(user)).join(', ');
        const should = [...people].sort().join(', ');
        if (seen === should) continue;
        this.parts.world.story.accuse(`${name} sees in ${room}: ${seen}; there are: ${should}`);
      }
    }
  }
}
