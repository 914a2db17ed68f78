import { expect } from 'bun:test';
import type { ChangeFrame } from '../../src/protocol/frames.ts';
import type { StoredMessage } from '../../src/protocol/message.ts';
import { Author, type Deed, Device } from './device.ts';
import { history, type Stored } from './history.ts';
import type { seeded } from './random.ts';

export const rooms = ['red', 'green', 'blue'];

/** The actions, each as likely as it is frequent here. */
const actions = [
  ...Array<'say'>(60).fill('say'),
  ...Array<'join'>(10).fill('join'),
  ...Array<'drop'>(8).fill('drop'),
  ...Array<'leave'>(4).fill('leave'),
  ...Array<'resend'>(6).fill('resend'),
  ...Array<'change'>(60).fill('change'),
  ...Array<'pause'>(40).fill('pause'),
] as const;

/** The time that a quiet server gets to take and show all messages, in milliseconds. */
const FINISHED_MS = 300_000;

/** Four users with two devices each, that post and change messages at random. */
export class Crowd {
  readonly authors = ['ana', 'ben', 'cleo', 'dan'].map((name) => new Author(name));
  readonly devices: Device[];

  /** @param holes whether a hole in the live changes is to be resumed; otherwise it is a breach */
  constructor(
    private readonly random: ReturnType<typeof seeded>,
    holes: 'resumed' | 'forbidden' = 'forbidden',
  ) {
    this.devices = this.authors.flatMap((author) => [
      new Device(author, rooms, holes),
      new Device(author, rooms, holes),
    ]);
  }

  /** Does one thing at random on a device. @param step names the message */
  async act(device: Device, step: number): Promise<void> {
    const room = this.random.pick(rooms);
    switch (this.random.pick(actions)) {
      case 'say':
        for (let n = this.random.integer(5); n >= 0; n--) device.say(room, `message ${step}.${n}`);
        break;
      case 'join':
        device.join(room);
        break;
      case 'drop':
        device.drop();
        break;
      case 'leave':
        device.leave(room);
        break;
      case 'resend':
        device.resend();
        break;
      case 'change':
        for (let n = this.random.integer(4); n >= 0; n--)
          this.#change(device, room, `change ${step}.${n}`);
        break;
      case 'pause':
        // So that sends and drops fall in every phase of a commit, and there is something to change.
        await device.settle();
    }
  }

  /** Enters rooms at random. */
  enterSome(device: Device): void {
    for (const each of rooms) if (this.random.integer(2)) device.join(each);
  }

  /**
   * Returns once all devices in a room have seen all of it, without reconnecting.
   *
   * @param url of a server, to ask for the stored messages
   * @param within milliseconds
   */
  async catchUp(url: string, within: number): Promise<void> {
    const deadline = performance.now() + within;
    for (;;) {
      // A look takes long itself on a busy machine: one that began in time is not the last.
      const isLast = performance.now() > deadline;
      const behind: string[] = [];
      for (const room of rooms) {
        const stored = await history(url, room).catch((error: Error) => error);
        if (stored instanceof Error) {
          behind.push(`${room}: ${stored.message}`);
          continue;
        }
        const newest = newestRev(stored);
        for (const { author, views, isConnected } of this.devices) {
          const view = views.get(room);
          if (!isConnected || view?.state === 'out' || view?.rev === newest) continue;
          behind.push(`${author.username} is at ${view?.rev} of ${newest} in ${room}`);
        }
      }
      if (behind.length === 0) return;
      if (isLast) expect(behind).toEqual([]);
      await Bun.sleep(50);
    }
  }

  /**
   * All devices reconnect, send their unsent messages, and read to the end.
   *
   * @param urlOf where each device connects
   * @param url of a server, to ask for the stored messages
   * @returns the stored messages, by room
   */
  async finish(urlOf: (device: Device) => string, url: string): Promise<Map<string, Stored[]>> {
    for (const device of this.devices) device.drop();
    const histories = new Map<string, Stored[]>();
    const deadline = performance.now() + FINISHED_MS;
    for (;;) {
      for (const device of this.devices) {
        if (!device.isConnected) await device.connect(urlOf(device));
        // A busy server may have refused to let it in.
        for (const [room, { state }] of device.views) if (state === 'out') device.join(room);
        device.resend();
      }
      // All frames are answered before any is sent again, so that a slow server gets no flood of them.
      await Promise.all(this.devices.map((device) => device.settle()));
      for (const room of rooms) histories.set(room, await history(url, room).catch(() => []));
      const isDone =
        this.authors.every(({ unacked }) => unacked.size === 0) &&
        this.devices.every(({ views }) =>
          rooms.every((room) => views.get(room)?.rev === newestRev(histories.get(room))),
        );
      if (isDone || this.devices.some(({ breaches }) => breaches.length > 0)) break;
      if (performance.now() > deadline) break;
    }
    this.#check(histories);
    return histories;
  }

  /** All devices have seen all stored messages, and every acknowledged change is stored, once. */
  #check(histories: Map<string, Stored[]>): void {
    expect(this.devices.flatMap(({ breaches }) => breaches)).toEqual([]);
    expect(this.authors.flatMap(({ unacked }) => [...unacked.values()])).toEqual([]);
    for (const room of rooms) {
      const stored = histories.get(room) ?? [];
      const byId = new Map(stored.map((message) => [message.id, message]));
      expect(stored.map(({ seq }) => seq)).toEqual(
        [...new Set(stored.map(({ seq }) => seq))].sort((a, b) => a - b),
      );
      expect(new Set(stored.map(({ clientId }) => clientId)).size).toBe(stored.length);
      for (const { views } of this.devices) {
        const seen = [...(views.get(room)?.messages.values() ?? [])].sort((a, b) => a.seq - b.seq);
        expect(seen.map(asStored)).toEqual(stored);
      }
      for (const { acked } of this.authors) {
        for (const [id, { seq, messageId }] of [...acked].filter(
          ([, each]) => each.room === room,
        )) {
          expect(byId.get(messageId)).toMatchObject({ seq, clientId: id });
        }
      }
      for (const author of this.authors) {
        for (const [key, { messageId, deed }] of author.done) {
          if (!key.startsWith(`${room} `)) continue;
          const message = byId.get(messageId) as Stored;
          expect(message.rev).toBeGreaterThanOrEqual(Number(key.split(' ')[1]));
          if (deed.type === 'delete')
            expect(message).toMatchObject({ content: '', deletedAt: expect.any(String) });
          // The last change is the one that is seen.
          if (key !== `${room} ${message.rev}`) continue;
          if (deed.type === 'edit') expect(message.content).toBe(deed.content);
          if (deed.type !== 'react') continue;
          const reaction = message.reactions?.find(({ emoji }) => emoji === deed.emoji);
          expect(reaction?.usernames.includes(author.username) ?? false).toBe(!deed.remove);
        }
      }
    }
    const changes = this.authors.flatMap(({ done }) => [...done.values()]);
    for (const type of ['edit', 'delete', 'react']) {
      expect(changes.filter(({ deed }) => deed.type === type).length).toBeGreaterThan(0);
    }
    const total = [...histories.values()].flat().length;
    expect(total).toBe(this.authors.reduce((sum, { acked }) => sum + acked.size, 0));
    expect(total).toBeGreaterThan(100);
  }

  #change(device: Device, room: string, content: string): void {
    const seen = [...(device.views.get(room)?.messages.values() ?? [])];
    // Mostly of the newest, so that several change the same one at once.
    const message = seen.at(-1 - this.random.integer(Math.min(seen.length, 10)));
    if (!message) return;
    const isOwn = message.username === device.author.username;
    const deed = this.random.pick([
      {
        type: 'react',
        emoji: this.random.pick(['👍', '🎉']),
        remove: this.random.integer(3) === 0,
      },
      { type: 'react', emoji: '👀', remove: this.random.integer(2) === 0 },
      ...(isOwn ? Array(3).fill({ type: 'edit', content }) : []),
      ...(isOwn ? [{ type: 'delete' }] : []),
    ] as Deed[]);
    device.change(message.id, deed);
  }
}

const newestRev = (stored: Stored[] = []) => Math.max(0, ...stored.map(({ rev }) => rev));

/** Both doors show the same object; a frame has its type besides. */
function asStored({ type: _, ...message }: ChangeFrame): StoredMessage {
  return message;
}
